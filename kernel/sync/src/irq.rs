//! Interrupts off and on.

use core::marker::PhantomData;

use crate::preempt::{preempt_point, preemption_is_off};

/// Keeps this CPU's interrupts off until dropped, then puts them back as they were. Nests; inner
/// guards must be dropped before outer ones.
#[must_use = "interrupts go on again when the guard is dropped"]
pub struct IrqGuard {
    were_enabled: bool,
    not_send: PhantomData<*mut ()>,
}

impl IrqGuard {
    /// Turns interrupts off. Any context.
    #[inline]
    pub fn new() -> Self {
        Self { were_enabled: machine::irq::disable(), not_send: PhantomData }
    }

    /// Whether the section began where a task may sleep: interrupts were on, and preemption was, too.
    #[inline]
    pub fn was_preemptible(&self) -> bool {
        self.were_enabled && !preemption_is_off()
    }

    /// Ends a section in which nothing was woken. Who else wants this CPU sends an interrupt, which comes now, so there is no need to look.
    #[inline]
    pub fn end_unwoken(self) {
        if self.were_enabled {
            machine::irq::enable();
        }
        core::mem::forget(self);
    }
}

impl Default for IrqGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for IrqGuard {
    #[inline]
    fn drop(&mut self) {
        if self.were_enabled {
            machine::irq::enable();
            // A wake-up inside the section could not preempt; it does now.
            preempt_point();
        }
    }
}
