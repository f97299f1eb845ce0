//! `unlink` and `rmdir`.

use alloc::sync::Arc;

use errno::{Errno, Result};

use super::{Caller, Start};
use crate::credentials::{Access, Capabilities};
use crate::dentry::Dentry;
use crate::inode::Inode;
use crate::inotify::{self, Events};
use crate::path::Path;
use crate::stat::{FileType, S_ISVTX};
use crate::walk::{Last, Walker};

impl Caller<'_> {
    /// Removes a name of something that is not a directory.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup); EISDIR, EACCES, EPERM (sticky directory), EROFS, EBUSY (a mount
    /// point).
    pub fn unlink(&self, start: &Start, path: &[u8]) -> Result<()> {
        self.unlink_if(start, path, |_| Ok(true)).map(drop)
    }

    /// As [`unlink`](Self::unlink), if `wanted` says so of what has the name; nobody else changes that in between. Returns
    /// whether it was wanted.
    pub(crate) fn unlink_if(
        &self,
        start: &Start,
        path: &[u8],
        wanted: impl FnOnce(&Arc<dyn Inode>) -> Result<bool>,
    ) -> Result<bool> {
        let mut walker = Walker::new(self, start, path)?;
        let Last::Name { range, slash } = walker.go_to_last()? else { return Err(Errno::EISDIR) };
        let (directory, name) = (walker.at(), walker.name(&range));
        let names = directory.names();
        let victim = names.lookup(name)?;
        let is_directory = victim.inode().file_type() == FileType::Directory;
        if slash && !is_directory {
            return Err(Errno::ENOTDIR);
        }
        self.check_removal(directory, &victim)?;
        if is_directory {
            return Err(Errno::EISDIR);
        }
        if !wanted(victim.inode())? {
            return Ok(false);
        }
        directory.inode().unlink(name)?;
        names.removed(&victim);
        drop(names);
        tell_removed(directory, name, &victim, Events::empty());
        Ok(true)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup); ENOTDIR, ENOTEMPTY, EINVAL (`.`), EACCES, EPERM (sticky
    /// directory), EROFS, EBUSY (a mount point).
    pub fn remove_directory(&self, start: &Start, path: &[u8]) -> Result<()> {
        self.remove_directory_if(start, path, |_| true).map(drop)
    }

    /// As [`remove_directory`](Self::remove_directory), if `wanted` says so of what has the name. Returns whether it was wanted.
    pub(crate) fn remove_directory_if(
        &self,
        start: &Start,
        path: &[u8],
        wanted: impl FnOnce(&Arc<dyn Inode>) -> bool,
    ) -> Result<bool> {
        let mut walker = Walker::new(self, start, path)?;
        let range = match walker.go_to_last()? {
            Last::Name { range, .. } => range,
            Last::Dot => return Err(Errno::EINVAL),
            Last::DotDot => return Err(Errno::ENOTEMPTY),
            Last::Root => return Err(Errno::EBUSY),
        };
        let (directory, name) = (walker.at(), walker.name(&range));
        let names = directory.names();
        let victim = names.lookup(name)?;
        self.check_removal(directory, &victim)?;
        if victim.inode().file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        if !wanted(victim.inode()) {
            return Ok(false);
        }
        directory.inode().rmdir(name)?;
        names.removed(&victim);
        drop(names);
        tell_removed(directory, name, &victim, Events::ISDIR);
        Ok(true)
    }

    /// Whether the caller may take a name out of a directory.
    pub(super) fn check_removal(&self, directory: &Path, victim: &Arc<Dentry>) -> Result<()> {
        self.check(directory, Access::WRITE.and(Access::EXECUTE))?;
        let parent = directory.inode().stat()?;
        if parent.permissions & S_ISVTX != 0 {
            let owner = self.credentials.fsuid;
            if owner != parent.uid
                && owner != victim.inode().stat()?.uid
                && !self.credentials.capable(Capabilities::FOWNER)
            {
                return Err(Errno::EPERM);
            }
        }
        if victim.is_mount_point() { Err(Errno::EBUSY) } else { Ok(()) }
    }
}

/// Tells of a name that is gone, and of the file's end if it was the last.
fn tell_removed(directory: &Path, name: &[u8], victim: &Arc<Dentry>, kind: Events) {
    if inotify::is_active() {
        tell_unlinked(victim);
        inotify::tell_inode(directory.inode(), Events::DELETE | kind, 0, name);
    }
}

/// Tells who watches a file that it has lost a name.
pub(super) fn tell_unlinked(victim: &Arc<Dentry>) {
    let is_directory = victim.inode().file_type() == FileType::Directory;
    if !is_directory {
        inotify::tell_inode(victim.inode(), Events::ATTRIB, 0, b"");
    }
    if is_directory || victim.inode().stat().is_ok_and(|stat| stat.links == 0) {
        inotify::tell_inode(victim.inode(), Events::DELETE_SELF, 0, b"");
    }
}
