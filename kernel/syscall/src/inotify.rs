//! `inotify`.

use errno::{Errno, Result};
use fs::inotify::{self, Events};
use fs::{LookupFlags, OpenFlags};

use crate::current::{self, AT_FDCWD};
use crate::user::UserPtr;

/// `inotify_init`.
pub(crate) fn inotify_init() -> Result<usize> {
    inotify_init1(0)
}

/// `inotify_init1`.
pub(crate) fn inotify_init1(flags: u32) -> Result<usize> {
    let flags = OpenFlags::from_bits(flags)
        .filter(|&flags| (OpenFlags::NONBLOCK | OpenFlags::CLOEXEC).contains(flags))
        .ok_or(Errno::EINVAL)?;
    ::memory::require_free()?;
    let file = inotify::create(flags & !OpenFlags::CLOEXEC, &current::credentials())?;
    current::install(file, flags)
}

/// `inotify_add_watch`.
pub(crate) fn inotify_add_watch(fd: i32, path: UserPtr<u8>, mask: u32) -> Result<usize> {
    let mask = Events::from_bits(mask).ok_or(Errno::EINVAL)?;
    let file = current::file(fd)?;
    let path = path.read_path()?;
    let start = current::start(AT_FDCWD, &path)?;
    let mut flags = LookupFlags::empty();
    flags.set(LookupFlags::FOLLOW, !mask.contains(Events::DONT_FOLLOW));
    let place = current::as_caller(|caller| caller.lookup(&start, &path, flags))?;
    inotify::add_watch(&file, &place, mask, &current::credentials()).map(|number| number as usize)
}

/// `inotify_rm_watch`.
pub(crate) fn inotify_rm_watch(fd: i32, number: i32) -> Result<usize> {
    inotify::remove_watch(&*current::file(fd)?, number)?;
    Ok(0)
}
