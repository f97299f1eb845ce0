//! Cells. Loom sees each use of a [`Cell`]; what lies in an [`UnsafeCell`] is to see its own uses, see [`Tracked`].

use crate::execution::Lazy;

pub use std::cell::UnsafeCell;

/// Accesses to a place that loom takes note of: two that nothing orders, one of them writing, fail the model.
pub(crate) struct Accesses(Lazy<loom::cell::UnsafeCell<()>>);

impl Accesses {
    pub(crate) const fn new() -> Self {
        Self(Lazy::new())
    }

    fn cell(&self) -> &loom::cell::UnsafeCell<()> {
        self.0.get(|| loom::cell::UnsafeCell::new(()))
    }

    pub(crate) fn read(&self) {
        self.cell().with(|_| ());
    }

    pub(crate) fn write(&self) {
        self.cell().with_mut(|_| ());
    }
}

/// As `core::cell::Cell`.
pub struct Cell<T: ?Sized> {
    accesses: Accesses,
    value: std::cell::Cell<T>,
}

impl<T> Cell<T> {
    /// A cell with a value.
    pub const fn new(value: T) -> Self {
        Self { accesses: Accesses::new(), value: std::cell::Cell::new(value) }
    }

    /// Changes the value.
    pub fn set(&self, value: T) {
        self.accesses.write();
        self.value.set(value);
    }
}

impl<T: Copy> Cell<T> {
    /// The value.
    pub fn get(&self) -> T {
        self.accesses.read();
        self.value.get()
    }
}

/// A number for models to put into what they look at: a use of it that something else does not order fails the model.
pub struct Tracked(Cell<u32>);

// SAFETY: loom fails a model in which two uses are not ordered, before the second one.
unsafe impl Sync for Tracked {}

impl Tracked {
    /// A number, written here.
    pub fn new(value: u32) -> Self {
        let cell = Cell::new(0);
        cell.set(value);
        Self(cell)
    }

    /// The number.
    pub fn get(&self) -> u32 {
        self.0.get()
    }

    /// Changes the number.
    pub fn set(&self, value: u32) {
        self.0.set(value);
    }
}
