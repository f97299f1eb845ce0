//! A kernel that is just enough for processes that read `/proc`: PID 1 runs the test, PID 2 is
//! kthreadd.

use std::sync::Arc;

use errno::Result;
use fixture::processes;
use fs::{
    Caller, Credentials, DirectorySink, File, FileType, FsContext, MountNamespace, OpenFlags,
    OpenOptions, Start, tmpfs,
};
use process::{CloneFlags, Thread};

/// Runs a test as PID 1 of a fresh kernel, over some seeds.
pub(crate) fn over_seeds(seeds: u64, cpus: usize, test: fn()) {
    fixture::over_seeds(seeds, cpus, || boot(test));
}

fn boot(test: fn()) -> ! {
    fixture_threads::boot(&fixture::UPCALLS, move || {
        mount_proc();
        test();
    })
}

fn mount_proc() {
    fs::init().unwrap();
    procfs::init().unwrap();
    let namespace = MountNamespace::new(tmpfs::new_rootfs().unwrap(), "rootfs");
    process::set_root(&FsContext::new(namespace));
    as_caller(|caller| {
        caller.make_directory(&Start::Cwd, b"/proc", 0o555)?;
        caller.mount(b"proc", b"/proc", b"proc", 0, b"")
    })
    .unwrap();
}

fn as_caller<R>(body: impl FnOnce(&Caller<'_>) -> R) -> R {
    let current = sched::current();
    let thread = Thread::of(&current);
    let (fs, credentials) = (thread.fs().unwrap(), thread.credentials());
    body(&Caller { fs: &fs, credentials: &credentials })
}

/// Opens a file below `/proc`.
pub(crate) fn open(path: &str, flags: OpenFlags) -> Result<Arc<File>> {
    let path = format!("/proc/{path}");
    let options = OpenOptions { flags, mode: 0 };
    as_caller(|caller| caller.open(&Start::Cwd, path.as_bytes(), options))
}

/// Reads an open file from its position to its end, a few bytes at a time.
pub(crate) fn read_on(file: &File) -> Result<String> {
    let mut text = Vec::new();
    loop {
        let mut bytes = [0; 50];
        let mut buffer = &mut bytes[..];
        match file.read(&mut buffer)? {
            0 => return Ok(String::from_utf8(text).unwrap()),
            count => text.extend_from_slice(&bytes[..count]),
        }
    }
}

/// The contents of a file below `/proc`.
pub(crate) fn read(path: &str) -> Result<String> {
    read_on(&*open(path, OpenFlags::empty())?)
}

/// Writes to a file below `/proc`.
pub(crate) fn write(path: &str, mut bytes: &[u8]) -> Result<usize> {
    open(path, OpenFlags::WRONLY)?.write(&mut bytes)
}

/// The names in a directory below `/proc`, read a few entries at a time.
pub(crate) fn list(path: &str) -> Vec<String> {
    let directory = open(path, OpenFlags::DIRECTORY).unwrap();
    let mut all = Vec::new();
    loop {
        let mut some = Names { names: Vec::new(), room: 3 };
        directory.read_directory(&mut some).unwrap();
        if some.names.is_empty() {
            return all;
        }
        all.append(&mut some.names);
    }
}

struct Names {
    names: Vec<String>,
    room: usize,
}

impl DirectorySink for Names {
    fn entry(&mut self, name: &[u8], _inode: u64, _type: FileType, _next: u64) -> bool {
        let fits = self.names.len() < self.room;
        if fits {
            self.names.push(String::from_utf8(name.to_vec()).unwrap());
        }
        fits
    }
}

/// Makes a child process that runs `body`.
pub(crate) fn fork(body: impl FnOnce() -> u32 + Send + 'static) -> u32 {
    processes::clone_with(CloneFlags::empty(), || None, body)
}

/// Runs `body` as a user without privileges.
pub(crate) fn as_user(id: u32, body: impl FnOnce()) {
    let own = process::credentials();
    let mut credentials = Credentials::clone(&own);
    credentials.effective = fs::Capabilities::empty();
    credentials.permitted = fs::Capabilities::empty();
    for field in [&mut credentials.uid, &mut credentials.euid, &mut credentials.fsuid] {
        *field = id;
    }
    process::set_credentials(Arc::new(credentials));
    body();
    process::set_credentials(own);
}
