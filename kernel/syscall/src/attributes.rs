//! Changing what is known about files: mode, owner, times.

use errno::{Errno, Result};
use fs::{NewOwner, Path, TimeChange};

use crate::abi::time::{Timespec, Timeval};
use crate::current::{self, AT_FDCWD};
use crate::stat::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, look_up};
use crate::user::UserPtr;

/// `chmod`.
pub(crate) fn chmod(path: UserPtr<u8>, mode: u32) -> Result<usize> {
    fchmodat(AT_FDCWD, path, mode)
}

/// `fchmodat`.
pub(crate) fn fchmodat(directory: i32, path: UserPtr<u8>, mode: u32) -> Result<usize> {
    let place = look_up(directory, path, 0)?;
    current::as_caller(|caller| caller.change_mode(&place, mode))?;
    Ok(0)
}

/// `fchmod`.
pub(crate) fn fchmod(fd: i32, mode: u32) -> Result<usize> {
    let place = current::file(fd)?.path().clone();
    current::as_caller(|caller| caller.change_mode(&place, mode))?;
    Ok(0)
}

/// `chown`.
pub(crate) fn chown(path: UserPtr<u8>, uid: u32, gid: u32) -> Result<usize> {
    fchownat(AT_FDCWD, path, uid, gid, 0)
}

/// `lchown`.
pub(crate) fn lchown(path: UserPtr<u8>, uid: u32, gid: u32) -> Result<usize> {
    fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW)
}

/// `fchownat`.
pub(crate) fn fchownat(
    directory: i32,
    path: UserPtr<u8>,
    uid: u32,
    gid: u32,
    flags: u32,
) -> Result<usize> {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    change_owner(&look_up(directory, path, flags)?, uid, gid)
}

/// `fchown`.
pub(crate) fn fchown(fd: i32, uid: u32, gid: u32) -> Result<usize> {
    change_owner(&current::file(fd)?.path().clone(), uid, gid)
}

/// An ID of -1 leaves that part as it is.
fn change_owner(place: &Path, uid: u32, gid: u32) -> Result<usize> {
    let given = |id: u32| (id != u32::MAX).then_some(id);
    let owner = NewOwner { uid: given(uid), gid: given(gid) };
    current::as_caller(|caller| caller.change_owner(place, owner))?;
    Ok(0)
}

/// `utime`: seconds, of access and of modification.
pub(crate) fn utime(path: UserPtr<u8>, times: UserPtr<[i64; 2]>) -> Result<usize> {
    let changes = match times.non_null() {
        None => [TimeChange::Now; 2],
        Some(times) => {
            let to =
                |seconds| Timespec { seconds, nanoseconds: 0 }.to_nanoseconds().map(TimeChange::To);
            let [accessed, modified] = times.read()?;
            [to(accessed)?, to(modified)?]
        }
    };
    change_times(&look_up(AT_FDCWD, path, 0)?, changes)
}

/// `utimes`.
pub(crate) fn utimes(path: UserPtr<u8>, times: UserPtr<[Timeval; 2]>) -> Result<usize> {
    futimesat(AT_FDCWD, path, times)
}

/// `futimesat`.
pub(crate) fn futimesat(
    directory: i32,
    path: UserPtr<u8>,
    times: UserPtr<[Timeval; 2]>,
) -> Result<usize> {
    let changes = match times.non_null() {
        None => [TimeChange::Now; 2],
        Some(times) => {
            let [accessed, modified] = times.read()?;
            [TimeChange::To(accessed.to_nanoseconds()?), TimeChange::To(modified.to_nanoseconds()?)]
        }
    };
    change_times(&look_up(directory, path, 0)?, changes)
}

/// `utimensat`. Without a path it is about the descriptor's file.
pub(crate) fn utimensat(
    directory: i32,
    path: UserPtr<u8>,
    times: UserPtr<[Timespec; 2]>,
    flags: u32,
) -> Result<usize> {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let changes = match times.non_null() {
        None => [TimeChange::Now; 2],
        Some(times) => {
            let [accessed, modified] = times.read()?;
            [change_of(accessed)?, change_of(modified)?]
        }
    };
    let place = if path.is_null() && directory != AT_FDCWD {
        current::file(directory)?.path().clone()
    } else {
        look_up(directory, path, flags)?
    };
    change_times(&place, changes)
}

fn change_of(time: Timespec) -> Result<TimeChange> {
    const UTIME_NOW: i64 = 0x3fff_ffff;
    const UTIME_OMIT: i64 = 0x3fff_fffe;
    match time.nanoseconds {
        UTIME_NOW => Ok(TimeChange::Now),
        UTIME_OMIT => Ok(TimeChange::Omit),
        _ => time.to_nanoseconds().map(TimeChange::To),
    }
}

fn change_times(place: &Path, [accessed, modified]: [TimeChange; 2]) -> Result<usize> {
    current::as_caller(|caller| caller.change_times(place, accessed, modified))?;
    Ok(0)
}

/// `umask`.
pub(crate) fn umask(mask: u32) -> Result<usize> {
    Ok(current::fs_context()?.set_umask(mask) as usize)
}
