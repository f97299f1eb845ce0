//! Sleeping for a time.

use alloc::sync::Arc;

use errno::{Errno, Result};
use process::{CpuTimer, TimeBase};
use sched::{Completion, Sleep, WaitError};
use time::Moment;

use crate::abi::time::Timespec;
use crate::call::{Call, Restart};
use crate::clock::Clock;
use crate::current;
use crate::user::UserPtr;

const TIMER_ABSTIME: u32 = 1;

/// A sleep, as it is begun and, after a signal, gone on with.
#[derive(Clone, Copy, Debug)]
pub struct NanosleepWait {
    clock: Clock,
    /// A time of that clock; for the date, of the monotonic clock, as it is no absolute one.
    deadline: u64,
    /// Where what is left of the time goes if a handler ends the sleep.
    remaining: UserPtr<Timespec>,
}

/// `nanosleep`.
pub(crate) fn nanosleep(
    call: &mut Call<'_>,
    length: UserPtr<Timespec>,
    remaining: UserPtr<Timespec>,
) -> Result<usize> {
    let length = length.read()?.to_nanoseconds()?;
    sleep_for(call, Clock::Monotonic, length, remaining)
}

/// `clock_nanosleep`.
pub(crate) fn clock_nanosleep(
    call: &mut Call<'_>,
    clock: i32,
    flags: u32,
    time: UserPtr<Timespec>,
    remaining: UserPtr<Timespec>,
) -> Result<usize> {
    let clock = match Clock::waitable(clock)? {
        // A thread that sleeps uses no CPU time. (A C library says EINVAL.)
        Clock::Thread => return Err(Errno::EOPNOTSUPP),
        Clock::ThreadOf(id) if current::find_task(id)?.pid() == sched::current().pid() => {
            return Err(Errno::EINVAL);
        }
        clock => clock,
    };
    let time = time.read()?.to_nanoseconds()?;
    if flags & TIMER_ABSTIME == 0 {
        return sleep_for(call, clock, time, remaining);
    }
    let slept = match clock {
        Clock::Realtime | Clock::Tai => sleep_until_date(clock.on_date(time)),
        _ => sleep_until(clock, time)?,
    };
    match slept {
        // The same call with the same time sleeps what is left.
        Err(WaitError::Interrupted) => Err(Errno::ERESTARTNOHAND),
        _ => Ok(0),
    }
}

fn sleep_for(
    call: &mut Call<'_>,
    clock: Clock,
    length: u64,
    remaining: UserPtr<Timespec>,
) -> Result<usize> {
    let deadline = elapsing(clock)?.saturating_add(length);
    wait(call, NanosleepWait { clock, deadline, remaining })
}

/// What deadlines are counted by: of the date, the time that passes.
fn elapsing(clock: Clock) -> Result<u64> {
    match clock {
        Clock::Realtime | Clock::Tai | Clock::Monotonic => Ok(time::monotonic()),
        cpu_time => cpu_time.now(),
    }
}

/// Sleeps until a date, whatever is set meanwhile, or a signal.
fn sleep_until_date(date: u64) -> core::result::Result<(), WaitError> {
    let never = || None;
    match sched::wait_until_moment(Sleep::Interruptible, Some(Moment::Date(date)), never) {
        Err(WaitError::TimedOut) => Ok(()),
        slept => slept,
    }
}

/// Sleeps until a deadline or a signal.
fn sleep_until(clock: Clock, deadline: u64) -> Result<core::result::Result<(), WaitError>> {
    let cpu_time = match clock.base()? {
        TimeBase::Monotonic | TimeBase::Date => return Ok(sched::sleep_interruptible(deadline)),
        TimeBase::Cpu(cpu_time) => cpu_time,
    };
    let expired = Arc::new(Completion::new());
    let told = expired.clone();
    let timer = CpuTimer::new(cpu_time.clone(), move || told.complete_all())?;
    if cpu_time.now().is_none_or(|now| now >= deadline) {
        return Ok(Ok(()));
    }
    timer.start(deadline);
    Ok(expired.wait_interruptible())
}

/// Sleeps until the deadline.
///
/// # Errors
/// EFAULT, and a restart after a signal.
pub(crate) fn wait(call: &mut Call<'_>, wait: NanosleepWait) -> Result<usize> {
    match sleep_until(wait.clock, wait.deadline)? {
        Err(WaitError::Interrupted) => {
            let left = wait.deadline.saturating_sub(elapsing(wait.clock)?);
            wait.remaining.write_unless_null(&Timespec::from_nanoseconds(left))?;
            Err(call.restart_with(Restart::Nanosleep(wait)))
        }
        _ => Ok(0),
    }
}
