//! Sleeping until a date, which somebody may set meanwhile.

use alloc::sync::Arc;

use time::{DateTimer, Moment};

use crate::current::{current, current_ref};
use crate::state::{self, Sleep};
use crate::task::Task;
use crate::wait::{WaitError, wait_to_be_woken};
use crate::wake::wake_up_state;

/// The running task's timer on the date, made at its first sleep of this kind. All it does is wake the task.
fn timer_of(me: &Task) -> &DateTimer {
    if let Some(timer) = me.date_timer.get() {
        return timer;
    }
    let sleeper = Arc::downgrade(&current_ref());
    let timer = DateTimer::new(move || {
        if let Some(sleeper) = sleeper.upgrade() {
            wake_up_state(&sleeper, state::NORMAL);
        }
    });
    // Only the task itself makes its timer, so there is none yet.
    let _ = me.date_timer.set(timer);
    me.date_timer.get().expect("it was set just now")
}

/// As [`wait_to_be_woken`], for a moment that may be a date.
///
/// # Errors
/// As there.
pub fn wait_until_moment<T>(
    sleep: Sleep,
    moment: Option<Moment>,
    mut condition: impl FnMut() -> Option<T>,
) -> Result<T, WaitError> {
    let date = match moment {
        None => return wait_to_be_woken(sleep, None, condition),
        Some(Moment::Elapsed(deadline)) => {
            return wait_to_be_woken(sleep, Some(deadline), condition);
        }
        Some(date @ Moment::Date(_)) => date,
    };
    let me = current();
    let timer = timer_of(&me);
    timer.start(date);
    let waited = wait_to_be_woken(sleep, None, || {
        condition().map(Some).or_else(|| date.has_come().then_some(None))
    });
    timer.cancel();
    waited?.ok_or(WaitError::TimedOut)
}
