//! The reaper: takes apart what dead tasks leave behind.
//!
//! A task dies on its own stack, so somebody else has to give back the stack, the page tables and the task itself. A kernel thread leaves
//! little and is dropped by the next task on its CPU. What takes long, or may sleep, goes on a list that a worker works off: the
//! workqueue is above this crate, so whoever starts the kernel says how to have [`reap`] called there.

use sched::{Slot, Task, TaskRef};
use sync::{List, LockClass, Once, SpinLock};

use crate::thread::{Record, record_of};

/// Taken with interrupts off; takes nothing.
static DEAD_LOCK: LockClass = LockClass::new("reaper.dead");
static DEAD: SpinLock<List<Task>> = SpinLock::new(&DEAD_LOCK, List::new());
/// Has [`reap`] called.
static KICK: Once<fn()> = Once::new();

/// Takes over the dead from the scheduler. `kick` has [`reap`] called soon, in a task that may sleep; it is called with interrupts off, and
/// must not sleep. Once, before the first task can end.
pub fn install(kick: fn()) {
    let fresh = KICK.set(kick).is_ok();
    assert!(fresh, "the reaper is installed once");
    sched::set_leaving_task_hook(announce);
    sched::set_dead_task_hook(bury);
}

/// On the dead task's own stack, before its last switch. Who waits for a kernel thread's end is woken now, so that it can be the next to
/// run on this CPU, without a turn of somebody else between.
fn announce(task: &Task) -> Option<TaskRef> {
    record_of(task)?.set_leaving()
}

/// On the stack of the next task, interrupts off.
fn bury(task: TaskRef) {
    let record = task.attached_shared::<Record>(Slot::Kthread);
    if task.is_kthread() {
        drop(task);
    } else {
        // Refused only if it died, by an oops, on a wait queue, which then holds it: it goes with that.
        let refused = DEAD.lock_irq().push_back(task).err();
        drop(refused);
        kick();
    }
    if let Some(record) = record {
        record.set_gone();
    }
    if sched::stack_cache::has_excess() {
        kick();
    }
}

fn kick() {
    if let Some(kick) = KICK.get() {
        kick();
    }
}

/// Takes apart what has died by now. May sleep.
pub fn reap() {
    let dead = core::mem::take(&mut *DEAD.lock_irq());
    drop(dead);
    sched::stack_cache::trim();
}
