//! Mounting.

use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::{Capabilities, LookupFlags, MountFlags, MountRequest, Path, Start};
use machine::PAGE_SIZE;

use crate::current;
use crate::user::UserPtr;

const MS_REMOUNT: u64 = 1 << 5;
const MS_BIND: u64 = 1 << 12;
const MS_MOVE: u64 = 1 << 13;
const MS_REC: u64 = 1 << 14;
/// Unbindable, private, slave, shared: how mounts spread between namespaces. There is one namespace.
const MS_PROPAGATION: u64 = 0xf << 17;
/// An old way to say that there are flags at all.
const MS_MGC_VAL: u64 = 0xc0ed_0000;
const MS_MGC_MASK: u64 = 0xffff_0000;

const MNT_FORCE: u32 = 1;
const MNT_DETACH: u32 = 2;
const MNT_EXPIRE: u32 = 4;
const UMOUNT_NOFOLLOW: u32 = 8;

/// `mount`.
pub fn mount(
    source: UserPtr<u8>,
    target: UserPtr<u8>,
    kind: UserPtr<u8>,
    mut flags: u64,
    data: UserPtr<u8>,
) -> Result<usize> {
    if flags & MS_MGC_MASK == MS_MGC_VAL {
        flags &= !MS_MGC_MASK;
    }
    let optional = |pointer: UserPtr<u8>, limit, error| match pointer.non_null() {
        None => Ok(Vec::new()),
        Some(pointer) => pointer.read_string(limit, error),
    };
    let kind = optional(kind, PAGE_SIZE, Errno::EINVAL)?;
    let source = optional(source, fs::PATH_MAX, Errno::ENAMETOOLONG)?;
    let options = optional(data, PAGE_SIZE, Errno::EINVAL)?;
    let target = target.read_path()?;
    let credentials = current::credentials();
    credentials.require(Capabilities::SYS_ADMIN)?;
    let at = look_up(&target, LookupFlags::FOLLOW)?;
    let wanted = MountFlags::from_bits_truncate(flags as u32);
    let context = current::fs_context()?;
    let namespace = context.namespace();

    if flags & MS_REMOUNT != 0 {
        if !alloc::sync::Arc::ptr_eq(at.dentry(), at.mount().root()) {
            return Err(Errno::EINVAL);
        }
        at.mount().set_flags(wanted);
    } else if flags & MS_BIND != 0 {
        let from = look_up(&source, LookupFlags::FOLLOW)?;
        namespace.bind(&from, &at, flags & MS_REC != 0)?;
    } else if flags & MS_PROPAGATION != 0 {
        // Nothing spreads anywhere as it is.
    } else if flags & MS_MOVE != 0 {
        namespace.move_to(&look_up(&source, LookupFlags::FOLLOW)?, &at)?;
    } else {
        let kind = fs::filesystem_type(&kind)?;
        let request =
            MountRequest { source: &source, options: &options, credentials: &credentials };
        let superblock = (kind.mount)(&request)?;
        let shown = alloc::string::String::from_utf8_lossy(&source);
        let shown = if shown.is_empty() { "none" } else { &*shown };
        namespace.mount(superblock, shown, &at, wanted)?;
    }
    Ok(0)
}

fn look_up(path: &[u8], flags: LookupFlags) -> Result<Path> {
    current::as_caller(|caller| caller.lookup(&Start::Cwd, path, flags))
}

/// `umount2`.
pub fn umount2(target: UserPtr<u8>, flags: u32) -> Result<usize> {
    if flags & !(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let target = target.read_path()?;
    let follow =
        if flags & UMOUNT_NOFOLLOW != 0 { LookupFlags::empty() } else { LookupFlags::FOLLOW };
    let at = look_up(&target, follow)?;
    current::credentials().require(Capabilities::SYS_ADMIN)?;
    if flags & MNT_EXPIRE != 0 {
        // Nobody keeps count of how long a mount has not been used.
        return Err(Errno::EINVAL);
    }
    current::fs_context()?.namespace().unmount(at, flags & MNT_DETACH != 0)?;
    Ok(0)
}
