//! One timer.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::queue;

/// Not in any queue.
pub(crate) const NOWHERE: usize = usize::MAX;

/// What a queue holds of a timer.
pub(crate) struct Core {
    /// The CPU whose queue the timer is in, or [`NOWHERE`]. Changed under that queue's lock.
    pub(crate) queued_on: AtomicUsize,
    /// Its place in that queue's heap. Used under the queue's lock.
    pub(crate) position: AtomicUsize,
    function: alloc::boxed::Box<dyn Fn() + Send + Sync>,
}

impl Core {
    pub(crate) fn fire(&self) {
        (self.function)();
    }
}

/// A function to be called at a time. Dropping the timer cancels it.
pub struct Timer {
    core: Arc<Core>,
}

impl Timer {
    /// A timer that is not started. `function` runs in hard-interrupt context: it must not sleep, and it may
    /// start the timer again.
    pub fn new(function: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            core: Arc::new(Core {
                queued_on: AtomicUsize::new(NOWHERE),
                position: AtomicUsize::new(0),
                function: alloc::boxed::Box::new(function),
            }),
        }
    }

    /// Starts the timer for a time of the monotonic clock (nanoseconds), on this CPU; a timer that is
    /// pending is moved. A time that has passed fires at the next interrupt. Any context.
    pub fn start(&self, deadline: u64) {
        queue::start(&self.core, deadline);
    }

    /// Takes the timer back and returns whether it was pending. The function may still be running on another CPU. Any context.
    pub fn cancel(&self) -> bool {
        queue::cancel(&self.core)
    }

    /// Takes the timer back and waits until its function is not running. Not from the function
    /// itself, nor with a lock held that the function takes. A function that starts its timer again is outrun: the timer is
    /// idle when this returns.
    pub fn cancel_sync(&self) -> bool {
        queue::cancel_sync(&self.core)
    }

    /// Whether the timer waits for its time.
    pub fn is_pending(&self) -> bool {
        self.core.queued_on.load(Ordering::Relaxed) != NOWHERE
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.cancel();
    }
}
