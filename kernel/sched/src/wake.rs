//! Waking tasks.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use machine::{CpuId, Ipi};
use sync::{IrqGuard, PreemptGuard};

use crate::affinity;
use crate::attributes::Class;
use crate::cpumask::CpuMask;
use crate::current::current;
use crate::deadline::spread;
use crate::runqueue::RUN_QUEUES;
use crate::state::{self, Claim, NEW, NOLOAD, UNINTERRUPTIBLE};
use crate::task::{Task, TaskRef};
use crate::tracepoints;

/// Wakes a task that sleeps an ordinary sleep. Returns whether this call woke it. Any context without a run-queue lock.
pub fn wake_up(task: &TaskRef) -> bool {
    wake_up_state(task, state::NORMAL)
}

/// Wakes a task if its state is one of `mask`. Returns whether this call woke it. Any context without a run-queue lock.
///
/// What the caller wrote before is seen by the woken task. So that a task that is on its way to sleep sees it, too, if it is not woken,
/// what it waits for is changed under a lock under which it looks, or SeqCst: there is no fence here.
pub fn wake_up_state(task: &TaskRef, mask: u32) -> bool {
    if task.state.load() & mask == 0 {
        return false;
    }
    // Held to the end: the reschedule happens when all is done.
    let _irqs_off = IrqGuard::new();
    match task.state.claim(mask) {
        Claim::Refused => false,
        Claim::Awake => true,
        Claim::Asleep(slept_as) => {
            activate(Arc::clone(task), slept_as);
            true
        }
    }
}

/// Wakes a new task for the first time. Any context without a run-queue lock.
///
/// # Panics
/// If it is not new.
pub fn wake_up_new_task(task: &TaskRef) {
    let woken = wake_up_state(task, NEW);
    assert!(woken, "{task:?} was woken for the first time twice");
}

/// Queues a task whose sleep this CPU has claimed. Interrupts off: preempted between the two, it would leave others spinning.
pub(crate) fn activate(task: TaskRef, slept_as: u32) {
    queue_woken::<GOES_ON>(task, slept_as);
}

/// As [`activate`], by a task that gives its CPU away next: see `hand_over.rs`. Returns whether the woken one waits for that CPU.
pub(crate) fn activate_by_leaver(task: TaskRef, slept_as: u32) -> bool {
    queue_woken::<LEAVES_NEXT>(task, slept_as)
}

/// As [`activate`], by a task that ends, and has little left to do.
pub(crate) fn activate_by_ending(task: TaskRef, slept_as: u32) {
    queue_woken::<LEAVES_SOON>(task, slept_as);
}

// What the waker is about to do.
const GOES_ON: u8 = 0;
const LEAVES_SOON: u8 = 1;
const LEAVES_NEXT: u8 = 2;

/// Returns whether the task is on this CPU because the waker leaves it.
#[inline(always)]
fn queue_woken<const WAKER: u8>(task: TaskRef, slept_as: u32) -> bool {
    tracepoints::waking(&task);
    // Acquire pairs with the Release at the end of the switch: it has left its old stack for good.
    while task.on_cpu.load(Ordering::Acquire) {
        machine::cpu::relax();
    }
    // Its affinity or the CPU may change from here on: see `affinity.rs`.
    let (cpu, takes_over) = choose_cpu::<WAKER>(&task);
    let mut queue = RUN_QUEUES.of(cpu).queue.lock_irqs_off();
    if slept_as & (UNINTERRUPTIBLE | NOLOAD) == UNINTERRUPTIBLE {
        queue.uninterruptible -= 1;
    }
    tracepoints::wakeup(&task, slept_as, cpu);
    // The CPU first: who sees it no longer waking looks for it on that queue, and waits there for the lock.
    task.cpu.store(cpu, Ordering::Relaxed);
    task.state.set_running();
    let preempts = queue.enqueue_woken(cpu, task, time::sched_clock());
    drop(queue);
    // A CPU that is given away chooses anew in a moment.
    if preempts && !(takes_over && WAKER == LEAVES_NEXT) {
        reschedule(cpu);
    }
    takes_over
}

/// Asks a CPU to choose again. Interrupts or preemption off.
pub(crate) fn reschedule(cpu: CpuId) {
    if cpu == machine::cpu::id() {
        machine::cpu::set_need_resched();
    } else {
        machine::irq::send(cpu, Ipi::Reschedule);
    }
}

/// Makes a task that runs on another CPU enter the kernel, so that it looks at what is new for it. Any context.
pub fn kick(task: &Task) {
    let _here = PreemptGuard::new();
    let cpu = task.cpu();
    if task.is_on_cpu() && cpu != machine::cpu::id() {
        machine::irq::send(cpu, Ipi::Reschedule);
    }
}

/// Where a woken task should run, and whether it takes over the CPU of a waker that leaves it.
#[inline(always)]
fn choose_cpu<const WAKER: u8>(task: &Task) -> (CpuId, bool) {
    let previous = task.cpu();
    if task.allowed().and(affinity::active()) == CpuMask::of(previous) {
        // Bound to it, or there is no other.
        return (previous, false);
    }
    if WAKER != GOES_ON && may_take_over(task) {
        return (machine::cpu::id(), true);
    }
    (choose_among_cpus(task, previous), false)
}

/// Whether a task should be the next on this CPU, which the running task is about to leave: nobody else waits there, so it runs at once, and what the
/// two share is in the cache. Elsewhere, idle or not, a CPU would have to be interrupted.
fn may_take_over(task: &Task) -> bool {
    let here = machine::cpu::id();
    RUN_QUEUES.of(here).runnable.load(Ordering::Relaxed) <= 1
        && affinity::may_run_on(task, here)
        // Of these it is not the CPU that counts, but the deadlines everywhere.
        && task.entity.class() != Class::Deadline
}

/// Where its memory is in the cache if that CPU is idle or about to be, else an idle CPU, else where the queue is shortest,
/// preferring the old one.
#[inline(never)]
fn choose_among_cpus(task: &Task, previous: CpuId) -> CpuId {
    affinity::forget_lost_cpus(task);
    let candidates = affinity::candidates(task);
    if candidates.count() <= 1 {
        return candidates.first().unwrap_or(previous);
    }
    if task.entity.class() == Class::Deadline
        && let Some(server) = task.entity.server()
    {
        let deadline = server.deadline_if_woken(time::sched_clock());
        return spread::choose_cpu(candidates, previous, deadline);
    }
    if candidates.contains(previous) && is_idle(previous) {
        return previous;
    }
    let here = machine::cpu::id();
    if candidates.contains(here) && (is_idle(here) || here == previous && waker_is_done(here)) {
        return here;
    }
    if let Some(idle) = candidates.iter().find(|&cpu| is_idle(cpu)) {
        return idle;
    }
    shortest_queue(candidates, previous)
}

/// A thread that is bound to this CPU wakes somebody of this CPU, and nobody else wants it: most likely it has done what it was asked for,
/// and sleeps next. Elsewhere an idle CPU would have to be waked, and the one who asks would come from there the next time.
fn waker_is_done(here: CpuId) -> bool {
    if sync::in_interrupt() || RUN_QUEUES.of(here).runnable.load(Ordering::Relaxed) > 1 {
        return false;
    }
    let waker = current();
    waker.is_kthread() && !waker.is_idle() && waker.allowed() == CpuMask::of(here)
}

/// Whether a CPU runs its idle task and nobody waits there.
pub(crate) fn is_idle(cpu: CpuId) -> bool {
    let shared = RUN_QUEUES.of(cpu);
    shared.idle.load(Ordering::Relaxed) && shared.runnable.load(Ordering::Relaxed) == 0
}

fn shortest_queue(candidates: CpuMask, preferred: CpuId) -> CpuId {
    let length = |cpu: CpuId| RUN_QUEUES.of(cpu).runnable.load(Ordering::Relaxed);
    let shortest = candidates.iter().min_by_key(|&cpu| length(cpu)).unwrap_or(preferred);
    if candidates.contains(preferred) && length(preferred) <= length(shortest) {
        preferred
    } else {
        shortest
    }
}
