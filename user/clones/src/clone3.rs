//! The system calls.

use libc::{c_int, pid_t};
use std::io::{Error, Result};
use std::os::fd::RawFd;

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// `struct clone_args`
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Where a child is to be.
pub(crate) struct Into {
    flags: u64,
    cgroup: RawFd,
    /// How much of the structure the kernel is told of.
    size: usize,
}

impl Into {
    /// In the group whose directory a descriptor names.
    pub(crate) fn fork(cgroup: RawFd) -> Self {
        Self { flags: CLONE_INTO_CGROUP, cgroup, size: size_of::<CloneArgs>() }
    }

    /// With a structure of an older version.
    pub(crate) fn with_size(self, size: usize) -> Self {
        Self { size, ..self }
    }

    /// In the group that the caller is in.
    pub(crate) fn plain() -> Self {
        Self { flags: 0, cgroup: 0, size: size_of::<CloneArgs>() }
    }
}

/// Makes a child that runs `body` and exits with what that returns.
pub(crate) fn clone_into(into: Into, body: impl FnOnce() -> i32) -> Result<pid_t> {
    let args = CloneArgs {
        flags: into.flags,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: into.cgroup as i64 as u64,
        ..CloneArgs::default()
    };
    // SAFETY: a fork of a process with one thread: the child goes on with copies of all that it has.
    match unsafe { libc::syscall(libc::SYS_clone3, &raw const args, into.size) } {
        -1 => Err(Error::last_os_error()),
        // SAFETY: ends the process without what its parent has yet to write.
        0 => unsafe { libc::_exit(body()) },
        pid => Ok(pid as pid_t),
    }
}

/// The exit status of a child.
pub(crate) fn wait(pid: pid_t) -> c_int {
    let mut status = 0;
    // SAFETY: the status is written only.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -1 }
}

/// Gives up root's identity.
pub(crate) fn become_user(uid: u32) {
    // SAFETY: numbers only.
    unsafe {
        assert_eq!(libc::setgid(uid), 0);
        assert_eq!(libc::setuid(uid), 0);
    }
}

/// Whether there is something urgent to read, waiting so many milliseconds for it.
pub(crate) fn has_news(fd: RawFd, timeout: c_int) -> bool {
    let mut entry = libc::pollfd { fd, events: libc::POLLPRI, revents: 0 };
    // SAFETY: one entry, as it says.
    let ready = unsafe { libc::poll(&raw mut entry, 1, timeout) };
    ready == 1 && entry.revents & libc::POLLPRI != 0
}
