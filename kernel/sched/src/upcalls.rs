//! What interrupts call in the scheduler.

use crate::schedule::preempt_from_interrupt;

/// `Upcalls::reschedule`: another CPU has queued something here that should run now.
pub fn reschedule_interrupt() {
    machine::cpu::set_need_resched();
}

/// The last step of `Upcalls::interrupt_exit`: preempts the interrupted task if that is wanted.
pub fn interrupt_exit() {
    preempt_from_interrupt();
}
