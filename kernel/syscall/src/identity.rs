//! Process numbers, groups and sessions.

use errno::{Errno, Result};
use process::Thread;

use crate::current;

/// `getpid`.
pub(crate) fn getpid() -> Result<usize> {
    Ok(process::tgid() as usize)
}

/// `gettid`.
pub(crate) fn gettid() -> Result<usize> {
    Ok(process::tid() as usize)
}

/// `getppid`.
pub(crate) fn getppid() -> Result<usize> {
    Ok(process::ppid() as usize)
}

/// `getpgrp`.
pub(crate) fn getpgrp() -> Result<usize> {
    getpgid(0)
}

fn number(pid: i32) -> Result<u32> {
    u32::try_from(pid).map_err(|_| Errno::EINVAL)
}

/// `getpgid`.
pub(crate) fn getpgid(pid: i32) -> Result<usize> {
    let pid = u32::try_from(pid).map_err(|_| Errno::ESRCH)?;
    Ok(process::getpgid(pid)? as usize)
}

/// `setpgid`.
pub(crate) fn setpgid(pid: i32, group: i32) -> Result<usize> {
    process::setpgid(number(pid).map_err(|_| Errno::ESRCH)?, number(group)?)?;
    Ok(0)
}

/// `getsid`.
pub(crate) fn getsid(pid: i32) -> Result<usize> {
    let pid = u32::try_from(pid).map_err(|_| Errno::ESRCH)?;
    Ok(process::getsid(pid)? as usize)
}

/// `setsid`.
pub(crate) fn setsid() -> Result<usize> {
    Ok(process::setsid()? as usize)
}

/// `set_tid_address`.
pub(crate) fn set_tid_address(address: usize) -> Result<usize> {
    Thread::of(&sched::current()).set_clear_child_tid(address);
    Ok(current::tid() as usize)
}
