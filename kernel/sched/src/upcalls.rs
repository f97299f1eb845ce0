//! What interrupts call in the scheduler.

use crate::schedule::preempt_from_interrupt;
use crate::watch;

/// `Upcalls::reschedule`: another CPU has queued something here that should run now.
pub fn reschedule_interrupt() {
    machine::cpu::set_need_resched();
}

/// `Upcalls::interrupt_exit`: serves the softirqs that the interrupt raised, then preempts the interrupted task if that is wanted.
pub fn interrupt_exit() {
    softirq::interrupt_exit(watch::leave_idle);
    preempt_from_interrupt();
}
