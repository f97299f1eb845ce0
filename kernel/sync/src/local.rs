//! A value that only its own CPU uses.

use core::cell::{Cell, UnsafeCell};

use crate::irq::IrqGuard;

/// A value inside a [`PerCpu`](crate::PerCpu) row that is reached only from that row's CPU, with
/// interrupts off, and so needs no lock.
pub struct LocalCell<T> {
    busy: Cell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through `PerCpu<LocalCell<T>>::with` below, which picks the row of the
// running CPU with interrupts off; so one CPU, one context at a time, uses a row. What is moved in
// on one CPU may be moved out on another only by way of other synchronised structures, as `T: Send` allows.
unsafe impl<T: Send> Sync for LocalCell<T> {}

impl<T> LocalCell<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self { busy: Cell::new(false), value: UnsafeCell::new(value) }
    }
}

impl<T: Send> crate::PerCpu<LocalCell<T>> {
    /// Runs `body` on this CPU's value with interrupts off. Any context but a non-maskable interrupt.
    ///
    /// # Panics
    /// If `body` comes back here for the same cell.
    #[inline]
    pub fn with<R>(&self, body: impl FnOnce(&mut T) -> R) -> R {
        let _irqs_off = IrqGuard::new();
        let cell = self.this();
        assert!(!cell.busy.replace(true), "a per-CPU cell was entered twice");
        let _leave = Leave(&cell.busy);
        // SAFETY: interrupts are off, so this CPU's row is ours alone, and `busy` has ruled out a nested call.
        body(unsafe { &mut *cell.value.get() })
    }

    /// As [`with`](Self::with), for the shortest paths: that `body` does not come back is looked at in debug builds only, and no
    /// reschedule that it wants is made up for at the end.
    ///
    /// # Safety
    /// `body` does not reach the same cell again, does not unwind, and wakes nobody.
    #[inline(always)]
    pub unsafe fn with_simple<R>(&self, body: impl FnOnce(&mut T) -> R) -> R {
        if cfg!(debug_assertions) {
            return self.with(body);
        }
        let were_enabled = machine::irq::disable();
        // SAFETY: interrupts are off, so this CPU's row is ours alone, and by the caller's word `body` does not come back.
        let result = body(unsafe { &mut *self.this().value.get() });
        if were_enabled {
            machine::irq::enable();
        }
        result
    }
}

/// Marks the cell free again, also when the body unwinds.
struct Leave<'a>(&'a Cell<bool>);

impl Drop for Leave<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.set(false);
    }
}
