//! The workqueue's eyes: it is told when one of its workers goes to sleep in the middle of a piece of work, and when it
//! goes on. And it is asked what they are at, for reports.
//!
//! A pool of workers keeps one of them running on its CPU for as long as there is work. So it has to know, at once and
//! without asking, that a worker has blocked. Only a task with [`TaskFlags::WQ_WORKER`] is asked about; all others pay for a
//! test of a bit.

use sync::Once;

use crate::current::current;
use crate::name::Buffer;
use crate::state;
use crate::task::{Task, TaskFlags};

/// How much reports say of what a worker is at.
pub const WORK_LENGTH: usize = 128;

/// What the workqueue wants to be told, and tells. `sleeping` and `running` are called by the worker itself, with interrupts and preemption
/// on, outside all run-queue locks. They may be preempted and must not sleep.
pub struct WorkerHooks {
    /// The worker has set its state to asleep and is about to give its CPU away.
    pub sleeping: fn(),
    /// The worker is back. Called once for each `sleeping`, also if it did not sleep after all.
    pub running: fn(),
    /// If the task is a worker in the middle of an item: the queue's name and the item's. Called in any context, a non-maskable interrupt too.
    pub work: fn(&Task) -> Option<Buffer<WORK_LENGTH>>,
}

static HOOKS: Once<&'static WorkerHooks> = Once::new();

/// Says who is told of workers. Once, before the first task gets the flag.
pub fn set_worker_hooks(hooks: &'static WorkerHooks) {
    let fresh = HOOKS.set(hooks).is_ok();
    assert!(fresh, "there is one workqueue");
}

/// What a task is at for the workqueue: the names of a queue and of an item of it, if it is a worker in the middle of that. As it is at the
/// moment, unless the task is the running one, or asleep for long. Any context, a non-maskable interrupt too.
pub fn work_of(task: &Task) -> Option<Buffer<WORK_LENGTH>> {
    HOOKS.get().and_then(|hooks| (hooks.work)(task))
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
