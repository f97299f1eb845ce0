//! `epoll`.

use errno::{Errno, Result};
use fs::OpenFlags;
use fs::epoll::{self, Control, Event, EventFlags};

use crate::abi::file::EpollEvent;
use crate::abi::time::Timespec;
use crate::call::Call;
use crate::signal::TemporaryMask;
use crate::user::UserPtr;
use crate::{current, poll};

const EPOLL_CTL_ADD: u32 = 1;
const EPOLL_CTL_DEL: u32 = 2;
const EPOLL_CTL_MOD: u32 = 3;

/// So many events are given at once, so that no user's number sizes a kernel allocation.
const PORTION: usize = 128;

/// `epoll_create`.
pub(crate) fn epoll_create(size: i32) -> Result<usize> {
    if size <= 0 {
        return Err(Errno::EINVAL);
    }
    epoll_create1(0)
}

/// `epoll_create1`.
pub(crate) fn epoll_create1(flags: u32) -> Result<usize> {
    ::memory::require_free()?;
    if flags & !OpenFlags::CLOEXEC.bits() != 0 {
        return Err(Errno::EINVAL);
    }
    let file = epoll::create(&current::credentials())?;
    current::install(file, OpenFlags::from_bits_truncate(flags))
}

/// `epoll_ctl`.
pub(crate) fn epoll_ctl(
    epoll: i32,
    operation: u32,
    fd: i32,
    event: UserPtr<EpollEvent>,
) -> Result<usize> {
    ::memory::require_free()?;
    let given = || {
        let event = event.read()?;
        let flags = EventFlags::from_bits_truncate(event.events);
        Ok::<_, Errno>(Event { flags, data: event.data })
    };
    let control = match operation {
        EPOLL_CTL_ADD => Control::Add(given()?),
        EPOLL_CTL_MOD => Control::Modify(given()?),
        EPOLL_CTL_DEL => Control::Delete,
        _ => return Err(Errno::EINVAL),
    };
    let (epoll, file) = (current::file(epoll)?, current::file(fd)?);
    epoll::control(&epoll, fd as fs::Fd, &file, control)?;
    Ok(0)
}

/// `epoll_wait`.
pub(crate) fn epoll_wait(
    epoll: i32,
    events: UserPtr<EpollEvent>,
    count: i32,
    timeout: i32,
) -> Result<usize> {
    wait(epoll, events, count, poll::deadline_of_milliseconds(timeout))
}

/// `epoll_pwait`.
pub(crate) fn epoll_pwait(
    _call: &mut Call<'_>,
    epoll: i32,
    events: UserPtr<EpollEvent>,
    count: i32,
    timeout: i32,
    mask: UserPtr<u64>,
    size: usize,
) -> Result<usize> {
    let mask = TemporaryMask::set_from(mask, size)?;
    TemporaryMask::finish(mask, wait(epoll, events, count, poll::deadline_of_milliseconds(timeout)))
}

/// `epoll_pwait2`.
pub(crate) fn epoll_pwait2(
    _call: &mut Call<'_>,
    epoll: i32,
    events: UserPtr<EpollEvent>,
    count: i32,
    timeout: UserPtr<Timespec>,
    mask: UserPtr<u64>,
    size: usize,
) -> Result<usize> {
    let deadline = poll::deadline(timeout)?;
    let mask = TemporaryMask::set_from(mask, size)?;
    TemporaryMask::finish(mask, wait(epoll, events, count, deadline))
}

fn wait(
    epoll: i32,
    events: UserPtr<EpollEvent>,
    count: i32,
    deadline: Option<u64>,
) -> Result<usize> {
    let count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(Errno::EINVAL)?;
    let found = epoll::wait(&*current::file(epoll)?, count.min(PORTION), deadline)?;
    for (index, event) in found.iter().enumerate() {
        let shown = EpollEvent { events: event.flags.bits(), data: event.data };
        events.at(index)?.write(&shown)?;
    }
    Ok(found.len())
}
