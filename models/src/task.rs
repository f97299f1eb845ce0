//! A task: what wake-ups and waiting need of it, and the thread of the model that it is.

use core::sync::atomic::AtomicBool;

use alloc::sync::Arc;
use weak::thread::{self, Thread};

use crate::state::{RUNNING, StateWord};
use crate::{Linked, Links};

/// A task.
pub struct Task {
    pub(crate) state: StateWord,
    pub(crate) wait_links: Links<Task>,
    pub(crate) waits_exclusively: AtomicBool,
    pub(crate) thread: Thread,
}

/// What is said of a task besides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TaskFlags(u32);

impl TaskFlags {
    /// It ends: no model's task does.
    pub const EXITING: Self = Self(1);

    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A shared task.
pub type TaskRef = Arc<Task>;

impl Linked for Task {
    fn links(&self) -> &Links<Self> {
        &self.wait_links
    }
}

impl Task {
    /// The thread that calls it, as a task.
    pub(crate) fn this_thread() -> TaskRef {
        Arc::new(Self {
            state: StateWord::new(RUNNING),
            wait_links: Links::new(),
            waits_exclusively: AtomicBool::new(false),
            thread: thread::current(),
        })
    }

    pub(crate) const fn flags(&self) -> TaskFlags {
        TaskFlags(0)
    }

    /// No model sends a signal.
    pub(crate) const fn signal_wakes(&self, _state: u32) -> bool {
        false
    }
}
