//! The workqueue's eyes: it is told when one of its workers goes to sleep in the middle of a piece of work, and when it
//! goes on.
//!
//! A pool of workers keeps one of them running on its CPU for as long as there is work. So it has to know, at once and
//! without asking, that a worker has blocked. Only a task with [`TaskFlags::WQ_WORKER`] is asked about; all others pay for a
//! test of a bit.

use sync::Once;

use crate::current::current;
use crate::state;
use crate::task::{Task, TaskFlags};

/// What the workqueue wants to be told. Both are called by the worker itself, with interrupts and preemption on, outside all
/// run-queue locks. They may be preempted and must not sleep.
pub struct WorkerHooks {
    /// The worker has set its state to asleep and is about to give its CPU away.
    pub sleeping: fn(),
    /// The worker is back. Called once for each `sleeping`, also if it did not sleep after all.
    pub running: fn(),
}

static HOOKS: Once<&'static WorkerHooks> = Once::new();

/// Says who is told of workers. Once, before the first task gets the flag.
pub fn set_worker_hooks(hooks: &'static WorkerHooks) {
    let fresh = HOOKS.set(hooks).is_ok();
    assert!(fresh, "there is one workqueue");
}

/// Tells of the running task's sleep. Returns whether its return is to be told, too.
#[inline]
pub(crate) fn goes_to_sleep(me: &Task) -> bool {
    me.flags().contains(TaskFlags::WQ_WORKER) && tell_sleeping()
}

#[cold]
fn tell_sleeping() -> bool {
    // A worker that only yields stays runnable.
    if current().state() == state::RUNNING {
        return false;
    }
    if let Some(hooks) = HOOKS.get() {
        (hooks.sleeping)();
    }
    true
}

/// Tells that the running task, of whose sleep was told, is back.
#[cold]
pub(crate) fn goes_on() {
    if let Some(hooks) = HOOKS.get() {
        (hooks.running)();
    }
}
