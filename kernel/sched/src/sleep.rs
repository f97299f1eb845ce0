//! Sleeping for a time.

use alloc::sync::Arc;

use time::HrTimer;

use crate::current::{current, current_ref};
use crate::schedule::{Woken, schedule_until};
use crate::state::{self, Sleep};
use crate::task::Task;
use crate::wait::WaitError;
use crate::wake::wake_up_state;

/// The running task's timer, made at its first timed sleep.
pub(crate) fn timer_of(me: &Task) -> &HrTimer {
    if let Some(timer) = me.sleep_timer.get() {
        return timer;
    }
    let sleeper = Arc::downgrade(&current_ref());
    let timer = HrTimer::new(move || {
        if let Some(sleeper) = sleeper.upgrade() {
            wake_up_state(&sleeper, state::NORMAL);
        }
    });
    // Only the task itself makes its timer, so there is none yet.
    let _ = me.sleep_timer.set(timer);
    me.sleep_timer.get().expect("it was set just now")
}

fn sleep_as(sleep: Sleep, deadline: u64) -> Result<(), WaitError> {
    sync::might_sleep();
    let me = current();
    loop {
        me.state.set(sleep.state());
        if me.signal_wakes(sleep.state()) {
            me.state.set_running();
            return Err(WaitError::Interrupted);
        }
        if schedule_until(deadline) == Woken::ByTime {
            me.state.set_running();
            return Ok(());
        }
    }
}

/// Sleeps uninterruptibly until a time of the monotonic clock. Does not count in the load average. May sleep.
pub fn sleep_until(deadline: u64) {
    let outcome = sleep_as(Sleep::Idle, deadline);
    debug_assert!(outcome.is_ok(), "nothing ends an uninterruptible sleep early");
}

/// Sleeps uninterruptibly for so many nanoseconds. May sleep.
pub fn sleep_for(nanoseconds: u64) {
    sleep_until(time::monotonic().saturating_add(nanoseconds));
}

/// Sleeps until a time of the monotonic clock or a signal. May sleep.
///
/// # Errors
/// [`WaitError::Interrupted`].
pub fn sleep_interruptible(deadline: u64) -> Result<(), WaitError> {
    sleep_as(Sleep::Interruptible, deadline)
}
