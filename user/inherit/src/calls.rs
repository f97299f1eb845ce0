//! The futex call and what goes with it, with errors as values.

use libc::{c_int, c_long, pid_t, timespec};
use std::fs;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

pub(crate) const WAIT: c_int = 0;
pub(crate) const WAKE: c_int = 1;
pub(crate) const REQUEUE: c_int = 3;
pub(crate) const LOCK: c_int = 6;
pub(crate) const UNLOCK: c_int = 7;
pub(crate) const TRY_LOCK: c_int = 8;
pub(crate) const WAIT_REQUEUE: c_int = 11;
pub(crate) const CMP_REQUEUE: c_int = 12;
pub(crate) const LOCK_2: c_int = 13;
pub(crate) const PRIVATE: c_int = 128;
pub(crate) const REALTIME: c_int = 256;

pub(crate) const WAITERS: u32 = 0x8000_0000;
pub(crate) const OWNER_DIED: u32 = 0x4000_0000;
pub(crate) const NUMBER: u32 = 0x3fff_ffff;

/// A result of a system call, or its error number.
pub(crate) type Outcome = Result<c_long, c_int>;

/// The call with two words.
pub(crate) fn futex_2(
    word: &AtomicU32,
    operation: c_int,
    value: u32,
    fourth: usize,
    second: Option<&AtomicU32>,
    third: u32,
) -> Outcome {
    let second = second.map_or(std::ptr::null_mut(), AtomicU32::as_ptr);
    // SAFETY: the words are borrowed, and a time that `fourth` points to is the caller's.
    let result = unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, fourth, second, third)
    };
    if result < 0 {
        Err(io::Error::last_os_error().raw_os_error().unwrap_or(0))
    } else {
        Ok(result)
    }
}

/// The call with one word, and a time-out if there is one.
pub(crate) fn futex(
    word: &AtomicU32,
    operation: c_int,
    value: u32,
    until: Option<timespec>,
) -> Outcome {
    let time = until.as_ref().map_or(0, |time| std::ptr::from_ref(time).addr());
    futex_2(word, operation, value, time, None, 0)
}

/// So many milliseconds from now, on a clock.
pub(crate) fn soon(clock: libc::clockid_t, milliseconds: i64) -> timespec {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to `time`.
    assert_eq!(unsafe { libc::clock_gettime(clock, &mut time) }, 0);
    let nanoseconds = time.tv_nsec + milliseconds * 1_000_000;
    time.tv_sec += nanoseconds.div_euclid(1_000_000_000);
    time.tv_nsec = nanoseconds.rem_euclid(1_000_000_000);
    time
}

/// The calling thread's number.
pub(crate) fn number() -> u32 {
    // SAFETY: has no arguments.
    let number = unsafe { libc::syscall(libc::SYS_gettid) };
    number as u32
}

/// Field 18 of `/proc/self/task/TID/stat`.
pub(crate) fn shown_priority(number: u32) -> i32 {
    let text = fs::read_to_string(format!("/proc/self/task/{number}/stat")).unwrap();
    let (_, fields) = text.rsplit_once(") ").unwrap();
    fields.split(' ').nth(15).unwrap().parse().unwrap()
}

/// Whether a thread sleeps.
pub(crate) fn sleeps(number: u32) -> bool {
    let text = fs::read_to_string(format!("/proc/self/task/{number}/stat")).unwrap();
    text.rsplit_once(") ").unwrap().1.starts_with('S')
}

/// Makes a thread a FIFO one, or with 0 an ordinary one.
pub(crate) fn set_priority(number: u32, priority: c_int) {
    let policy = if priority == 0 { libc::SCHED_OTHER } else { libc::SCHED_FIFO };
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: reads `parameter`.
    let result = unsafe { libc::sched_setscheduler(number as pid_t, policy, &parameter) };
    assert_eq!(result, 0);
}

/// Waits until something holds. What takes for ever is seen by the test's own time limit.
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Takes a lock as a C library does.
pub(crate) fn lock(word: &AtomicU32) {
    if word.compare_exchange(0, number(), SeqCst, SeqCst).is_err() {
        assert_eq!(futex(word, LOCK | PRIVATE, 0, None), Ok(0));
    }
}

/// Lets go of it likewise.
pub(crate) fn unlock(word: &AtomicU32) {
    if word.compare_exchange(number(), 0, SeqCst, SeqCst).is_err() {
        assert_eq!(futex(word, UNLOCK | PRIVATE, 0, None), Ok(0));
    }
}
