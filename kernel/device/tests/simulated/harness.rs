//! A kernel that is just enough for devices: PID 1 runs the test at the root of devtmpfs, with sysfs on `/sys`; PID 2 is
//! kthreadd.

use std::sync::Arc;

use device::Builder;
use errno::{Errno, Result};
use fixture::processes;
pub(crate) use fixture::processes::dawdle;
use fs::{
    Caller, Credentials, DeviceNumber, DirectorySink, File, FileOperations, FileType, FsContext,
    LookupFlags, MountNamespace, NodeKind, OpenFlags, OpenOptions, Start, Stat, char_device,
    devtmpfs,
};
use kthread::Handle;

static REAP: sync::Once<workqueue::Work<fn(&workqueue::Running<'_>)>> = sync::Once::new();

/// The devices' major number.
pub(crate) const MAJOR: u32 = 200;

/// Runs a test as PID 1 of a fresh kernel, over some seeds.
pub(crate) fn over_seeds(seeds: u64, cpus: usize, test: fn()) {
    fixture::over_seeds(seeds, cpus, || {
        processes::boot(&fixture::UPCALLS, kthread::kthreadd, move || {
            kthread::reaper::install(|| {
                if let Some(reap) = REAP.get() {
                    workqueue::schedule_work(reap);
                }
            });
            workqueue::early_init();
            workqueue::init().unwrap();
            let reap: fn(&workqueue::Running<'_>) = |_| kthread::reaper::reap();
            assert!(REAP.set(workqueue::Work::from_fn("reap", reap)).is_ok());
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

/// A program's view of devtmpfs, which is not the kernel's.
#[derive(Clone)]
pub(crate) struct World {
    fs: Arc<FsContext>,
    credentials: Arc<Credentials>,
}

impl World {
    pub(crate) fn new() -> Self {
        let superblock = devtmpfs::superblock().unwrap();
        let fs = FsContext::new(MountNamespace::new(superblock, "devtmpfs"));
        fs.set_umask(0);
        let world = Self { fs, credentials: Credentials::root() };
        match world.mkdir("/sys") {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => panic!("no place for sysfs: {error}"),
        }
        world.with(|caller| caller.mount(b"sys", b"/sys", b"sysfs", 0, b"")).unwrap();
        world
    }

    pub(crate) fn with<R>(&self, body: impl FnOnce(&Caller<'_>) -> R) -> R {
        body(&Caller { fs: &self.fs, credentials: &self.credentials })
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

    pub(crate) fn open(&self, path: &str, flags: OpenFlags) -> Result<Arc<File>> {
        let options = OpenOptions { flags, mode: 0 };
        self.with(|caller| caller.open(&Start::Cwd, path.as_bytes(), options))
    }

    pub(crate) fn read(&self, path: &str) -> Result<String> {
        let file = self.open(path, OpenFlags::empty())?;
        let mut bytes = [0; 1000];
        let mut buffer = &mut bytes[..];
        let count = file.read(&mut buffer)?;
        Ok(String::from_utf8(bytes[..count].to_vec()).unwrap())
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

/// Starts a thread of the kernel.
pub(crate) fn spawn(body: impl FnOnce() + Send + 'static) -> Handle {
    let run = move |_: &kthread::This| {
        body();
        0
    };
    kthread::Builder::new(format_args!("test")).run(run).unwrap()
}

/// Waits for a thread that must not have failed.
pub(crate) fn join(thread: Handle) {
    assert_eq!(thread.join(), kthread::Exit::Returned(0));
}
