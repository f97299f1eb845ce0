//! Descriptors: copying, closing, and what is set per descriptor or per open file.

use ::fs::lock::{flock as whole, posix};
use errno::{Errno, Result};
use fs::{Fd, File, OpenFlags, SeekFrom};

use crate::abi::file::Flock;
use crate::current;
use crate::poll::descriptor_limit;
use crate::user::UserPtr;

const CLOSE_RANGE_UNSHARE: u32 = 2;
const CLOSE_RANGE_CLOEXEC: u32 = 4;

/// `close`.
pub(crate) fn close(fd: i32) -> Result<usize> {
    current::files()?.close(fd as Fd)?;
    Ok(0)
}

/// `close_range`.
pub(crate) fn close_range(first: u32, last: u32, flags: u32) -> Result<usize> {
    if flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 || first > last {
        return Err(Errno::EINVAL);
    }
    if flags & CLOSE_RANGE_UNSHARE != 0 {
        crate::clone::unshare_files()?;
    }
    let files = current::files()?;
    if flags & CLOSE_RANGE_CLOEXEC != 0 {
        files.set_close_on_exec_range(first..=last);
    } else {
        files.close_range(first..=last);
    }
    Ok(0)
}

/// `dup`.
pub(crate) fn dup(fd: i32) -> Result<usize> {
    current::install(current::file_or_place(fd)?, OpenFlags::empty())
}

/// `dup2`.
pub(crate) fn dup2(old: i32, new: i32) -> Result<usize> {
    if old == new {
        current::file_or_place(old)?;
        return Ok(new as usize);
    }
    replace(old, new, false)
}

/// `dup3`.
pub(crate) fn dup3(old: i32, new: i32, flags: u32) -> Result<usize> {
    if flags & !OpenFlags::CLOEXEC.bits() != 0 || old == new {
        return Err(Errno::EINVAL);
    }
    replace(old, new, flags != 0)
}

fn replace(old: i32, new: i32, close_on_exec: bool) -> Result<usize> {
    let files = current::files()?;
    let file = files.get(old as Fd)?;
    files.replace(new as Fd, file, close_on_exec, descriptor_limit())?;
    Ok(new as usize)
}

/// `pipe`.
pub(crate) fn pipe(ends: UserPtr<[i32; 2]>) -> Result<usize> {
    pipe2(ends, 0)
}

/// `pipe2`.
pub(crate) fn pipe2(ends: UserPtr<[i32; 2]>, flags: u32) -> Result<usize> {
    ::memory::require_free()?;
    let known = OpenFlags::CLOEXEC | OpenFlags::NONBLOCK | OpenFlags::DIRECT;
    let flags = OpenFlags::from_bits(flags).filter(|&flags| known.contains(flags));
    let flags = flags.ok_or(Errno::EINVAL)?;
    let (reader, writer) = fs::pipe::create(flags & !OpenFlags::CLOEXEC, &current::credentials())?;
    install_pair([reader, writer], ends, flags)
}

/// Gives two files descriptors and tells the user which; all or nothing.
pub(crate) fn install_pair(
    pair: [alloc::sync::Arc<File>; 2],
    ends: UserPtr<[i32; 2]>,
    flags: OpenFlags,
) -> Result<usize> {
    let files = current::files()?;
    let [first, second] = pair;
    let first = current::install(first, flags)? as Fd;
    let second = match current::install(second, flags) {
        Ok(second) => second as Fd,
        Err(error) => {
            files.close(first)?;
            return Err(error);
        }
    };
    if let Err(error) = ends.write(&[first as i32, second as i32]) {
        // Another thread may have closed them meanwhile.
        let _ = (files.close(first), files.close(second));
        return Err(error);
    }
    Ok(0)
}

/// `memfd_create`.
pub(crate) fn memfd_create(name: UserPtr<u8>, flags: u32) -> Result<usize> {
    ::memory::require_free()?;
    const MFD_CLOEXEC: u32 = 1;
    const MFD_ALLOW_SEALING: u32 = 2;
    /// The longest name, `memfd:` and the final NUL not counted.
    const NAME_MAX: usize = 249;
    if flags & !(MFD_CLOEXEC | MFD_ALLOW_SEALING) != 0 {
        return Err(Errno::EINVAL);
    }
    let name = name.read_string(NAME_MAX + 1, Errno::EINVAL)?;
    let file = fs::memfd::create(&name, &current::credentials())?;
    let close_on_exec = flags & MFD_CLOEXEC != 0;
    let flags = if close_on_exec { OpenFlags::CLOEXEC } else { OpenFlags::empty() };
    current::install(file, flags)
}

/// `ioctl`. Commands that every file has are done here.
pub(crate) fn ioctl(fd: i32, command: u32, argument: usize) -> Result<usize> {
    const FIONBIO: u32 = 0x5421;
    const FIONCLEX: u32 = 0x5450;
    const FIOCLEX: u32 = 0x5451;
    const FIOASYNC: u32 = 0x5452;
    let file = current::file(fd)?;
    match command {
        FIOCLEX | FIONCLEX => {
            current::files()?.set_close_on_exec(fd as Fd, command == FIOCLEX)?;
            Ok(0)
        }
        FIONBIO | FIOASYNC => {
            let on = UserPtr::<i32>::new(argument).read()? != 0;
            let flag = if command == FIONBIO { OpenFlags::NONBLOCK } else { OpenFlags::ASYNC };
            let mut flags = file.flags();
            flags.set(flag, on);
            file.set_flags(flags);
            Ok(0)
        }
        _ => file.ioctl(command, argument),
    }
}

const F_DUPFD: u32 = 0;
const F_GETFD: u32 = 1;
const F_SETFD: u32 = 2;
const F_GETFL: u32 = 3;
const F_SETFL: u32 = 4;
const F_GETLK: u32 = 5;
const F_SETLK: u32 = 6;
const F_SETLKW: u32 = 7;
const F_SETOWN: u32 = 8;
const F_GETOWN: u32 = 9;
const F_OFD_GETLK: u32 = 36;
const F_OFD_SETLK: u32 = 37;
const F_OFD_SETLKW: u32 = 38;
const F_DUPFD_CLOEXEC: u32 = 1030;

const FD_CLOEXEC: usize = 1;

/// `fcntl`.
pub(crate) fn fcntl(fd: i32, command: u32, argument: usize) -> Result<usize> {
    let files = current::files()?;
    let file = files.get(fd as Fd)?;
    let of_the_descriptor =
        matches!(command, F_DUPFD | F_DUPFD_CLOEXEC | F_GETFD | F_SETFD | F_GETFL);
    if file.is_place_only() && !of_the_descriptor {
        return Err(Errno::EBADF);
    }
    match command {
        F_DUPFD | F_DUPFD_CLOEXEC => {
            let limit = descriptor_limit();
            // The descriptor is an int: what is above is not below any limit.
            let minimum = argument as u32 as usize;
            if minimum >= limit {
                return Err(Errno::EINVAL);
            }
            Ok(files.add_from(minimum, file, command == F_DUPFD_CLOEXEC, limit)? as usize)
        }
        F_GETFD => Ok(usize::from(files.is_close_on_exec(fd as Fd)?) * FD_CLOEXEC),
        F_SETFD => {
            files.set_close_on_exec(fd as Fd, argument & FD_CLOEXEC != 0)?;
            Ok(0)
        }
        F_GETFL => Ok((file.flags() | OpenFlags::LARGEFILE).bits() as usize),
        F_SETFL => {
            file.set_flags(OpenFlags::from_bits_truncate(argument as u32));
            Ok(0)
        }
        F_GETLK | F_OFD_GETLK => get_lock(&files, &file, command, UserPtr::new(argument)),
        F_SETLK | F_SETLKW | F_OFD_SETLK | F_OFD_SETLKW => {
            set_lock(&files, &file, command, UserPtr::new(argument))
        }
        // Nobody is told of input by a signal.
        F_GETOWN => Ok(0),
        F_SETOWN => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

const F_RDLCK: i16 = 0;
const F_WRLCK: i16 = 1;
const F_UNLCK: i16 = 2;

/// The bytes that a lock request means, both ends included.
fn lock_bounds(file: &File, request: &Flock) -> Result<(u64, u64)> {
    let base = match request.whence {
        0 => 0,
        1 => file.seek(SeekFrom::Current(0))? as i64,
        2 => file.operations().end(file)? as i64,
        _ => return Err(Errno::EINVAL),
    };
    let start = base.checked_add(request.start).ok_or(Errno::EOVERFLOW)?;
    let (first, last) = match request.length {
        0 => (start, None),
        length if length > 0 => {
            (start, Some(start.checked_add(length - 1).ok_or(Errno::EOVERFLOW)?))
        }
        // A negative length lies before the start.
        length => (start.checked_add(length).ok_or(Errno::EINVAL)?, Some(start - 1)),
    };
    let first = u64::try_from(first).map_err(|_| Errno::EINVAL)?;
    let last = match last {
        Some(last) => u64::try_from(last).map_err(|_| Errno::EINVAL)?,
        None => u64::MAX,
    };
    Ok((first, last))
}

fn lock_owner(files: &fs::FileTable, file: &File, command: u32) -> (u64, u32) {
    if matches!(command, F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW) {
        (posix::Range::owned_by_file(file.id()), 0)
    } else {
        (files.id(), process::current_process().pid().number())
    }
}

fn lock_kind(kind: i16) -> Result<Option<posix::Kind>> {
    match kind {
        F_RDLCK => Ok(Some(posix::Kind::Read)),
        F_WRLCK => Ok(Some(posix::Kind::Write)),
        F_UNLCK => Ok(None),
        _ => Err(Errno::EINVAL),
    }
}

fn get_lock(
    files: &fs::FileTable,
    file: &File,
    command: u32,
    pointer: UserPtr<Flock>,
) -> Result<usize> {
    let mut request = pointer.read()?;
    let kind = lock_kind(request.kind)?.ok_or(Errno::EINVAL)?;
    let (start, end) = lock_bounds(file, &request)?;
    let (owner, pid) = lock_owner(files, file, command);
    match posix::conflict(file.inode(), &posix::Range { start, end, kind, owner, pid }) {
        None => request.kind = F_UNLCK,
        Some(found) => {
            request.kind = if found.kind == posix::Kind::Read { F_RDLCK } else { F_WRLCK };
            request.whence = 0;
            request.start = found.start as i64;
            request.length =
                if found.end == u64::MAX { 0 } else { (found.end - found.start + 1) as i64 };
            request.pid = if found.pid == 0 { -1 } else { found.pid as i32 };
        }
    }
    pointer.write(&request)?;
    Ok(0)
}

fn set_lock(
    files: &fs::FileTable,
    file: &File,
    command: u32,
    pointer: UserPtr<Flock>,
) -> Result<usize> {
    let request = pointer.read()?;
    let (start, end) = lock_bounds(file, &request)?;
    let (owner, pid) = lock_owner(files, file, command);
    let Some(kind) = lock_kind(request.kind)? else {
        posix::unlock(file.inode(), owner, start, end);
        return Ok(0);
    };
    let allowed = match kind {
        posix::Kind::Read => file.flags().readable(),
        posix::Kind::Write => file.flags().writable(),
    };
    if !allowed {
        return Err(Errno::EBADF);
    }
    let wait = matches!(command, F_SETLKW | F_OFD_SETLKW);
    posix::lock(file.inode(), posix::Range { start, end, kind, owner, pid }, wait)?;
    Ok(0)
}

/// `flock`.
pub(crate) fn flock(fd: i32, operation: u32) -> Result<usize> {
    const LOCK_SH: u32 = 1;
    const LOCK_EX: u32 = 2;
    const LOCK_NB: u32 = 4;
    const LOCK_UN: u32 = 8;
    let file = current::file(fd)?;
    let wait = operation & LOCK_NB == 0;
    match operation & !LOCK_NB {
        LOCK_SH => whole::lock(&file, whole::Kind::Shared, wait)?,
        LOCK_EX => whole::lock(&file, whole::Kind::Exclusive, wait)?,
        LOCK_UN => whole::release(&file),
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}
