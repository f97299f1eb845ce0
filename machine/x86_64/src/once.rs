//! A value that the boot CPU sets once and everybody reads from then on.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering::*};

pub(crate) struct Once<T> {
    set: AtomicBool,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: written once before `set`, only read after it.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Once<T> {
    pub(crate) const fn new() -> Self {
        Self { set: AtomicBool::new(false), value: UnsafeCell::new(None) }
    }

    /// Sets the value; on the boot CPU before others run, and once.
    pub(crate) fn set(&self, value: T) {
        assert!(!self.set.load(Relaxed), "set twice");
        // SAFETY: one CPU runs, and nobody has a reference while `set` is false.
        unsafe { *self.value.get() = Some(value) };
        self.set.store(true, Release);
    }

    /// The value, if it has been set.
    pub(crate) fn get(&self) -> Option<&T> {
        if !self.set.load(Acquire) {
            return None;
        }
        // SAFETY: it is never written again.
        unsafe { (*self.value.get()).as_ref() }
    }
}
