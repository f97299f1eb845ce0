//! The machine's own spin lock, below the kernel's.
//!
//! Interrupts are off while it is held, so that a handler may take it. The spinning side goes through
//! [`crate::tlb::serve`]: the holder may be waiting for this CPU to flush a translation.

use crate::{irq, tlb};
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, Ordering::*};

pub(crate) struct SpinLock<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `taken` lets only one CPU at the value.
unsafe impl<T: Send> Sync for SpinLock<T> {}

pub(crate) struct Guard<'a, T> {
    lock: &'a SpinLock<T>,
    interrupts: bool,
}

impl<T> SpinLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Who has the lock alone needs no lock.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        let interrupts = irq::disable();
        while self.taken.swap(true, Acquire) {
            while self.taken.load(Relaxed) {
                tlb::serve();
                core::hint::spin_loop();
            }
        }
        Guard { lock: self, interrupts }
    }

    /// Like `lock`, but gives up after so many turns. For the last words of a kernel that has
    /// panicked while another CPU, now stopped, held the lock.
    pub(crate) fn lock_within(&self, turns: usize) -> Option<Guard<'_, T>> {
        let interrupts = irq::disable();
        for _ in 0..turns {
            if !self.taken.swap(true, Acquire) {
                return Some(Guard { lock: self, interrupts });
            }
            tlb::serve();
            core::hint::spin_loop();
        }
        if interrupts {
            irq::enable();
        }
        None
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard is the permission.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the permission, and there is one.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.taken.store(false, Release);
        if self.interrupts {
            irq::enable();
        }
    }
}
