//! What the lockup watchers, in a crate above, need of each CPU: whether it has nothing to do, word when it gets something
//! to do, and a way to say that what takes so long is meant to.

use core::sync::atomic::{AtomicBool, Ordering};

use machine::CpuId;
use sync::{Once, PerCpu, per_cpu};

use crate::runqueue::RUN_QUEUES;

struct Watch {
    /// The hook is to be called when the CPU leaves its idle task.
    call: AtomicBool,
    /// Long work was announced since the watchers looked: to the soft lockup's, to the hard lockup's.
    soft: AtomicBool,
    hard: AtomicBool,
}

static WATCHES: PerCpu<Watch> = per_cpu!(Watch {
    call: AtomicBool::new(false),
    soft: AtomicBool::new(false),
    hard: AtomicBool::new(false),
});

static LEAVE_IDLE: Once<fn(CpuId)> = Once::new();

/// Says what to call on a CPU that leaves its idle task, with interrupts off, after [`call_when_leaving_idle`] was called for it.
/// Once; a second call does nothing.
pub fn set_leave_idle_hook(hook: fn(CpuId)) {
    let _ = LEAVE_IDLE.set(hook);
}

/// Has the hook called, once, when a CPU next leaves its idle task. Any context.
///
/// Whoever calls this and then finds by [`rests_for_certain`] that the CPU is idle knows that the hook will be called: the
/// run queue's lock is between the two on both sides.
pub fn call_when_leaving_idle(cpu: CpuId) {
    WATCHES.of(cpu).call.store(true, Ordering::Release);
}

/// This CPU's idle task makes way. Interrupts off, the run queue not locked any more. A load if nobody wants to know.
#[inline]
pub(crate) fn leave_idle(cpu: CpuId) {
    let watch = WATCHES.of(cpu);
    if watch.call.load(Ordering::Relaxed)
        && watch.call.swap(false, Ordering::Acquire)
        && let Some(hook) = LEAVE_IDLE.get()
    {
        hook(cpu);
    }
}

/// Whether a CPU runs its idle task and has nothing else to run; a moment ago. Any context.
pub fn rests(cpu: CpuId) -> bool {
    let shared = RUN_QUEUES.of(cpu);
    shared.idle.load(Ordering::Relaxed) && shared.runnable.load(Ordering::Relaxed) == 0
}

/// As [`rests`], looked at under the run queue's lock; false if somebody holds that. Any context without a run-queue lock.
pub fn rests_for_certain(cpu: CpuId) -> bool {
    RUN_QUEUES.of(cpu).queue.try_lock_irq().is_some_and(|_queue| rests(cpu))
}

/// Says that this CPU is right not to switch tasks for so long. Any context.
pub fn touch_softlockup_watchdog() {
    WATCHES.this().soft.store(true, Ordering::Relaxed);
}

/// Says that this CPU is right not to take interrupts for so long, nor to switch tasks. Any context.
pub fn touch_nmi_watchdog() {
    WATCHES.this().hard.store(true, Ordering::Relaxed);
    touch_softlockup_watchdog();
}

/// Whether [`touch_softlockup_watchdog`] was called on a CPU since the last look.
pub fn take_soft_touch(cpu: CpuId) -> bool {
    WATCHES.of(cpu).soft.swap(false, Ordering::Relaxed)
}

/// Whether [`touch_nmi_watchdog`] was called on a CPU since the last look.
pub fn take_hard_touch(cpu: CpuId) -> bool {
    WATCHES.of(cpu).hard.swap(false, Ordering::Relaxed)
}
