//! A kernel that is just enough for devices: PID 1 runs the test at the root of devtmpfs, with sysfs on `/sys`; PID 2 is
//! kthreadd.

use std::ops::Deref;
use std::sync::Arc;

use device::Builder;
use errno::{Errno, Result};
pub(crate) use fixture::processes::dawdle;
pub(crate) use fixture_threads::{join, spawn};
use fs::{
    DeviceNumber, DirectorySink, FileOperations, FileType, LookupFlags, NodeKind, OpenFlags, Start,
    Stat, char_device,
};

/// The devices' major number.
pub(crate) const MAJOR: u32 = 200;

/// Runs a test as PID 1 of a fresh kernel, over some seeds.
pub(crate) fn over_seeds(seeds: u64, cpus: usize, test: fn()) {
    fixture::over_seeds(seeds, cpus, || {
        fixture_threads::boot(&fixture::UPCALLS, move || {
            fs::init().unwrap();
            device::init().unwrap();
            sysfs::init().unwrap();
            char_device::register_range(DeviceNumber::new(MAJOR, 0), 256, "test", refuse).unwrap();
            test();
        })
    });
}

fn refuse(_: DeviceNumber, _: OpenFlags) -> Result<Arc<dyn FileOperations>> {
    Err(Errno::EIO)
}

/// A device of the test's class.
pub(crate) fn builder(minor: u32) -> Builder {
    Builder::new("test", name(minor)).number(DeviceNumber::new(MAJOR, minor))
}

pub(crate) fn name(minor: u32) -> String {
    format!("test{minor}")
}

/// A program's view of devtmpfs, and what these tests do there.
#[derive(Clone)]
pub(crate) struct World(fixture_threads::World);

impl Deref for World {
    type Target = fixture_threads::World;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self(fixture_threads::World::new())
    }

    pub(crate) fn stat(&self, path: &str) -> Result<Stat> {
        self.with(|caller| caller.stat(&Start::Cwd, path.as_bytes(), LookupFlags::empty()))
    }

    /// Mode, owner, group and number.
    pub(crate) fn node(&self, path: &str) -> Result<(u32, u32, u32, u64)> {
        let stat = self.stat(path)?;
        Ok((stat.mode(), stat.uid, stat.gid, u64::from(stat.represents.minor)))
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.stat(path).is_ok()
    }

    pub(crate) fn unlink(&self, path: &str) -> Result<()> {
        self.with(|caller| caller.unlink(&Start::Cwd, path.as_bytes()))
    }

    pub(crate) fn mkdir(&self, path: &str) -> Result<()> {
        self.with(|caller| caller.make_directory(&Start::Cwd, path.as_bytes(), 0o700))
    }

    pub(crate) fn rmdir(&self, path: &str) -> Result<()> {
        self.with(|caller| caller.remove_directory(&Start::Cwd, path.as_bytes()))
    }

    pub(crate) fn mknod(&self, path: &str, minor: u32) -> Result<()> {
        let kind = NodeKind::CharDevice(DeviceNumber::new(MAJOR, minor));
        self.with(|caller| caller.make_node(&Start::Cwd, path.as_bytes(), kind, 0o640))
    }

    pub(crate) fn link(&self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (from.as_bytes(), to.as_bytes());
        self.with(|caller| caller.link(&Start::Cwd, from, LookupFlags::empty(), &Start::Cwd, to))
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (from.as_bytes(), to.as_bytes());
        let flags = fs::RenameFlags::empty();
        self.with(|caller| caller.rename(&Start::Cwd, from, &Start::Cwd, to, flags))
    }

    pub(crate) fn chmod(&self, path: &str, mode: u32) -> Result<()> {
        self.with(|caller| {
            let place = caller.lookup(&Start::Cwd, path.as_bytes(), LookupFlags::empty())?;
            caller.change_mode(&place, mode)
        })
    }

    pub(crate) fn link_text(&self, path: &str) -> Result<String> {
        let text = self.with(|caller| caller.read_link(&Start::Cwd, path.as_bytes()))?;
        Ok(String::from_utf8(text).unwrap())
    }

    /// All names in a directory, sorted.
    pub(crate) fn list(&self, path: &str) -> Vec<String> {
        let directory = self.open(path, OpenFlags::DIRECTORY).unwrap();
        let mut names = Names(Vec::new());
        directory.read_directory(&mut names).unwrap();
        names.0.retain(|name| name != "." && name != "..");
        names.0.sort();
        names.0
    }

    /// All that a device may leave behind.
    pub(crate) fn census(&self) -> Vec<Vec<String>> {
        ["/", "/sys/class/test", "/sys/dev/char", "/sys/devices/virtual/test"]
            .into_iter()
            .map(|path| if self.exists(path) { self.list(path) } else { Vec::new() })
            .collect()
    }
}

struct Names(Vec<String>);

impl DirectorySink for Names {
    fn entry(&mut self, name: &[u8], _inode: u64, _type: FileType, _next: u64) -> bool {
        self.0.push(String::from_utf8(name.to_vec()).unwrap());
        true
    }
}
