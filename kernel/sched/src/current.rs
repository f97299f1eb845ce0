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
