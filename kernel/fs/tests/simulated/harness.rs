//! A kernel that is just enough for tasks that use files.

use std::sync::Arc;

use errno::Errno;
use fixture::tasks;
pub(crate) use fixture::tasks::Running;
use fs::{
    Caller, Credentials, File, FsContext, LookupFlags, MountNamespace, OpenFlags, OpenOptions,
    Start, Stat, tmpfs,
};
use sched::CpuMask;
use vm::Mm;

/// Runs a test in a task of a fresh kernel, over some seeds. Whatever it used must be given back
/// afterwards.
pub(crate) fn over_seeds(seeds: u64, cpus: usize, test: fn()) {
    let count = || (tasks::used(), File::counts().0);
    fixture::over_seeds(seeds, cpus, || tasks::boot(|| fs::init().unwrap(), count, test));
}

/// As [`over_seeds`], with one CPU and one seed: for what does not depend on the order of events.
pub(crate) fn once(test: fn()) {
    over_seeds(1, 1, test);
}

/// Starts a task.
pub(crate) fn start(body: impl FnOnce() + Send + 'static) -> Running {
    tasks::start(None, CpuMask::present(), body)
}

/// Runs `body` in a task with user memory: some pages, followed by one that is not there. It gets
/// the address of the first and that of the hole.
pub(crate) fn in_user(pages: usize, body: impl FnOnce(usize, usize) + Send + 'static) {
    let mm = Mm::new().unwrap();
    let at = mm.mmap(&fixture::anonymous(pages + 1)).unwrap();
    let hole = at + pages * memory::PAGE_SIZE;
    mm.munmap(hole, memory::PAGE_SIZE).unwrap();
    tasks::start(Some(mm), CpuMask::present(), move || body(at, hole)).join();
}

/// Somebody with a tree of names.
#[derive(Clone)]
pub(crate) struct World {
    pub fs: Arc<FsContext>,
    pub credentials: Arc<Credentials>,
}

impl World {
    /// The superuser in an empty root file system.
    pub(crate) fn new() -> Self {
        let namespace = MountNamespace::new(tmpfs::new_rootfs().unwrap(), "rootfs");
        Self { fs: FsContext::new(namespace), credentials: Credentials::root() }
    }

    /// Somebody else in the same place, without privileges.
    pub(crate) fn user(&self, id: u32) -> Self {
        let mut credentials = (*self.credentials).clone();
        credentials.effective = fs::Capabilities::empty();
        for field in [&mut credentials.uid, &mut credentials.euid, &mut credentials.fsuid] {
            *field = id;
        }
        for field in [&mut credentials.gid, &mut credentials.egid, &mut credentials.fsgid] {
            *field = id;
        }
        Self { fs: self.fs.clone(), credentials: Arc::new(credentials) }
    }

    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller { fs: &self.fs, credentials: &self.credentials }
    }

    pub(crate) fn open(&self, path: &str, flags: OpenFlags) -> Result<Arc<File>, Errno> {
        self.caller().open(&Start::Cwd, path.as_bytes(), OpenOptions { flags, mode: 0o666 })
    }

    pub(crate) fn mkdir(&self, path: &str) -> Result<(), Errno> {
        self.caller().make_directory(&Start::Cwd, path.as_bytes(), 0o777)
    }

    pub(crate) fn symlink(&self, target: &str, path: &str) -> Result<(), Errno> {
        self.caller().make_symlink(target.as_bytes(), &Start::Cwd, path.as_bytes())
    }

    pub(crate) fn unlink(&self, path: &str) -> Result<(), Errno> {
        self.caller().unlink(&Start::Cwd, path.as_bytes())
    }

    pub(crate) fn rmdir(&self, path: &str) -> Result<(), Errno> {
        self.caller().remove_directory(&Start::Cwd, path.as_bytes())
    }

    pub(crate) fn rename(&self, from: &str, to: &str, flags: fs::RenameFlags) -> Result<(), Errno> {
        self.caller().rename(&Start::Cwd, from.as_bytes(), &Start::Cwd, to.as_bytes(), flags)
    }

    pub(crate) fn chdir(&self, path: &str) -> Result<(), Errno> {
        self.caller().change_directory(&Start::Cwd, path.as_bytes(), LookupFlags::empty())
    }

    pub(crate) fn cwd(&self) -> Result<String, Errno> {
        self.caller().current_directory().map(|path| String::from_utf8(path).unwrap())
    }

    /// As `stat`.
    pub(crate) fn stat(&self, path: &str) -> Result<Stat, Errno> {
        self.caller().stat(&Start::Cwd, path.as_bytes(), LookupFlags::FOLLOW)
    }

    /// As `lstat`.
    pub(crate) fn lstat(&self, path: &str) -> Result<Stat, Errno> {
        self.caller().stat(&Start::Cwd, path.as_bytes(), LookupFlags::empty())
    }

    /// Makes a file with these contents, or overwrites it.
    pub(crate) fn write(&self, path: &str, mut data: &[u8]) {
        let flags = OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::TRUNC;
        let file = self.open(path, flags).unwrap();
        while !data.is_empty() {
            file.write(&mut data).unwrap();
        }
    }

    /// The contents of a file.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, Errno> {
        read_all(&*self.open(path, OpenFlags::empty())?)
    }

    /// The names in a directory, in order, without `.` and `..`.
    pub(crate) fn list(&self, path: &str) -> Vec<String> {
        let file = self.open(path, OpenFlags::DIRECTORY).unwrap();
        let mut names = Names::default();
        file.read_directory(&mut names).unwrap();
        names.0.retain(|name| name != "." && name != "..");
        names.0
    }
}

/// Reads to the end.
pub(crate) fn read_all(file: &File) -> Result<Vec<u8>, Errno> {
    let mut data = Vec::new();
    loop {
        let mut buffer = [0; 777];
        let count = read(file, &mut buffer)?;
        if count == 0 {
            return Ok(data);
        }
        data.extend_from_slice(&buffer[..count]);
    }
}

/// Reads once.
pub(crate) fn read(file: &File, mut buffer: &mut [u8]) -> Result<usize, Errno> {
    file.read(&mut buffer)
}

/// Writes once.
pub(crate) fn write(file: &File, mut data: &[u8]) -> Result<usize, Errno> {
    file.write(&mut data)
}

/// Collects names.
#[derive(Default)]
pub(crate) struct Names(pub Vec<String>);

impl fs::DirectorySink for Names {
    fn entry(&mut self, name: &[u8], _inode: u64, _type: fs::FileType, _next: u64) -> bool {
        self.0.push(String::from_utf8(name.to_vec()).unwrap());
        true
    }
}
