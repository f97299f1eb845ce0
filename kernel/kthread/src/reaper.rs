//! The reaper: takes apart what dead tasks leave behind.
//!
//! A task dies on its own stack, so somebody else has to give back the stack, the page tables and the task itself. A kernel thread leaves
//! little and is dropped by the next task on its CPU. What takes long, or may sleep, goes on a list that the reaper thread works off.

use alloc::vec::Vec;

use sched::{TaskRef, WaitQueue};
use sync::{LockClass, SpinLock};

use crate::handle::announce_end;
use crate::thread::record_of;

/// Taken with interrupts off; takes nothing.
static DEAD_LOCK: LockClass = LockClass::new("reaper.dead");
static DEAD: SpinLock<Vec<TaskRef>> = SpinLock::new(&DEAD_LOCK, Vec::new());
static WAKE: WaitQueue = WaitQueue::new();

/// Takes over the dead from the scheduler. Once, before the first task can end.
pub fn install() {
    sched::set_dead_task_hook(bury);
}

/// On the stack of the next task, interrupts off.
fn bury(task: TaskRef) {
    let record = record_of(&task).cloned();
    if task.is_kthread() {
        drop(task);
    } else {
        DEAD.lock_irq().push(task);
        WAKE.wake_one();
    }
    if let Some(record) = record {
        announce_end(&record);
    }
    if sched::stack_cache::has_spare() {
        WAKE.wake_one();
    }
}

/// Starts the reaper thread. May sleep.
///
/// # Errors
/// As [`Builder::create`](crate::Builder::create).
pub fn start() -> errno::Result<()> {
    let thread = crate::Builder::new(format_args!("kreaper")).run(|this| {
        while !this.should_stop() {
            this.wait(&WAKE, has_work);
            let dead = core::mem::take(&mut *DEAD.lock_irq());
            drop(dead);
            sched::stack_cache::trim();
        }
        0
    })?;
    // Nobody stops it: it goes on without its holder.
    drop(thread);
    Ok(())
}

fn has_work() -> bool {
    !DEAD.lock_irq().is_empty() || sched::stack_cache::has_spare()
}
