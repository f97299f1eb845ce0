//! Taking deadline tasks from other CPUs, and taking throttled ones back: what run queues do for the class.

use machine::CpuId;

use super::spread;
use crate::affinity;
use crate::attributes::Class;
use crate::class::Queue;
use crate::class::deadline::Excess;
use crate::runqueue::{RUN_QUEUES, RunQueue};
use crate::task::TaskRef;
use crate::tracepoints;

impl RunQueue {
    /// This CPU chooses, and somewhere a deadline task waits: here, perhaps, or it is taken from where it is.
    #[cold]
    pub(crate) fn pick_deadline(&mut self, cpu: CpuId, now: u64) -> Option<TaskRef> {
        self.pull_deadline(cpu);
        self.deadline.pick(now)
    }

    /// This CPU chooses, and somewhere a deadline task waits in vain: takes it, if it is due before all that wait here. Who cannot be had right
    /// now is looked for again: the CPU is to choose once more.
    fn pull_deadline(&mut self, cpu: CpuId) {
        let ours = self.deadline.earliest_waiting();
        let Some(from) = spread::most_urgent_other(cpu, ours) else { return };
        let Some(mut source) = RUN_QUEUES.of(from).queue.try_lock_irq() else {
            machine::cpu::set_need_resched();
            return;
        };
        // Nobody's is a CPU that is about to go.
        let fits = |task: &TaskRef| affinity::may_run_on(task, cpu);
        match source.deadline.excess_before(ours, &fits) {
            Excess::Task(found) => {
                let Some(task) = source.remove(&found) else { return };
                tracepoints::migrate(&task, cpu);
                self.enqueue(cpu, task, self.clock);
                // Not before: as in `balance.rs`.
                drop(source);
            }
            Excess::Soon => machine::cpu::set_need_resched(),
            Excess::Nothing => {}
        }
    }

    /// Whose next period has begun comes back. Returns whether the running task should make way.
    pub(super) fn replenish_due(&mut self, now: u64) -> bool {
        let deadline = self.deadline.replenish_due(now);
        deadline != spread::NEVER
            && (self.running > Class::Deadline
                || self.running == Class::Deadline && self.deadline.goes_first(deadline))
    }

    /// A deadline task comes to this queue, counted already. Returns whether the running task should make way.
    #[cold]
    pub(crate) fn enqueue_deadline(&mut self, task: TaskRef, now: u64) -> bool {
        let goes_first = self.deadline.enqueue(task, now);
        goes_first || self.running > Class::Deadline && self.deadline.waiting() != 0
    }
}
