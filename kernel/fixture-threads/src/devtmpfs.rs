//! Devtmpfs, as a program sees it.

use std::sync::Arc;

use errno::{Errno, Result};
use fs::{
    Caller, Credentials, File, FsContext, MountNamespace, OpenFlags, OpenOptions, Start, devtmpfs,
};

/// A program's view of devtmpfs, which is not the kernel's, with sysfs on `/sys`.
#[derive(Clone)]
pub struct World {
    fs: Arc<FsContext>,
    credentials: Arc<Credentials>,
}

impl World {
    /// Another one.
    ///
    /// # Panics
    /// If devtmpfs or sysfs is not there.
    pub fn new() -> Self {
        let superblock = devtmpfs::superblock().unwrap();
        let fs = FsContext::new(MountNamespace::new(superblock, "devtmpfs"));
        fs.set_umask(0);
        let world = Self { fs, credentials: Credentials::root() };
        world.with(|caller| {
            match caller.make_directory(&Start::Cwd, b"/sys", 0o700) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => panic!("no place for sysfs: {error}"),
            }
            caller.mount(b"sys", b"/sys", b"sysfs", 0, b"").unwrap();
        });
        world
    }

    /// Does something as the program.
    pub fn with<R>(&self, body: impl FnOnce(&Caller<'_>) -> R) -> R {
        body(&Caller { fs: &self.fs, credentials: &self.credentials })
    }

    /// Opens a file.
    ///
    /// # Errors
    /// As `open`.
    pub fn open(&self, path: &str, flags: OpenFlags) -> Result<Arc<File>> {
        let options = OpenOptions { flags, mode: 0 };
        self.with(|caller| caller.open(&Start::Cwd, path.as_bytes(), options))
    }

    /// The first 1,000 bytes of a file.
    ///
    /// # Errors
    /// As `open` and `read`.
    ///
    /// # Panics
    /// If they are no text.
    pub fn read(&self, path: &str) -> Result<String> {
        let file = self.open(path, OpenFlags::empty())?;
        let mut bytes = [0; 1000];
        let mut buffer = &mut bytes[..];
        let count = file.read(&mut buffer)?;
        Ok(String::from_utf8(bytes[..count].to_vec()).unwrap())
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
