//! Load balancing: a CPU without work takes some from the others.
//!
//! Work is pulled, never pushed. A CPU about to go idle looks at the others' queues; a busy CPU that sees an idle one at its tick
//! wakes it up to do so; and at every few ticks a CPU compares itself with the busiest. What the tick starts runs in
//! the softirq `SCHED`. Other queues are only
//! *tried*: with its own queue locked a CPU waits for no other.

use core::sync::atomic::{AtomicBool, Ordering};

use machine::CpuId;
use softirq::Vector;
use sync::{PerCpu, PreemptGuard, per_cpu};

use crate::affinity;
use crate::runqueue::{RUN_QUEUES, RunQueue};
use crate::task::TaskRef;
use crate::tracepoints;
use crate::wake::reschedule;

/// The last tick of each CPU was one at which it compares itself with the busiest.
static COMPARES: PerCpu<AtomicBool> = per_cpu!(AtomicBool::new(false));

/// Called with this CPU's queue locked and nothing to run on it. Returns whether there is something now.
pub(crate) fn pull_before_idle(queue: &mut RunQueue, cpu: CpuId) -> bool {
    if machine::cpu::count() == 1 || !affinity::active().contains(cpu) {
        return false;
    }
    most_of_other(cpu, waiting).is_some_and(|(most, waiting)| waiting > 0 && pull(queue, cpu, most))
}

/// How many tasks wait on a CPU. One that was put on a CPU that has not left its idle task yet does.
fn waiting(cpu: CpuId) -> u32 {
    let shared = RUN_QUEUES.of(cpu);
    let runs = u32::from(!shared.idle.load(Ordering::Relaxed));
    shared.runnable.load(Ordering::Relaxed).saturating_sub(runs)
}

/// How many tasks run or wait on a CPU.
fn runnable(cpu: CpuId) -> u32 {
    RUN_QUEUES.of(cpu).runnable.load(Ordering::Relaxed)
}

/// Pulls one task from another CPU, if its queue is free and it has one that may go.
fn pull(queue: &mut RunQueue, cpu: CpuId, from: CpuId) -> bool {
    let Some(mut source) = RUN_QUEUES.of(from).queue.try_lock_irq() else { return false };
    let fits = |task: &TaskRef| {
        // One that was just preempted is waiting while its CPU still leaves its stack.
        !task.on_cpu.load(Ordering::Acquire) && affinity::may_run_on(task, cpu)
    };
    let Some(found) = source.find_movable(&fits) else { return false };
    let Some(task) = source.remove(&found) else { return false };
    tracepoints::migrate(&task, cpu);
    queue.enqueue(cpu, task, time::sched_clock());
    // Not before: who holds the lock of the task's queue sees it on one, and may move it if its mask has changed.
    drop(source);
    true
}

/// The other CPU with the most of something, and how many it has.
fn most_of_other(cpu: CpuId, count: fn(CpuId) -> u32) -> Option<(CpuId, u32)> {
    let others = affinity::online().without(cpu);
    others.iter().map(|other| (other, count(other))).max_by_key(|&(_, count)| count)
}

/// At the tick of a busy CPU: has the softirq look whether work should move, if there is a chance of that.
pub(crate) fn at_tick(cpu: CpuId, count: u64) {
    const TICKS_BETWEEN_COMPARISONS: u64 = 4;
    if affinity::active().without(cpu).is_empty() {
        return;
    }
    let ours = runnable(cpu);
    let compares = count.is_multiple_of(TICKS_BETWEEN_COMPARISONS);
    COMPARES.of(cpu).store(compares, Ordering::Relaxed);
    if ours >= 2 || compares {
        softirq::raise(Vector::Sched);
    }
}

/// Has an idle CPU take what waits on this one, if there is both. Any context.
#[cold]
pub(crate) fn offer_what_waits() {
    let _here = PreemptGuard::new();
    let cpu = machine::cpu::id();
    if runnable(cpu) >= 2 {
        ask_an_idle_cpu(cpu);
    }
}

/// Interrupts an idle CPU, so that it looks for work. Returns whether there is one. Preemption off.
fn ask_an_idle_cpu(cpu: CpuId) -> bool {
    let others = affinity::active().without(cpu);
    let idle = others.iter().find(|&other| RUN_QUEUES.of(other).idle.load(Ordering::Relaxed));
    idle.is_some_and(|idle| {
        reschedule(idle);
        true
    })
}

/// The softirq `SCHED`: lets an idle CPU take what waits here, or takes from one that has much more.
pub(crate) fn rebalance() {
    let cpu = machine::cpu::id();
    let ours = runnable(cpu);
    if ours >= 2 && ask_an_idle_cpu(cpu) {
        return;
    }
    if COMPARES.of(cpu).load(Ordering::Relaxed)
        && affinity::active().contains(cpu)
        && let Some((busiest, theirs)) = most_of_other(cpu, runnable)
        && theirs >= ours + 2
    {
        let pulled = pull(&mut RUN_QUEUES.of(cpu).queue.lock_irq(), cpu, busiest);
        if pulled {
            reschedule(cpu);
        }
    }
}
