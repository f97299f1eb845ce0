//! The running task.

use sync::{Current, CurrentSlot};

use crate::task::{Task, TaskRef};

pub(crate) static CURRENT: CurrentSlot<Task> = CurrentSlot::new();

/// The running task. Any context; in an interrupt it is the task that was interrupted.
///
/// # Panics
/// Before the scheduler has been started on this CPU.
#[inline]
pub fn current() -> Current<Task> {
    CURRENT.get()
}

/// A reference of one's own to the running task.
pub fn current_ref() -> TaskRef {
    current().to_arc()
}

/// Whether the scheduler has been started on this CPU.
pub fn has_current() -> bool {
    CURRENT.is_set()
}

/// Sets the state in which the running task will sleep at its next [`schedule`](fn@crate::schedule). The task then looks at what it waits
/// for, and sleeps if that does not hold. Only for hand-shakes of their own; everything else waits on a
/// [`WaitQueue`](crate::WaitQueue).
pub fn set_current_state(state: u32) {
    current().state.set(state);
}

/// The running task goes on after [`set_current_state`], whether it slept or not.
pub fn set_current_running() {
    current().state.set_running();
}

/// In debug builds: the running task has not said already that it sleeps. A condition that is waited for must not wait itself, and would not
/// do so every time; this finds it when it does not.
#[inline]
#[track_caller]
pub(crate) fn assert_awake(me: &Task) {
    debug_assert!(
        me.state.load() == crate::state::RUNNING,
        "a task that has said that it sleeps waits for something else"
    );
}
