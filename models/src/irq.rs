//! Interrupts, of which there are none.

/// Interrupts off.
#[derive(Default)]
#[must_use = "interrupts go on again when the guard is dropped"]
pub struct IrqGuard;

impl IrqGuard {
    /// Turns them off.
    pub const fn new() -> Self {
        Self
    }

    /// Models are of tasks that may sleep.
    pub const fn was_preemptible(&self) -> bool {
        true
    }
}
