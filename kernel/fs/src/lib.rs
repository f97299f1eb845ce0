//! The virtual file system: names, mounts, open files, descriptors, and the file systems that live
//! in memory.
//!
//! The life of an open file:
//!
//! ```text
//!   path ──Walker──> Path = (Mount, Dentry) ──Inode::open──> File = (Path, FileOperations, flags, position)
//!            │            │                                    │
//!      Caller: who        └ Dentry ties a name to an Inode     └──FileTable──> descriptor
//!      and where
//! ```
//!
//! - [`Caller`]: the system calls that take paths, for somebody ([`Credentials`]) who is somewhere
//!   ([`FsContext`]).
//! - [`Inode`], [`FileOperations`], [`FileSystem`]: what a file system implements; see
//!   [`register_filesystem`].
//! - [`File`]: an open file; data goes through a [`Sink`] or comes from a [`Source`], be it user
//!   memory or the kernel's.
//! - [`FileTable`] gives files their descriptors.
//! - [`poll`], [`epoll`]: waiting for files.
//! - [`tmpfs`], [`devtmpfs`], [`pipe`], [`eventfd`], [`memfd`], [`char_device`], [`random`],
//!   [`initramfs`]: what is in this crate.
//!
//! Locks, from outer to inner: `file.position`, `fs.rename`, a file system's sleeping locks, then
//! the spin locks, of which two are rarely held at once; where they are, their declarations say so.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod anonymous;
mod attributes;
mod caller;
pub mod char_device;
mod children;
mod context;
mod credentials;
mod dentry;
pub mod devices;
pub mod devtmpfs;
pub mod epoll;
pub mod eventfd;
mod file;
mod file_table;
mod flags;
pub mod initramfs;
mod inode;
pub mod inotify;
pub mod io;
pub mod lock;
mod mapping;
pub mod memfd;
mod mount;
mod mount_table;
mod namespace;
mod operations;
mod path;
pub mod pipe;
pub mod poll;
pub mod random;
mod stat;
mod superblock;
#[cfg(test)]
mod testing;
pub mod tmpfs;
mod walk;

use errno::Result;

/// Makes what is in this crate known: file systems and the devices of major number 1. Once, at
/// start-up, by a task.
///
/// # Errors
/// EBUSY: done already. ENOMEM.
pub fn init() -> Result<()> {
    register_filesystem(&tmpfs::TMPFS)?;
    register_filesystem(&tmpfs::RAMFS)?;
    register_filesystem(&devtmpfs::DEVTMPFS)?;
    devices::register()
}

pub use attributes::{Attributes, Owner, Ownership, SetAttributes};
pub use caller::{
    Caller, Make, MountAction, NewOwner, OpenOptions, Start, TimeChange, UnmountFlags,
};
pub use context::FsContext;
pub use credentials::{Access, Capabilities, Credentials};
pub use dentry::{Dentry, Name};
pub use file::{File, SeekFrom};
pub use file_table::{Fd, FileTable, NR_OPEN};
pub use flags::{LookupFlags, OpenFlags, RenameFlags};
pub use inode::{DirectorySink, Inode, LinkTarget, NewNode, NodeKind, emit_dots};
pub use io::{Sink, Source, UserBuffer, UserSegment};
pub use mount::Mount;
pub use namespace::MountNamespace;
pub use operations::FileOperations;
pub use path::Path;
pub use poll::{PollEntry, PollEvents, PollTable, poll_files};
pub use stat::{
    DeviceNumber, FileType, MODE_BITS, MountFlags, NAME_MAX, PATH_MAX, S_IFMT, S_ISGID, S_ISUID,
    S_ISVTX, Stat, StatFs,
};
pub use superblock::{
    FileSystem, FileSystemType, MountRequest, Superblock, anonymous_device, filesystem_type,
    filesystem_types, parse_options, register_filesystem,
};
