//! What the lockup watchers, in a crate above, need of each CPU: whether it has nothing to do, word when it gets something
//! to do, and a way to say that what takes so long is meant to.

use core::sync::atomic::{AtomicBool, Ordering};

use machine::CpuId;
use sync::{Once, PerCpu, per_cpu};

use crate::runqueue::RUN_QUEUES;

struct Watch {
    /// The hook is to be called when the CPU, which rests, has something to do. The CPU's own.
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

/// Says what to call on a CPU that leaves its idle task, or begins to serve softirqs there, with interrupts off, after
/// [`call_when_leaving_idle`]. Once; a second call does nothing.
pub fn set_leave_idle_hook(hook: fn(CpuId)) {
    let _ = LEAVE_IDLE.set(hook);
}

/// Has the hook called, once, when this CPU, which rests, next has something to do. In an interrupt.
pub fn call_when_leaving_idle() {
    WATCHES.this().call.store(true, Ordering::Relaxed);
}

/// This CPU's idle task makes way, or softirqs are to be served, which may be on top of it. Interrupts off, the run queue not
/// locked any more. A load if nobody wants to know.
#[inline]
pub(crate) fn leave_idle() {
    let watch = WATCHES.this();
    if watch.call.load(Ordering::Relaxed) {
        watch.call.store(false, Ordering::Relaxed);
        if let Some(hook) = LEAVE_IDLE.get() {
            hook(machine::cpu::id());
        }
    }
}

/// Whether this CPU has nothing to do: the interrupt has come into its idle task, not into softirqs on top of that. In an interrupt.
pub fn rests() -> bool {
    RUN_QUEUES.this().idle.load(Ordering::Relaxed) && !sync::in_serving_softirq()
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
