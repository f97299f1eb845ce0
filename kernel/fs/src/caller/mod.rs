//! Files by name: what system calls do with paths, for somebody.
//!
//! A [`Caller`] is whoever asks: where they are and who they are. Its methods are the path-taking
//! system calls without the copying of arguments, so a kernel thread can use them as well. All may
//! sleep.

mod attributes;
mod create;
mod mount;
mod open;
mod remove;
mod rename;

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};

pub use attributes::{NewOwner, TimeChange};
pub use mount::{MountAction, UnmountFlags};
pub use open::{Make, OpenOptions};

use crate::context::FsContext;
use crate::credentials::{Access, Capabilities, Credentials};
use crate::flags::LookupFlags;
use crate::path::Path;
use crate::stat::{FileType, Stat};
use crate::walk::Walker;

/// Where a relative path starts.
#[derive(Clone, Debug)]
pub enum Start {
    /// At the working directory (`AT_FDCWD`).
    Cwd,
    /// At what a descriptor has open.
    At(Path),
}

/// Whoever asks.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Where they are.
    pub fs: &'a FsContext,
    /// Who they are.
    pub credentials: &'a Arc<Credentials>,
}

impl Caller<'_> {
    /// What is at a path.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, EACCES (a directory on the way may not be searched), ELOOP, ENAMETOOLONG.
    pub fn lookup(&self, start: &Start, path: &[u8], flags: LookupFlags) -> Result<Path> {
        if path.is_empty() && flags.contains(LookupFlags::EMPTY_PATH) {
            return Ok(match start {
                Start::Cwd => self.fs.cwd(),
                Start::At(path) => path.clone(),
            });
        }
        let place = Walker::new(self, start, path)?.finish(flags.contains(LookupFlags::FOLLOW))?;
        if flags.contains(LookupFlags::DIRECTORY)
            && place.inode().file_type() != FileType::Directory
        {
            return Err(Errno::ENOTDIR);
        }
        Ok(place)
    }

    /// What `stat` tells of what is at a path.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup).
    pub fn stat(&self, start: &Start, path: &[u8], flags: LookupFlags) -> Result<Stat> {
        self.lookup(start, path, flags)?.inode().stat()
    }

    /// Whether the caller may do something with what is at a path: EACCES or EROFS if not.
    /// `faccessat` without `AT_EACCESS` asks with [`Credentials::with_real_ids`].
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup); EACCES, EROFS.
    pub fn access(
        &self,
        start: &Start,
        path: &[u8],
        flags: LookupFlags,
        access: Access,
    ) -> Result<()> {
        let place = self.lookup(start, path, flags)?;
        self.check(&place, access)
    }

    /// Checks permission bits and what the mount allows.
    ///
    /// # Errors
    /// EACCES, EROFS.
    pub fn check(&self, place: &Path, access: Access) -> Result<()> {
        let file = place.inode().ownership()?;
        let writes_to_medium =
            matches!(file.file_type, FileType::Regular | FileType::Directory | FileType::Symlink);
        if access.includes(Access::WRITE) && writes_to_medium {
            place.mount().require_writable()?;
        }
        let noexec = place.mount().flags().contains(crate::MountFlags::NOEXEC);
        if access.includes(Access::EXECUTE) && noexec && file.file_type == FileType::Regular {
            return Err(Errno::EACCES);
        }
        self.credentials.check(&file, access)
    }

    /// The text of a symbolic link.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup); EINVAL: not a link.
    pub fn read_link(&self, start: &Start, path: &[u8]) -> Result<Vec<u8>> {
        let place = self.lookup(start, path, LookupFlags::EMPTY_PATH)?;
        if place.inode().file_type() != FileType::Symlink {
            return Err(if path.is_empty() { Errno::ENOENT } else { Errno::EINVAL });
        }
        place.inode().link_text(&self.fs.root())
    }

    /// Changes the working directory.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup); ENOTDIR, EACCES.
    pub fn change_directory(&self, start: &Start, path: &[u8], flags: LookupFlags) -> Result<()> {
        let flags = flags | LookupFlags::FOLLOW | LookupFlags::DIRECTORY;
        let place = self.lookup(start, path, flags)?;
        self.credentials.check(&place.inode().ownership()?, Access::EXECUTE)?;
        self.fs.set_cwd(place);
        Ok(())
    }

    /// Changes the root directory.
    ///
    /// # Errors
    /// As [`change_directory`](Self::change_directory); EPERM without CAP_SYS_CHROOT.
    pub fn change_root(&self, path: &[u8]) -> Result<()> {
        let flags = LookupFlags::FOLLOW | LookupFlags::DIRECTORY;
        let place = self.lookup(&Start::Cwd, path, flags)?;
        self.credentials.check(&place.inode().ownership()?, Access::EXECUTE)?;
        self.credentials.require(Capabilities::SYS_CHROOT)?;
        self.fs.set_root(place);
        Ok(())
    }

    /// The working directory's path, as `getcwd` gives it, without a NUL.
    ///
    /// # Errors
    /// ENOENT: it was removed. ENAMETOOLONG: it is longer than [`PATH_MAX`](crate::PATH_MAX).
    pub fn current_directory(&self) -> Result<Vec<u8>> {
        let cwd = self.fs.cwd();
        if cwd.dentry().is_removed() {
            return Err(Errno::ENOENT);
        }
        cwd.to_directory_bytes(&self.fs.root())
    }
}
