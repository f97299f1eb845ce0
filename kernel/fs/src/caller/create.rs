//! `mkdir`, `mknod`, `symlink`, `link`.

use errno::{Errno, Result};

use super::{Caller, Make, Start};
use crate::credentials::{Access, Capabilities};
use crate::dentry::Names;
use crate::flags::LookupFlags;
use crate::inode::{NewNode, NodeKind};
use crate::inotify::{self, Events};
use crate::path::Path;
use crate::stat::{FileType, MODE_BITS, PATH_MAX, S_ISGID, S_ISVTX};
use crate::walk::{Last, Walker};

impl Caller<'_> {
    /// Makes a directory.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup) for the directory; EEXIST, EACCES, EROFS, ENOSPC.
    pub fn make_directory(&self, start: &Start, path: &[u8], mode: u32) -> Result<()> {
        let permissions = mode & (0o777 | S_ISVTX) & !self.fs.umask();
        self.make(start, path, NodeKind::Directory, permissions)
    }

    /// Makes a file, device, FIFO or socket.
    ///
    /// # Errors
    /// As [`make_directory`](Self::make_directory); EPERM: a device without CAP_MKNOD, or a
    /// directory.
    pub fn make_node(
        &self,
        start: &Start,
        path: &[u8],
        kind: NodeKind<'_>,
        mode: u32,
    ) -> Result<()> {
        match kind {
            NodeKind::CharDevice(_) | NodeKind::BlockDevice(_) => {
                self.credentials.require(Capabilities::MKNOD)?;
            }
            NodeKind::Directory | NodeKind::Symlink(_) => return Err(Errno::EPERM),
            NodeKind::Regular | NodeKind::Fifo | NodeKind::Socket => {}
        }
        self.make(start, path, kind, mode & MODE_BITS & !self.fs.umask())
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// As [`make_directory`](Self::make_directory); ENOENT: an empty target.
    pub fn make_symlink(&self, target: &[u8], start: &Start, path: &[u8]) -> Result<()> {
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        if target.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        self.make(start, path, NodeKind::Symlink(target), 0o777)
    }

    fn make(&self, start: &Start, path: &[u8], kind: NodeKind<'_>, permissions: u32) -> Result<()> {
        self.make_with(start, path, kind, permissions, &|directory, name, node| {
            directory.create(name, node)
        })
    }

    /// As the calls above, for who makes a node in another way than the directory does.
    pub(crate) fn make_with(
        &self,
        start: &Start,
        path: &[u8],
        kind: NodeKind<'_>,
        permissions: u32,
        make: Make<'_>,
    ) -> Result<()> {
        let mut walker = Walker::new(self, start, path)?;
        let Last::Name { range, slash } = walker.go_to_last()? else { return Err(Errno::EEXIST) };
        let slash = slash && kind != NodeKind::Directory;
        self.make_in(walker.at(), walker.name(&range), slash, kind, permissions, make)?;
        Ok(())
    }

    /// Makes a node in a directory that is writable for the caller. `slash`: a name with a slash
    /// behind it, which is not there or cannot be made.
    pub(super) fn make_in(
        &self,
        directory: &Path,
        name: &[u8],
        slash: bool,
        kind: NodeKind<'_>,
        permissions: u32,
        make: Make<'_>,
    ) -> Result<Path> {
        let names = directory.names();
        require_free(directory, &names, name, slash)?;
        self.check(directory, Access::WRITE.and(Access::EXECUTE))?;
        let node = self.new_node(directory, kind, permissions & MODE_BITS)?;
        let inode = make(directory.inode(), name, &node)?;
        let made = directory.with_dentry(names.insert(name, inode));
        drop(names);
        let kind = match kind {
            NodeKind::Directory => Events::ISDIR,
            _ => Events::empty(),
        };
        inotify::tell_inode(directory.inode(), Events::CREATE | kind, 0, name);
        Ok(made)
    }

    /// What a new node in a directory is to be: the caller's own, or in a set-group-ID directory of
    /// that group.
    pub(super) fn new_node<'n>(
        &self,
        directory: &Path,
        kind: NodeKind<'n>,
        mut permissions: u32,
    ) -> Result<NewNode<'n>> {
        let parent = directory.inode().stat()?;
        let mut gid = self.credentials.fsgid;
        if parent.permissions & S_ISGID != 0 {
            gid = parent.gid;
            if kind == NodeKind::Directory {
                permissions |= S_ISGID;
            } else if permissions & S_ISGID != 0
                && permissions & 0o010 != 0
                && !self.credentials.in_group(gid)
                && !self.credentials.capable(Capabilities::FSETID)
            {
                permissions &= !S_ISGID;
            }
        }
        Ok(NewNode { kind, permissions, uid: self.credentials.fsuid, gid })
    }

    /// Gives what is at a path another name.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup) for both; EEXIST, EXDEV (another mount), EPERM (a directory),
    /// EMLINK, EACCES, EROFS.
    pub fn link(
        &self,
        from: &Start,
        path: &[u8],
        flags: LookupFlags,
        to: &Start,
        new_path: &[u8],
    ) -> Result<()> {
        let existing = self.lookup(from, path, flags)?;
        let mut walker = Walker::new(self, to, new_path)?;
        let Last::Name { range, slash } = walker.go_to_last()? else { return Err(Errno::EEXIST) };
        let (directory, name) = (walker.at(), walker.name(&range));
        let names = directory.names();
        require_free(directory, &names, name, slash)?;
        if !alloc::sync::Arc::ptr_eq(existing.mount(), directory.mount()) {
            return Err(Errno::EXDEV);
        }
        self.check(directory, Access::WRITE.and(Access::EXECUTE))?;
        if existing.inode().file_type() == FileType::Directory {
            return Err(Errno::EPERM);
        }
        directory.inode().link(name, existing.inode())?;
        drop(names);
        inotify::tell_inode(existing.inode(), Events::ATTRIB, 0, b"");
        inotify::tell_inode(directory.inode(), Events::CREATE, 0, name);
        Ok(())
    }
}

/// EEXIST if a name is taken.
fn require_free(directory: &Path, names: &Names<'_>, name: &[u8], slash: bool) -> Result<()> {
    let is_final = || directory.mount().superblock().file_system().has_own_names_only();
    match names.lookup(name) {
        Ok(_) => Err(Errno::EEXIST),
        Err(Errno::ENOENT) if slash || is_final() => Err(Errno::ENOENT),
        Err(Errno::ENOENT) => names.require_alive(),
        Err(error) => Err(error),
    }
}
