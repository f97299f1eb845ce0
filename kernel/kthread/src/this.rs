//! A kernel thread's own side: what it asks, and how it parks.

use sched::{Sleep, Task, TaskRef, WaitQueue, state};
use sync::Current;

use crate::freezer;
use crate::thread::{PARK, Record, STOP, record_of};

/// What ended a sleep.
enum Wake {
    Condition,
    Asked,
    Freeze,
}

/// The thread that runs, as its own function sees it.
///
/// It cannot leave the thread: only the thread itself may park, freeze or be asked whether it should stop. And it holds no reference
/// count: a thread that panics leaves its stack behind, and what is counted there would never be freed.
pub struct This {
    task: Current<Task>,
}

impl This {
    /// For the running thread, whose record has been attached.
    pub(crate) fn new() -> Self {
        Self { task: sched::current() }
    }

    /// A reference of one's own to the task.
    pub(crate) fn task_ref(&self) -> TaskRef {
        self.task.to_arc()
    }

    pub(crate) fn record(&self) -> &Record {
        record_of(&self.task).expect("a thread function runs in a thread with a record")
    }

    /// Whether somebody waits in `stop` for the thread's function to return. Any context.
    pub fn should_stop(&self) -> bool {
        self.record().has(STOP)
    }

    /// Whether the thread is asked to park. Any context.
    pub fn should_park(&self) -> bool {
        self.record().has(PARK)
    }

    /// Parks if that is asked for, and returns when nobody wants it any more. May sleep.
    pub fn park_if_asked(&self) {
        if self.should_park() {
            self.parkme();
        }
    }

    /// Sleeps as long as the thread is asked to be parked. May sleep.
    ///
    /// The state is set before the request is looked at, and `unpark` withdraws the request before it wakes: so either this
    /// sees it withdrawn, or the wake-up finds the thread asleep.
    pub fn parkme(&self) {
        sync::might_sleep();
        loop {
            sched::set_current_state(state::PARKED);
            if self.record().enter_park() {
                self.record().waiters.wake_all();
                sched::schedule();
            } else if self.record().leave_park() {
                break;
            }
        }
        sched::set_current_running();
        // The freezer counts a parked thread as still.
        self.freeze();
    }

    /// Sleeps until `condition` holds, the thread is asked to stop or to park, or a signal comes that it allows; returns whether the
    /// condition holds. May sleep.
    ///
    /// This is how a daemon waits for work: the wake-ups of `stop` and `park` end the sleep as the queue's do. A freezable thread
    /// spends a freeze in here.
    pub fn wait(&self, queue: &WaitQueue, condition: impl FnMut() -> bool) -> bool {
        self.wait_as(queue, None, condition)
    }

    /// As [`wait`](Self::wait), but not beyond a time of the monotonic clock. May sleep.
    pub fn wait_until(
        &self,
        queue: &WaitQueue,
        deadline: u64,
        condition: impl FnMut() -> bool,
    ) -> bool {
        self.wait_as(queue, Some(deadline), condition)
    }

    fn wait_as(
        &self,
        queue: &WaitQueue,
        deadline: Option<u64>,
        mut condition: impl FnMut() -> bool,
    ) -> bool {
        loop {
            // Interruptible, as daemons sleep on Linux: no signal reaches a kernel thread that has not asked for it, and the
            // sleep does not count in the load average.
            let outcome = queue.wait_map(Sleep::Interruptible, deadline, || {
                if condition() {
                    Some(Wake::Condition)
                } else if self.record().has(STOP | PARK) {
                    Some(Wake::Asked)
                } else {
                    freezer::is_wanted().then_some(Wake::Freeze)
                }
            });
            match outcome {
                Ok(Wake::Condition) => return true,
                // The time is up, or a signal has come.
                Ok(Wake::Asked) | Err(_) => return false,
                Ok(Wake::Freeze) => {
                    self.freeze();
                }
            }
        }
    }

    /// Sleeps for so many nanoseconds, less if the thread is asked to stop or to park or a signal comes that it allows: the "run every so often" of a
    /// periodic daemon. Returns whether the time passed undisturbed. May sleep.
    pub fn sleep(&self, nanoseconds: u64) -> bool {
        let deadline = time::monotonic().saturating_add(nanoseconds);
        loop {
            if freezer::is_wanted() {
                self.freeze();
            }
            sched::set_current_state(state::INTERRUPTIBLE);
            if self.record().has(STOP | PARK) || sched::current().signal_pending() {
                sched::set_current_running();
                return false;
            }
            if sched::schedule_until(deadline) == sched::Woken::ByTime {
                sched::set_current_running();
                return true;
            }
        }
    }

    /// Enters the freezer if it wants this thread, and stays until the thaw or until it is asked to stop or to park.
    fn freeze(&self) -> bool {
        freezer::freeze_unless(|| self.record().has(STOP | PARK))
    }

    /// Lets the freezer stop this thread from now on.
    pub fn set_freezable(&self) {
        freezer::set_freezable();
    }

    /// Enters the freezer if it wants this thread. Returns whether it did. May sleep.
    pub fn try_to_freeze(&self) -> bool {
        self.freeze()
    }

    /// [`should_stop`](Self::should_stop) after a stay in the freezer, if one is wanted; a thread that is asked to stop
    /// or to park leaves the freezer. Returns whether to stop, and whether it was frozen. May sleep.
    pub fn freezable_should_stop(&self) -> (bool, bool) {
        let frozen = self.freeze();
        (self.should_stop(), frozen)
    }
}
