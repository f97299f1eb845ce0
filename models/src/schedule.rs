//! Switching tasks: a task that sleeps stops its thread, until it is activated.

use crate::current::{Current, current};
use crate::state::{OFF_QUEUE, RUNNING};
use crate::task::Task;

/// Who ended a sleep with a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A waker.
    BySomebody,
    /// The deadline.
    ByTime,
}

pub(crate) fn schedule() {
    schedule_as(&current());
}

/// As the kernel's: the state goes from asleep to off the queue in one step, or a waker has come before.
pub(crate) fn schedule_as(me: &Current<Task>) {
    let state = me.state.load();
    if state != RUNNING && me.state.exchange(state, state | OFF_QUEUE).is_ok() {
        while me.state.load() != RUNNING {
            weak::thread::park();
        }
    }
}

/// No time goes by in a model.
pub(crate) fn schedule_until(_deadline: u64) -> Woken {
    schedule();
    Woken::BySomebody
}

pub(crate) fn schedule_within(me: &Current<Task>, _deadline: Option<u64>) -> Woken {
    schedule_as(me);
    Woken::BySomebody
}
