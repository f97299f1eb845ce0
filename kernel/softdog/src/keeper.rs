//! `watchdogd`: the kernel gives the signs of life for a watchdog that counts before a program has come.

use alloc::sync::{Arc, Weak};

use errno::Result;
use kthread::Builder;
use kthread::worker::{Work, Worker};
use sched::{Attributes, Policy};
use sync::Once;
use time::HrTimer;

use crate::watchdog::Watchdog;

/// Nothing of lower urgency keeps it from its work (`MAX_RT_PRIO / 2`).
const URGENT: Attributes =
    Attributes { policy: Policy::Fifo, nice: 0, priority: 50, reset_on_fork: false };

/// A thread, and what it does every so often. It is made only where there is something to do.
pub(crate) struct Keeper {
    worker: Arc<Worker>,
    work: Arc<Work>,
    timer: Arc<Once<HrTimer>>,
}

impl Keeper {
    /// Keeps a watchdog quiet from now on, as long as that says so. May sleep.
    ///
    /// # Errors
    /// As making a kernel thread.
    pub(crate) fn begin(watchdog: &Arc<Watchdog>) -> Result<Self> {
        let builder = Builder::new(format_args!("watchdogd")).attributes(URGENT);
        let worker = Arc::new(Worker::new(builder)?);
        let timer = Arc::new(Once::new());
        let (watchdog, again): (_, Arc<Once<HrTimer>>) = (watchdog.clone(), timer.clone());
        let work = Work::new(move || {
            if let (Some(delay), Some(timer)) = (watchdog.keep_quiet(), again.get()) {
                timer.start(time::monotonic() + delay);
            }
        });
        // Weak: what the interrupt lets go of last must not be the thread.
        let theirs: (Weak<Worker>, Weak<Work>) = (Arc::downgrade(&worker), Arc::downgrade(&work));
        let queue = HrTimer::new(move || {
            if let (Some(worker), Some(work)) = (theirs.0.upgrade(), theirs.1.upgrade()) {
                worker.queue(&work);
            }
        });
        // Set before the work runs for the first time.
        let _ = timer.set(queue);
        worker.queue(&work);
        Ok(Self { worker, work, timer })
    }

    /// Ends the thread. The watchdog has been told to leave before, so that what runs now starts the timer at most once more. May
    /// sleep.
    pub(crate) fn end(self) {
        let Self { worker, work, timer } = self;
        worker.cancel_sync(&work);
        if let Some(timer) = timer.get() {
            timer.cancel_sync();
        }
        worker.cancel_sync(&work);
        Arc::into_inner(worker).map(Worker::destroy);
    }
}
