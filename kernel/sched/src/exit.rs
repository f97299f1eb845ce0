//! The end of a task, as the scheduler sees it.

use sync::Once;

use crate::current::current;
use crate::deadline;
use crate::hand_over;
use crate::schedule;
use crate::state;
use crate::task::{Task, TaskRef};

/// Who takes dead tasks over.
static UNDERTAKER: Once<fn(TaskRef)> = Once::new();

/// Says who takes over the reference that a CPU held to a task that has died. Called with interrupts off on the next
/// task's stack, so it must neither sleep nor take long. Without one the reference is dropped there. Once.
pub fn set_dead_task_hook(hook: fn(TaskRef)) {
    let fresh = UNDERTAKER.set(hook).is_ok();
    assert!(fresh, "the dead-task hook is set once");
}

/// Who is told of a task that is about to leave its stack for the last time.
static HERALD: Once<fn(&Task) -> Option<TaskRef>> = Once::new();

/// Says who is told that the running task is about to leave for ever: called with interrupts off, right before its last
/// switch. The task that it returns, who waits for the dead-task hook, is woken to be the one that is switched to. Once.
pub fn set_leaving_task_hook(hook: fn(&Task) -> Option<TaskRef>) {
    let fresh = HERALD.set(hook).is_ok();
    assert!(fresh, "the leaving-task hook is set once");
}

pub(crate) fn bury(task: TaskRef) {
    match UNDERTAKER.get() {
        Some(hook) => hook(task),
        None => drop(task),
    }
}

/// Ends the running task. What it holds beyond its scheduler state has been given back before. Interrupts on, preemption on.
pub fn exit_current() -> ! {
    let me = current();
    assert!(!me.is_idle(), "an idle task cannot end");
    sync::might_sleep();
    deadline::leave_at_end(&me);
    // Off until the next task turns them on. Preempted while dead, the task would be buried by the next one, and still be
    // on its run queue.
    let _ = machine::irq::disable();
    me.state.set(state::DEAD);
    if let Some(hook) = HERALD.get()
        && let Some(successor) = hook(&me)
    {
        hand_over::wake_at_end(successor);
    }
    schedule::leave_for_ever()
}
