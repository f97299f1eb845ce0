//! System calls with errors as values, and children.

use libc::{c_int, pid_t};
use std::io;
use std::time::Duration;

/// Somebody without privileges.
const SOMEBODY: u32 = 1000;

/// A result of a system call, or its error number.
pub(crate) type Outcome<T> = Result<T, c_int>;

/// A number, or what `errno` says if it is negative.
pub(crate) fn outcome<T: TryInto<isize> + Copy>(value: T) -> Outcome<T> {
    match value.try_into() {
        Ok(number) if number < 0 => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        _ => Ok(value),
    }
}

/// Makes a child that runs `body`.
pub(crate) fn fork(body: impl FnOnce()) -> pid_t {
    // SAFETY: the only thread of this process, and the child's, goes on as it is.
    match unsafe { libc::fork() } {
        -1 => panic!("no child"),
        0 => {
            body();
            // SAFETY: ends the process without what its parent has yet to write.
            unsafe { libc::_exit(0) }
        }
        pid => pid,
    }
}

/// Waits for a child that ends as it should.
#[track_caller]
pub(crate) fn wait(pid: pid_t) {
    let mut status = 0;
    // SAFETY: writes to `status`.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert_eq!(status, 0, "the child failed");
}

/// Runs `body` as somebody without privileges, in a child.
#[track_caller]
pub(crate) fn as_somebody(body: impl FnOnce()) {
    wait(fork(|| {
        // SAFETY: numbers only.
        unsafe {
            assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
            assert_eq!(libc::setgid(SOMEBODY), 0);
            assert_eq!(libc::setuid(SOMEBODY), 0);
        }
        body();
    }));
}

/// Waits until another process waits, which one that has just been woken does not.
pub(crate) fn until_it_waits(pid: pid_t) {
    let waits = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        status.contains("State:\tS")
    };
    while !waits() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a signal.
pub(crate) fn kill(pid: pid_t, signal: c_int) {
    // SAFETY: numbers only.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

extern "C" fn nothing(_signal: c_int) {}

/// Handles a signal by doing nothing, with SA_RESTART.
pub(crate) fn handle(signal: c_int) {
    let handler: extern "C" fn(c_int) = nothing;
    // SAFETY: all of the structure is set or zero; the handler does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

/// Changes one of the kernel's settings; returns what it was.
pub(crate) fn set(path: &str, value: &str) -> String {
    let before = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, value).unwrap();
    before
}
