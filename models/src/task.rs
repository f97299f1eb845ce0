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

    /// No model sends a signal.
    pub(crate) const fn signal_wakes(&self, _state: u32) -> bool {
        false
    }
}
