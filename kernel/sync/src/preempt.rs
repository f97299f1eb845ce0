//! Preemption off and on, and the questions about the context that code runs in.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicPtr, Ordering};

use machine::preempt::{
    HARDIRQ_MASK, NMI_MASK, NO_RESCHED, PREEMPT_UNIT, SOFTIRQ_MASK, SOFTIRQ_SERVING,
};

/// What to call when preemption becomes possible and a reschedule is wanted. The scheduler sets it.
static RESCHEDULE: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Tells this crate how to reschedule. Once, by the scheduler, before the first task is made.
pub fn set_reschedule_hook(hook: fn()) {
    RESCHEDULE.store(hook as *mut (), Ordering::Release);
}

#[cold]
#[inline(never)]
fn reschedule() {
    let hook = RESCHEDULE.load(Ordering::Acquire);
    if hook.is_null() || !machine::irq::enabled() {
        return;
    }
    // SAFETY: the only non-null values ever stored are `fn()` pointers, by `set_reschedule_hook`.
    let hook: fn() = unsafe { core::mem::transmute(hook) };
    hook();
}

/// Keeps the running task on its CPU until dropped. Nests. Interrupts still come.
///
/// Dropping the outermost guard reschedules if that was asked for meanwhile, so with interrupts on it
/// may switch tasks.
#[must_use = "preemption goes on again when the guard is dropped"]
pub struct PreemptGuard {
    /// The count is the CPU's: a guard must be dropped where it was made.
    not_send: PhantomData<*mut ()>,
}

impl PreemptGuard {
    /// Turns preemption off. Any context.
    #[inline]
    pub fn new() -> Self {
        machine::cpu::preempt_add(PREEMPT_UNIT);
        Self { not_send: PhantomData }
    }
}

impl Default for PreemptGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for PreemptGuard {
    #[inline]
    fn drop(&mut self) {
        if machine::cpu::preempt_sub(PREEMPT_UNIT) == 0 {
            reschedule();
        }
    }
}

/// Reschedules if that is wanted and possible here. For loops that run long without a lock.
#[inline]
pub fn preempt_point() {
    if machine::cpu::preempt_count() == 0 {
        reschedule();
    }
}

/// Whether the running task could be preempted here: nothing counted, interrupts on.
pub fn preemptible() -> bool {
    !preemption_is_off() && machine::irq::enabled()
}

/// Whether something is counted that keeps the running task from being preempted, interrupts aside.
#[inline]
pub(crate) fn preemption_is_off() -> bool {
    machine::cpu::preempt_count() & !NO_RESCHED != 0
}

/// Whether this is a hard interrupt or a non-maskable one.
#[inline]
pub fn in_hardirq() -> bool {
    machine::cpu::preempt_count() & (HARDIRQ_MASK | NMI_MASK) != 0
}

/// Whether a softirq is being served here: this is its handler, or what has interrupted it.
#[inline]
pub fn in_serving_softirq() -> bool {
    machine::cpu::preempt_count() & SOFTIRQ_SERVING != 0
}

/// Whether this is a hard interrupt, a softirq, a section with softirqs off, or a non-maskable interrupt.
pub fn in_interrupt() -> bool {
    machine::cpu::preempt_count() & (HARDIRQ_MASK | SOFTIRQ_MASK | NMI_MASK) != 0
}

/// Whether sleeping is forbidden here.
pub fn in_atomic() -> bool {
    !preemptible()
}

/// Panics in debug builds if the caller could be moved to another CPU.
#[inline]
#[track_caller]
pub fn assert_preempt_off() {
    debug_assert!(in_atomic(), "per-CPU data used while preemption is on");
}

/// States that the caller may sleep. In debug builds a call in an atomic section is reported with the
/// locks that are held.
#[inline]
#[track_caller]
pub fn might_sleep() {
    #[cfg(debug_assertions)]
    if in_atomic() {
        crate::lockdep::report_sleep_in_atomic();
    }
}
