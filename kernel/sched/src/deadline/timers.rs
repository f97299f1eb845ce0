//! The two timers of each CPU: one ends the running task's budget, the other brings the first throttled task back.

use machine::CpuId;
use sync::{Once, PerCpu, per_cpu};
use time::HrTimer;

use crate::runqueue::RUN_QUEUES;
use crate::wake::reschedule;

struct Timers {
    budget: Once<HrTimer>,
    replenishment: Once<HrTimer>,
}

static TIMERS: PerCpu<Timers> =
    per_cpu!(Timers { budget: Once::new(), replenishment: Once::new() });

/// Gives a CPU its timers.
pub(crate) fn prepare(cpu: CpuId) {
    // A CPU that comes back has them already.
    let timers = TIMERS.of(cpu);
    // The CPU chooses again, and finds the budget used up when it charges the task.
    let _ = timers.budget.set(HrTimer::new(move || reschedule(cpu)));
    let _ = timers.replenishment.set(HrTimer::new(move || replenish(cpu)));
}

/// In the timer interrupt, mostly on the CPU itself: whose next period has begun comes back.
fn replenish(cpu: CpuId) {
    let preempts = RUN_QUEUES.of(cpu).queue.lock_irq().replenish_due(time::sched_clock());
    if preempts {
        reschedule(cpu);
    }
}

/// The budget of the task that runs on a CPU ends then. With the run queue locked.
pub(crate) fn end_budget_at(cpu: CpuId, when: u64) {
    if let Some(timer) = TIMERS.of(cpu).budget.get() {
        timer.start(time::from_sched_clock(when));
    }
}

/// No deadline task runs on a CPU any more. With the run queue locked.
pub(crate) fn no_budget(cpu: CpuId) {
    if let Some(timer) = TIMERS.of(cpu).budget.get() {
        timer.cancel();
    }
}

/// The first throttled task of a CPU comes back then. With the run queue locked.
pub(crate) fn replenish_at(cpu: CpuId, when: u64) {
    if let Some(timer) = TIMERS.of(cpu).replenishment.get() {
        timer.start(time::from_sched_clock(when));
    }
}
