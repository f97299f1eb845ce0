//! `mount` and `umount2`.

use alloc::string::String;
use alloc::sync::Arc;

use bitflags::bitflags;
use errno::{Errno, Result};

use super::{Caller, Start};
use crate::credentials::Capabilities;
use crate::flags::LookupFlags;
use crate::mount::Mount;
use crate::path::Path;
use crate::stat::MountFlags;
use crate::superblock::{MountRequest, filesystem_type};

bitflags! {
    /// What `mount` is to do, beside [`MountFlags`] (`MS_*`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MountAction: u32 {
        /// Change a mount that is there.
        const REMOUNT = 1 << 5;
        /// Show a directory at another place.
        const BIND = 1 << 12;
        /// Move a mount.
        const MOVE = 1 << 13;
        /// With what is mounted below.
        const REC = 1 << 14;
        /// How changes spread to other namespaces. There is one, so any choice is as good.
        const UNBINDABLE = 1 << 17;
        /// As `UNBINDABLE`.
        const PRIVATE = 1 << 18;
        /// As `UNBINDABLE`.
        const SLAVE = 1 << 19;
        /// As `UNBINDABLE`.
        const SHARED = 1 << 20;
        /// Always set the time of last access.
        const STRICTATIME = 1 << 24;
    }
}

impl MountAction {
    const PROPAGATION: Self =
        Self::UNBINDABLE.union(Self::PRIVATE).union(Self::SLAVE).union(Self::SHARED);
}

bitflags! {
    /// How to unmount (`MNT_*`, `UMOUNT_*`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct UnmountFlags: u32 {
        /// Give up requests that are under way; there are none here.
        const FORCE = 1;
        /// Take it out of the tree now, and end it when its last user goes.
        const DETACH = 2;
        /// Only if it was marked before, by a call like this, and not used since.
        const EXPIRE = 4;
        /// Do not follow a symbolic link.
        const NOFOLLOW = 8;
    }
}

/// The upper half that old programs set in `mount`'s flags.
const MAGIC: u32 = 0xc0ed_0000;
const MAGIC_MASK: u32 = 0xffff_0000;

impl Caller<'_> {
    /// `mount`: mounts, binds, moves or changes, as the flags say.
    ///
    /// # Errors
    /// EPERM without CAP_SYS_ADMIN. ENODEV: no such kind of file system. EINVAL, ENOTDIR, ENOENT,
    /// ELOOP, EBUSY; what the file system says.
    pub fn mount(
        &self,
        source: &[u8],
        target: &[u8],
        kind: &[u8],
        mut flags: u32,
        options: &[u8],
    ) -> Result<()> {
        self.credentials.require(Capabilities::SYS_ADMIN)?;
        if flags & MAGIC_MASK == MAGIC {
            flags &= !MAGIC_MASK;
        }
        let at = self.lookup(&Start::Cwd, target, LookupFlags::FOLLOW)?;
        let action = MountAction::from_bits_truncate(flags);
        let mount_flags = mount_flags(flags);
        if action.contains(MountAction::REMOUNT) {
            return remount(&at, mount_flags, !action.contains(MountAction::BIND), options);
        }
        if action.contains(MountAction::BIND) {
            let from = self.lookup(&Start::Cwd, source, LookupFlags::FOLLOW)?;
            let recursive = action.contains(MountAction::REC);
            return self.fs.namespace().bind(&from, &at, recursive).map(drop);
        }
        if action.intersects(MountAction::PROPAGATION) {
            return require_mount_root(&at);
        }
        if action.contains(MountAction::MOVE) {
            let from = self.lookup(&Start::Cwd, source, LookupFlags::FOLLOW)?;
            return self.fs.namespace().move_to(&from, &at);
        }
        self.mount_new(source, &at, kind, mount_flags, options).map(drop)
    }

    /// Mounts a file system at a directory.
    ///
    /// # Errors
    /// ENODEV: no such kind. ENOTDIR, ENOENT; what the file system says.
    pub fn mount_new(
        &self,
        source: &[u8],
        at: &Path,
        kind: &[u8],
        flags: MountFlags,
        options: &[u8],
    ) -> Result<Arc<Mount>> {
        let request = MountRequest { source, options, credentials: self.credentials };
        let superblock = (filesystem_type(kind)?.mount)(&request)?;
        let source = if source.is_empty() { &b"none"[..] } else { source };
        self.fs.namespace().mount(superblock, &String::from_utf8_lossy(source), at, flags)
    }

    /// `umount2`.
    ///
    /// # Errors
    /// EPERM without CAP_SYS_ADMIN. EINVAL: not a mount point. EBUSY. EAGAIN (EXPIRE). As
    /// [`lookup`](Self::lookup).
    pub fn unmount(&self, target: &[u8], flags: UnmountFlags) -> Result<()> {
        self.credentials.require(Capabilities::SYS_ADMIN)?;
        if flags.contains(UnmountFlags::EXPIRE) {
            return Err(Errno::EINVAL);
        }
        let follow = if flags.contains(UnmountFlags::NOFOLLOW) {
            LookupFlags::empty()
        } else {
            LookupFlags::FOLLOW
        };
        let at = self.lookup(&Start::Cwd, target, follow)?;
        self.fs.namespace().unmount(at, flags.contains(UnmountFlags::DETACH))
    }
}

fn mount_flags(flags: u32) -> MountFlags {
    let strict = MountAction::from_bits_truncate(flags).contains(MountAction::STRICTATIME);
    let mut mount_flags = MountFlags::from_bits_truncate(flags);
    let atime_given = strict || mount_flags.contains(MountFlags::NOATIME);
    mount_flags.set(MountFlags::RELATIME, !atime_given);
    mount_flags
}

fn require_mount_root(at: &Path) -> Result<()> {
    if Arc::ptr_eq(at.dentry(), at.mount().root()) { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Changes the flags of a mount and, unless only those are meant, the options of its file system.
fn remount(at: &Path, flags: MountFlags, with_options: bool, options: &[u8]) -> Result<()> {
    require_mount_root(at)?;
    if with_options {
        at.mount().superblock().file_system().remount(options)?;
    }
    at.mount().set_flags(flags);
    Ok(())
}
