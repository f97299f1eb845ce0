//! Wake-ups by a task that gives its CPU away next: because it has nothing to do until the other one has, or because it ends.
//!
//! ```text
//!   says that it sleeps ──> wakes the other one ──────────────> sleeps
//!                           which waits on this CPU's queue     and is the next to run here
//! ```
//!
//! So placed, the woken task needs no other CPU to be interrupted and to leave its halt. That is right only if the waker does leave. Therefore
//! both are one call here, in this order: when the other one is woken, the waker has said that it sleeps and has seen that what it waits for is not
//! there. Should somebody wake it before it has left, the two share the CPU, and an idle one is asked to take who waits.

use sync::{IrqGuard, might_sleep};

use crate::balance;
use crate::current::{assert_awake, current};
use crate::schedule::schedule_as;
use crate::state::{self, Claim, Sleep};
use crate::task::TaskRef;
use crate::wait::{WaitError, wait_to_be_woken};
use crate::wake::{activate_by_leaver, wake_up_state};

/// Wakes `other`, if its state is one of `mask`, and sleeps as [`wait_to_be_woken`] does until `condition` gives a value. The other one is woken in
/// any case, also if the condition holds already or the wait ends early. May sleep.
///
/// # Errors
/// [`WaitError::Interrupted`].
pub fn wake_and_wait<T>(
    other: TaskRef,
    mask: u32,
    sleep: Sleep,
    mut condition: impl FnMut() -> Option<T>,
) -> Result<T, WaitError> {
    might_sleep();
    let me = current();
    assert_awake(&me);
    me.state.set(sleep.state());
    let value = condition();
    if value.is_some() || me.signal_wakes(sleep.state()) {
        me.state.set_running();
        wake_up_state(&other, mask);
        return value.ok_or(WaitError::Interrupted);
    }
    let takes_over = wake(other, mask);
    schedule_as(&me);
    if takes_over {
        balance::offer_what_waits();
    }
    if let Some(value) = condition() {
        me.state.set_running();
        return Ok(value);
    }
    wait_to_be_woken(sleep, None, condition)
}

/// Wakes who waits for the end of the running task, right before its last switch. Interrupts off.
pub(crate) fn wake_at_end(other: TaskRef) {
    debug_assert!(current().state.load() & state::DEAD != 0, "it may go on");
    wake(other, state::NORMAL);
}

/// Returns whether the woken one waits for this CPU. The caller leaves it next.
fn wake(other: TaskRef, mask: u32) -> bool {
    let _irqs_off = IrqGuard::new();
    match other.state.claim(mask) {
        Claim::Refused | Claim::Awake => false,
        Claim::Asleep(slept_as) => activate_by_leaver(other, slept_as),
    }
}
