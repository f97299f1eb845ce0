//! Sleeping until a date, which somebody may set meanwhile.

use time::{DateTimer, Moment};

use crate::current::current_ref;
use crate::state::{self, Sleep};
use crate::wait::{WaitError, wait_to_be_woken};
use crate::wake::wake_up_state;

/// A timer on the date that wakes the running task. Made for one sleep: few sleep so, and no other task should be larger for it.
fn waking_timer() -> DateTimer {
    let sleeper = current_ref();
    DateTimer::new(move || {
        wake_up_state(&sleeper, state::NORMAL);
    })
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
    let timer = waking_timer();
    timer.start(date);
    let waited = wait_to_be_woken(sleep, None, || {
        condition().map(Some).or_else(|| date.has_come().then_some(None))
    });
    timer.cancel();
    waited?.ok_or(WaitError::TimedOut)
}
