//! Sleeping for a time.

use errno::{Errno, Result};
use sched::WaitError;

use crate::abi::time::Timespec;
use crate::call::{Call, Restart};
use crate::clock::Clock;
use crate::user::UserPtr;

const TIMER_ABSTIME: u32 = 1;

/// A sleep, as it is begun and, after a signal, gone on with.
#[derive(Clone, Copy, Debug)]
pub struct NanosleepWait {
    /// A time of the monotonic clock.
    deadline: u64,
    /// Where what is left of the time goes if a handler ends the sleep.
    remaining: UserPtr<Timespec>,
}

/// `nanosleep`.
pub fn nanosleep(
    call: &mut Call<'_>,
    length: UserPtr<Timespec>,
    remaining: UserPtr<Timespec>,
) -> Result<usize> {
    let length = length.read()?.to_nanoseconds()?;
    sleep_for(call, length, remaining)
}

/// `clock_nanosleep`.
pub fn clock_nanosleep(
    call: &mut Call<'_>,
    clock: i32,
    flags: u32,
    time: UserPtr<Timespec>,
    remaining: UserPtr<Timespec>,
) -> Result<usize> {
    let clock = match Clock::from_number(clock)? {
        clock @ (Clock::Realtime | Clock::Monotonic) => clock,
        Clock::Process => return Err(Errno::EOPNOTSUPP),
        Clock::Thread => return Err(Errno::EINVAL),
    };
    let time = time.read()?.to_nanoseconds()?;
    if flags & TIMER_ABSTIME == 0 {
        return sleep_for(call, time, remaining);
    }
    let deadline = match clock {
        Clock::Realtime => time.saturating_sub(time::realtime_offset()),
        _ => time,
    };
    match sched::sleep_interruptible(deadline) {
        // The same call with the same time sleeps what is left.
        Err(WaitError::Interrupted) => Err(Errno::ERESTARTNOHAND),
        _ => Ok(0),
    }
}

fn sleep_for(call: &mut Call<'_>, length: u64, remaining: UserPtr<Timespec>) -> Result<usize> {
    let deadline = time::monotonic().saturating_add(length);
    wait(call, NanosleepWait { deadline, remaining })
}

/// Sleeps until the deadline.
///
/// # Errors
/// EFAULT, and a restart after a signal.
pub fn wait(call: &mut Call<'_>, wait: NanosleepWait) -> Result<usize> {
    match sched::sleep_interruptible(wait.deadline) {
        Err(WaitError::Interrupted) => {
            let left = wait.deadline.saturating_sub(time::monotonic());
            wait.remaining.write_unless_null(&Timespec::from_nanoseconds(left))?;
            Err(call.restart_with(Restart::Nanosleep(wait)))
        }
        _ => Ok(0),
    }
}
