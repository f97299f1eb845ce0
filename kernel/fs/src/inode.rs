//! Inodes: files as a file system keeps them, without their names.
//!
//! A file system implements [`Inode`] for each kind of node that it has. The methods for
//! directories fail with ENOTDIR and those that change something with EPERM unless they are
//! overridden, so a simple node says only what it is. The layer above has checked permissions,
//! names and types by the time it calls: an implementation checks only what depends on its own
//! state (the name is free, the directory empty), under its own locks. All methods are called by
//! tasks, holding no spin lock, and may sleep unless they say otherwise.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use errno::{Errno, Result};

use crate::attributes::{Ownership, SetAttributes};
use crate::file::File;
use crate::flags::{OpenFlags, RenameFlags};
use crate::operations::FileOperations;
use crate::path::Path;
use crate::stat::{DeviceNumber, FileType, Stat};

/// What a new node is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind<'a> {
    /// An empty file.
    Regular,
    /// An empty directory.
    Directory,
    /// A symbolic link with this target.
    Symlink(&'a [u8]),
    /// A character device.
    CharDevice(DeviceNumber),
    /// A block device.
    BlockDevice(DeviceNumber),
    /// A FIFO.
    Fifo,
    /// A socket's name.
    Socket,
}

impl NodeKind<'_> {
    /// The type of file it will be.
    pub const fn file_type(self) -> FileType {
        match self {
            Self::Regular => FileType::Regular,
            Self::Directory => FileType::Directory,
            Self::Symlink(_) => FileType::Symlink,
            Self::CharDevice(_) => FileType::CharDevice,
            Self::BlockDevice(_) => FileType::BlockDevice,
            Self::Fifo => FileType::Fifo,
            Self::Socket => FileType::Socket,
        }
    }
}

/// What a new node is and whose.
#[derive(Clone, Copy, Debug)]
pub struct NewNode<'a> {
    /// What it is.
    pub kind: NodeKind<'a>,
    /// Its permission bits, the umask already taken away.
    pub permissions: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// Where a symbolic link leads.
#[derive(Debug)]
pub enum LinkTarget {
    /// To a path, which is walked.
    Text(Vec<u8>),
    /// Straight to a place, whatever its name is (`/proc/PID/exe`, `/proc/PID/fd/N`).
    Place(Path),
}

/// Takes the entries of a directory.
pub trait DirectorySink {
    /// Takes an entry, or returns false if there is no room for it. `next` is the position after
    /// it.
    fn entry(&mut self, name: &[u8], inode: u64, file_type: FileType, next: u64) -> bool;
}

/// Gives the entries `.` and `..` of an open directory, whose positions are 0 and 1, where the
/// reader is there yet. Returns false if the sink is full.
///
/// # Errors
/// What `stat` says of the directories.
pub fn emit_dots(file: &File, position: &mut u64, to: &mut dyn DirectorySink) -> Result<bool> {
    while *position < 2 {
        let dentry = file.path().dentry();
        let (name, inode): (&[u8], _) = match (*position, dentry.parent()) {
            (1, Some(parent)) => (b"..", parent.inode().stat()?.inode),
            (1, None) => (b"..", dentry.inode().stat()?.inode),
            _ => (b".", dentry.inode().stat()?.inode),
        };
        if !to.entry(name, inode, FileType::Directory, *position + 1) {
            return Ok(false);
        }
        *position += 1;
    }
    Ok(true)
}

/// A file without its name.
pub trait Inode: Any + Send + Sync {
    /// What kind of file. Never changes; does not sleep.
    fn file_type(&self) -> FileType;

    /// What `stat` tells.
    fn stat(&self) -> Result<Stat>;

    /// The part of [`stat`](Self::stat) that decides who may do what: asked at each step of a path.
    ///
    /// # Errors
    /// As `stat`.
    fn ownership(&self) -> Result<Ownership> {
        Ok(self.stat()?.ownership())
    }

    /// Sets attributes, and the time of the change.
    fn set_attributes(&self, _set: &SetAttributes) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Whether a directory entry that led here still does. A file system whose names come and go by
    /// themselves (procfs) says no when its object is gone; the name is looked up again then. Does
    /// not sleep.
    fn is_current(&self) -> bool {
        true
    }

    /// Whether names that lead here may be kept in the dentry cache while nobody uses them. Only
    /// where all changes of names come through the layer above.
    fn is_cacheable(&self) -> bool {
        false
    }

    /// The inode with this name in the directory (never `.` or `..`).
    ///
    /// # Errors
    /// ENOENT.
    fn lookup(&self, _name: &[u8]) -> Result<Arc<dyn Inode>> {
        Err(Errno::ENOTDIR)
    }

    /// Makes a node in the directory.
    ///
    /// # Errors
    /// EEXIST, ENOSPC, ENOENT (the directory was removed), EPERM (no such kind here), EACCES (no
    /// regular files here).
    fn create(&self, _name: &[u8], node: &NewNode<'_>) -> Result<Arc<dyn Inode>> {
        Err(if node.kind == NodeKind::Regular { Errno::EACCES } else { Errno::EPERM })
    }

    /// Gives an inode of the same file system another name in the directory.
    ///
    /// # Errors
    /// EEXIST, EMLINK, ENOENT, EPERM.
    fn link(&self, _name: &[u8], _inode: &Arc<dyn Inode>) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Removes the name of something that is not a directory.
    ///
    /// # Errors
    /// ENOENT, EISDIR.
    fn unlink(&self, _name: &[u8]) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, ENOTEMPTY.
    fn rmdir(&self, _name: &[u8]) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Moves a name to another directory of the same file system (maybe this one), replacing what
    /// is there. The caller has seen to it that no directory is moved into itself, and that no
    /// other rename of a directory runs in this file system.
    ///
    /// # Errors
    /// ENOENT, EEXIST (NOREPLACE), ENOTEMPTY, ENOTDIR, EISDIR, EINVAL (flags not known).
    fn rename(
        &self,
        _name: &[u8],
        _to: &Arc<dyn Inode>,
        _new_name: &[u8],
        _flags: RenameFlags,
    ) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Makes a file without a name in the directory's file system, for O_TMPFILE.
    fn create_unnamed(&self, _node: &NewNode<'_>) -> Result<Arc<dyn Inode>> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Where the symbolic link leads.
    fn read_link(&self) -> Result<LinkTarget> {
        Err(Errno::EINVAL)
    }

    /// The text that `readlink` shows, where it is not the way that is walked.
    fn link_text(&self, root: &Path) -> Result<Vec<u8>> {
        match self.read_link()? {
            LinkTarget::Text(text) => Ok(text),
            LinkTarget::Place(place) => place.to_bytes(root),
        }
    }

    /// Opens the file. `TRUNC` has been taken care of. May wait (a FIFO's other end) unless
    /// `NONBLOCK` is set.
    ///
    /// # Errors
    /// ENXIO: no such device, or nobody reads the FIFO. Otherwise as the file system says.
    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn FileOperations>>;
}

impl dyn Inode {
    /// Whether both are the same inode.
    pub fn is(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        // By address alone: the tables of methods that go with it need not be one.
        core::ptr::addr_eq(Arc::as_ptr(self), Arc::as_ptr(other))
    }

    /// Whether it may be made this long by someone with a limit; what is longer already may stay so.
    ///
    /// # Errors
    /// EFBIG: not. As [`stat`](Inode::stat).
    pub(crate) fn require_size(&self, size: u64, limit: u64) -> Result<()> {
        if size > limit && size > self.stat()?.size { Err(Errno::EFBIG) } else { Ok(()) }
    }

    /// The inode as the type that its file system made it, if it is of that.
    pub fn downcast<T: Inode>(self: &Arc<Self>) -> Option<Arc<T>> {
        let any: Arc<dyn Any + Send + Sync> = self.clone();
        any.downcast().ok()
    }
}
