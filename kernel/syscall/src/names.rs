//! Making, removing and changing names.

use errno::{Errno, Result};
use fs::{DeviceNumber, FileType, LookupFlags, NodeKind, RenameFlags};

use crate::current::{self, AT_FDCWD};
use crate::stat::{AT_EMPTY_PATH, AT_SYMLINK_FOLLOW};
use crate::user::UserPtr;

const AT_REMOVEDIR: u32 = 0x200;

/// `mkdir`.
pub(crate) fn mkdir(path: UserPtr<u8>, mode: u32) -> Result<usize> {
    mkdirat(AT_FDCWD, path, mode)
}

/// `mkdirat`.
pub(crate) fn mkdirat(directory: i32, path: UserPtr<u8>, mode: u32) -> Result<usize> {
    ::memory::require_free()?;
    let path = path.read_path()?;
    let start = current::start(directory, &path)?;
    current::as_caller(|caller| caller.make_directory(&start, &path, mode))?;
    Ok(0)
}

/// `mknod`.
pub(crate) fn mknod(path: UserPtr<u8>, mode: u32, device: u32) -> Result<usize> {
    mknodat(AT_FDCWD, path, mode, device)
}

/// `mknodat`. A mode without a type means a regular file.
pub(crate) fn mknodat(directory: i32, path: UserPtr<u8>, mode: u32, device: u32) -> Result<usize> {
    ::memory::require_free()?;
    let path = path.read_path()?;
    let start = current::start(directory, &path)?;
    let device = DeviceNumber::decode(u64::from(device));
    let kind = match FileType::from_mode(mode) {
        None if mode & 0o170000 == 0 => NodeKind::Regular,
        Some(FileType::Regular) => NodeKind::Regular,
        Some(FileType::CharDevice) => NodeKind::CharDevice(device),
        Some(FileType::BlockDevice) => NodeKind::BlockDevice(device),
        Some(FileType::Fifo) => NodeKind::Fifo,
        Some(FileType::Socket) => NodeKind::Socket,
        Some(FileType::Directory) => return Err(Errno::EPERM),
        Some(FileType::Symlink) | None => return Err(Errno::EINVAL),
    };
    current::as_caller(|caller| caller.make_node(&start, &path, kind, mode))?;
    Ok(0)
}

/// `rmdir`.
pub(crate) fn rmdir(path: UserPtr<u8>) -> Result<usize> {
    unlinkat(AT_FDCWD, path, AT_REMOVEDIR)
}

/// `unlink`.
pub(crate) fn unlink(path: UserPtr<u8>) -> Result<usize> {
    unlinkat(AT_FDCWD, path, 0)
}

/// `unlinkat`.
pub(crate) fn unlinkat(directory: i32, path: UserPtr<u8>, flags: u32) -> Result<usize> {
    if flags & !AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL);
    }
    let path = path.read_path()?;
    let start = current::start(directory, &path)?;
    current::as_caller(|caller| {
        if flags & AT_REMOVEDIR != 0 {
            caller.remove_directory(&start, &path)
        } else {
            caller.unlink(&start, &path)
        }
    })?;
    Ok(0)
}

/// `rename`.
pub(crate) fn rename(old: UserPtr<u8>, new: UserPtr<u8>) -> Result<usize> {
    renameat2(AT_FDCWD, old, AT_FDCWD, new, 0)
}

/// `renameat`.
pub(crate) fn renameat(
    old_directory: i32,
    old: UserPtr<u8>,
    new_directory: i32,
    new: UserPtr<u8>,
) -> Result<usize> {
    renameat2(old_directory, old, new_directory, new, 0)
}

/// `renameat2`.
pub(crate) fn renameat2(
    old_directory: i32,
    old: UserPtr<u8>,
    new_directory: i32,
    new: UserPtr<u8>,
    flags: u32,
) -> Result<usize> {
    let flags = RenameFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    let (old, new) = (old.read_path()?, new.read_path()?);
    let from = current::start(old_directory, &old)?;
    let to = current::start(new_directory, &new)?;
    current::as_caller(|caller| caller.rename(&from, &old, &to, &new, flags))?;
    Ok(0)
}

/// `link`.
pub(crate) fn link(old: UserPtr<u8>, new: UserPtr<u8>) -> Result<usize> {
    linkat(AT_FDCWD, old, AT_FDCWD, new, 0)
}

/// `linkat`.
pub(crate) fn linkat(
    old_directory: i32,
    old: UserPtr<u8>,
    new_directory: i32,
    new: UserPtr<u8>,
    flags: u32,
) -> Result<usize> {
    ::memory::require_free()?;
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let mut lookup = LookupFlags::empty();
    lookup.set(LookupFlags::FOLLOW, flags & AT_SYMLINK_FOLLOW != 0);
    if flags & AT_EMPTY_PATH != 0 {
        // Whoever was handed a descriptor must not be able to give the file a name.
        current::credentials()
            .require(fs::Capabilities::DAC_READ_SEARCH)
            .map_err(|_| Errno::ENOENT)?;
        lookup |= LookupFlags::EMPTY_PATH;
    }
    let (old, new) = (old.read_path()?, new.read_path()?);
    let from = current::start(old_directory, &old)?;
    let to = current::start(new_directory, &new)?;
    current::as_caller(|caller| caller.link(&from, &old, lookup, &to, &new))?;
    Ok(0)
}

/// `symlink`.
pub(crate) fn symlink(target: UserPtr<u8>, path: UserPtr<u8>) -> Result<usize> {
    symlinkat(target, AT_FDCWD, path)
}

/// `symlinkat`.
pub(crate) fn symlinkat(target: UserPtr<u8>, directory: i32, path: UserPtr<u8>) -> Result<usize> {
    ::memory::require_free()?;
    let (target, path) = (target.read_path()?, path.read_path()?);
    let start = current::start(directory, &path)?;
    current::as_caller(|caller| caller.make_symlink(&target, &start, &path))?;
    Ok(0)
}
