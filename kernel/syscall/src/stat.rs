//! What is known about files: `stat`, `statx`, `statfs`, `access`, `readlink`.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{Access, Caller, LookupFlags, Path};

use crate::abi;
use crate::abi::file::StatxTime;
use crate::abi::time::Timespec;
use crate::current::{self, AT_FDCWD};
use crate::user::UserPtr;

/// `AT_SYMLINK_NOFOLLOW`.
pub(crate) const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
/// `AT_SYMLINK_FOLLOW`.
pub(crate) const AT_SYMLINK_FOLLOW: u32 = 0x400;
/// `AT_EMPTY_PATH`.
pub(crate) const AT_EMPTY_PATH: u32 = 0x1000;
const AT_EACCESS: u32 = 0x200;
const AT_NO_AUTOMOUNT: u32 = 0x800;
/// `AT_STATX_SYNC_TYPE`: how fresh the answer is to be; it always is.
const AT_STATX_SYNC: u32 = 0x6000;

/// How to look a path up, from those of the `AT_*` flags that say so.
pub(crate) fn lookup_flags(flags: u32) -> LookupFlags {
    let mut lookup = LookupFlags::empty();
    lookup.set(LookupFlags::FOLLOW, flags & AT_SYMLINK_NOFOLLOW == 0);
    lookup.set(LookupFlags::EMPTY_PATH, flags & AT_EMPTY_PATH != 0);
    lookup
}

/// What is at a user's path.
///
/// # Errors
/// EFAULT, EBADF, and as [`Caller::lookup`].
pub(crate) fn look_up(directory: i32, path: UserPtr<u8>, flags: u32) -> Result<Path> {
    let path = path.read_path()?;
    let start = current::start(directory, &path)?;
    current::as_caller(|caller| caller.lookup(&start, &path, lookup_flags(flags)))
}

fn to_user(stat: &fs::Stat) -> abi::file::Stat {
    abi::file::Stat {
        device: stat.device.encode(),
        inode: stat.inode,
        links: u64::from(stat.links),
        mode: stat.mode(),
        uid: stat.uid,
        gid: stat.gid,
        special: stat.represents.encode(),
        size: stat.size as i64,
        block_size: i64::from(stat.block_size),
        blocks: stat.blocks as i64,
        accessed: Timespec::from_nanoseconds(stat.accessed),
        modified: Timespec::from_nanoseconds(stat.modified),
        changed: Timespec::from_nanoseconds(stat.changed),
        ..Default::default()
    }
}

/// `stat`.
pub(crate) fn stat(path: UserPtr<u8>, result: UserPtr<abi::file::Stat>) -> Result<usize> {
    newfstatat(AT_FDCWD, path, result, 0)
}

/// `lstat`.
pub(crate) fn lstat(path: UserPtr<u8>, result: UserPtr<abi::file::Stat>) -> Result<usize> {
    newfstatat(AT_FDCWD, path, result, AT_SYMLINK_NOFOLLOW)
}

/// `fstat`.
pub(crate) fn fstat(fd: i32, result: UserPtr<abi::file::Stat>) -> Result<usize> {
    let stat = current::place(fd)?.inode().stat()?;
    result.write(&to_user(&stat))?;
    Ok(0)
}

/// `newfstatat`.
pub(crate) fn newfstatat(
    directory: i32,
    path: UserPtr<u8>,
    result: UserPtr<abi::file::Stat>,
    flags: u32,
) -> Result<usize> {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT) != 0 {
        return Err(Errno::EINVAL);
    }
    let stat = look_up(directory, path, flags)?.inode().stat()?;
    result.write(&to_user(&stat))?;
    Ok(0)
}

/// `statx`.
pub(crate) fn statx(
    directory: i32,
    path: UserPtr<u8>,
    flags: u32,
    mask: u32,
    result: UserPtr<abi::file::Statx>,
) -> Result<usize> {
    const STATX_BASIC_STATS: u32 = 0x7ff;
    const STATX_BTIME: u32 = 0x800;
    const STATX_MNT_ID: u32 = 0x1000;
    const STATX_RESERVED: u32 = 0x8000_0000;
    const STATX_ATTR_MOUNT_ROOT: u64 = 0x2000;
    let known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC;
    if flags & !known != 0 || flags & AT_STATX_SYNC == AT_STATX_SYNC || mask & STATX_RESERVED != 0 {
        return Err(Errno::EINVAL);
    }
    let place = look_up(directory, path, flags)?;
    let stat = place.inode().stat()?;
    let is_mount_root = Arc::ptr_eq(place.dentry(), place.mount().root());
    result.write(&abi::file::Statx {
        mask: STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID,
        block_size: stat.block_size,
        attributes: if is_mount_root { STATX_ATTR_MOUNT_ROOT } else { 0 },
        links: stat.links,
        uid: stat.uid,
        gid: stat.gid,
        mode: stat.mode() as u16,
        inode: stat.inode,
        size: stat.size,
        blocks: stat.blocks,
        attributes_mask: STATX_ATTR_MOUNT_ROOT,
        accessed: statx_time(stat.accessed),
        born: statx_time(stat.created),
        changed: statx_time(stat.changed),
        modified: statx_time(stat.modified),
        special_major: stat.represents.major,
        special_minor: stat.represents.minor,
        device_major: stat.device.major,
        device_minor: stat.device.minor,
        mount: u64::from(place.mount().id()),
        ..Default::default()
    })?;
    Ok(0)
}

fn statx_time(time: u64) -> StatxTime {
    let time = Timespec::from_nanoseconds(time);
    StatxTime { seconds: time.seconds, nanoseconds: time.nanoseconds as u32, reserved: 0 }
}

/// `statfs`.
pub(crate) fn statfs(path: UserPtr<u8>, result: UserPtr<abi::file::Statfs>) -> Result<usize> {
    show_file_system(&look_up(AT_FDCWD, path, 0)?, result)
}

/// `fstatfs`.
pub(crate) fn fstatfs(fd: i32, result: UserPtr<abi::file::Statfs>) -> Result<usize> {
    show_file_system(&current::place(fd)?, result)
}

fn show_file_system(place: &Path, result: UserPtr<abi::file::Statfs>) -> Result<usize> {
    /// "The flags field is valid."
    const ST_VALID: i64 = 0x20;
    let found = place.mount().superblock().file_system().statfs()?;
    result.write(&abi::file::Statfs {
        kind: i64::from(found.magic),
        block_size: i64::from(found.block_size),
        blocks: found.blocks,
        blocks_free: found.blocks_free,
        blocks_available: found.blocks_free,
        files: found.files,
        files_free: found.files_free,
        name_length: fs::NAME_MAX as i64,
        fragment_size: i64::from(found.block_size),
        flags: i64::from(place.mount().flags().bits()) | ST_VALID,
        ..Default::default()
    })?;
    Ok(0)
}

/// `access`.
pub(crate) fn access(path: UserPtr<u8>, mode: u32) -> Result<usize> {
    faccessat2(AT_FDCWD, path, mode, 0)
}

/// `faccessat`.
pub(crate) fn faccessat(directory: i32, path: UserPtr<u8>, mode: u32) -> Result<usize> {
    faccessat2(directory, path, mode, 0)
}

/// `faccessat2`.
pub(crate) fn faccessat2(
    directory: i32,
    path: UserPtr<u8>,
    mode: u32,
    flags: u32,
) -> Result<usize> {
    if mode & !7 != 0 || flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = path.read_path()?;
    let start = current::start(directory, &path)?;
    let context = current::fs_context()?;
    let mut credentials = current::credentials();
    if flags & AT_EACCESS == 0 {
        credentials = Arc::new(credentials.with_real_ids());
    }
    let caller = Caller { fs: &context, credentials: &credentials };
    caller.access(&start, &path, lookup_flags(flags), Access::from_bits(mode))?;
    Ok(0)
}

/// `readlink`.
pub(crate) fn readlink(path: UserPtr<u8>, buffer: UserPtr<u8>, size: i32) -> Result<usize> {
    readlinkat(AT_FDCWD, path, buffer, size)
}

/// `readlinkat`. A target that does not fit is cut.
pub(crate) fn readlinkat(
    directory: i32,
    path: UserPtr<u8>,
    buffer: UserPtr<u8>,
    size: i32,
) -> Result<usize> {
    let size = usize::try_from(size).ok().filter(|&size| size > 0).ok_or(Errno::EINVAL)?;
    let path = path.read_path()?;
    let start = current::start(directory, &path)?;
    let target = current::as_caller(|caller| caller.read_link(&start, &path))?;
    let length = target.len().min(size);
    buffer.write_bytes(&target[..length])?;
    Ok(length)
}
