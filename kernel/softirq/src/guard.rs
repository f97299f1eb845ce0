//! Softirqs off and on.

use core::marker::PhantomData;
use core::sync::atomic::Ordering::Relaxed;

use machine::preempt::SOFTIRQ_OFF;
use sync::PreemptGuard;

use crate::pending::{ROWS, wake_daemon};
use crate::serve;

/// Keeps softirqs from being served on this CPU until dropped, and with them preemption. Nests. Interrupts come; what they raise is
/// served when the outermost guard is dropped. Data that a softirq handler uses is used by tasks inside such a section.
#[must_use = "softirqs are served again when the guard is dropped"]
pub struct BottomHalfGuard {
    /// The count is the CPU's: a guard must be dropped where it was made.
    not_send: PhantomData<*mut ()>,
}

impl BottomHalfGuard {
    /// Turns softirqs off. Any context but a hard interrupt.
    #[inline]
    pub fn new() -> Self {
        debug_assert!(!sync::in_hardirq(), "softirqs turned off in an interrupt");
        machine::cpu::preempt_add(SOFTIRQ_OFF);
        Self { not_send: PhantomData }
    }
}

impl Default for BottomHalfGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for BottomHalfGuard {
    #[inline]
    fn drop(&mut self) {
        // Preemption stays off until what is pending has been looked at: it is this CPU's. Then who was woken meanwhile has the CPU.
        let _here = PreemptGuard::new();
        machine::cpu::preempt_sub(SOFTIRQ_OFF);
        if ROWS.this().pending.load(Relaxed) != 0 && !sync::in_interrupt() {
            if machine::irq::enabled() {
                serve::serve_in_task();
            } else {
                wake_daemon();
            }
        }
    }
}
