//! Spin locks.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::irq::IrqGuard;
use crate::lockdep::{LockClass, Tracker};
use crate::preempt::PreemptGuard;

/// A lock that is waited for by spinning. For short sections that do not sleep.
///
/// Data that an interrupt handler also uses is locked with [`lock_irq`](Self::lock_irq) everywhere
/// outside handlers; debug builds report a lock that is used both ways.
pub struct SpinLock<T: ?Sized> {
    locked: AtomicBool,
    tracker: Tracker,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives one holder at a time access to the value, so sharing the lock moves the value
// between CPUs but never shares it.
unsafe impl<T: ?Sized + Send> Sync for SpinLock<T> {}
// SAFETY: owning the lock is owning the value.
unsafe impl<T: ?Sized + Send> Send for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// An unlocked lock of a class. Locks that protect the same kind of thing share a class.
    pub const fn new(class: &'static LockClass, value: T) -> Self {
        Self {
            locked: AtomicBool::new(false),
            tracker: Tracker::new(class),
            value: UnsafeCell::new(value),
        }
    }

    /// The value, without the lock around it.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> SpinLock<T> {
    /// Takes the lock with preemption off. Not for data that interrupt handlers use.
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> SpinGuard<'_, T> {
        let section = PreemptGuard::new();
        self.tracker.acquire(false);
        self.acquire();
        SpinGuard { lock: self, _section: section }
    }

    /// Takes the lock with interrupts off, and puts them back as they were afterwards. Any context.
    #[inline]
    #[track_caller]
    pub fn lock_irq(&self) -> SpinIrqGuard<'_, T> {
        let section = IrqGuard::new();
        self.tracker.acquire(false);
        self.acquire();
        SpinIrqGuard { lock: self, _section: section }
    }

    /// Like [`lock_irq`](Self::lock_irq), while a lock of the same class is held. The caller takes the two in an order
    /// that all callers share (by address, by CPU number).
    #[inline]
    #[track_caller]
    pub fn lock_irq_nested(&self) -> SpinIrqGuard<'_, T> {
        let section = IrqGuard::new();
        self.tracker.acquire(true);
        self.acquire();
        SpinIrqGuard { lock: self, _section: section }
    }

    /// As [`lock_irq`](Self::lock_irq), but only if the lock is free now. For whoever waits for it otherwise: to the lock checker this is no try.
    ///
    /// # Errors
    /// The section without interrupts, which is not ended here: so there are no calls on the way to whoever does that.
    #[inline]
    #[track_caller]
    pub fn lock_irq_if_free(&self) -> Result<SpinIrqGuard<'_, T>, IrqGuard> {
        let section = IrqGuard::new();
        self.tracker.acquire(false);
        machine::irq::point();
        // Acquire: as in `acquire`.
        if self.locked.swap(true, Ordering::Acquire) {
            self.tracker.release();
            return Err(section);
        }
        Ok(SpinIrqGuard { lock: self, _section: section })
    }

    /// Takes the lock where interrupts are off already, and stay off.
    #[inline]
    #[track_caller]
    pub fn lock_irqs_off(&self) -> SpinIrqsOffGuard<'_, T> {
        debug_assert!(!machine::irq::enabled(), "interrupts are on");
        self.tracker.acquire(false);
        self.acquire();
        SpinIrqsOffGuard { lock: self, _section: IrqsOff(PhantomData) }
    }

    /// Takes the lock with interrupts off if it is free.
    #[inline]
    pub fn try_lock_irq(&self) -> Option<SpinIrqGuard<'_, T>> {
        let section = IrqGuard::new();
        machine::irq::point();
        // Acquire: as in `acquire`.
        if self.locked.swap(true, Ordering::Acquire) {
            return None;
        }
        self.tracker.acquired_by_trying();
        Some(SpinIrqGuard { lock: self, _section: section })
    }

    /// A copy of the value, if nobody holds the lock. For non-maskable interrupts: they may come while the lock checker
    /// changes its own lists, so it is not told.
    pub fn try_copy(&self) -> Option<T>
    where
        T: Copy,
    {
        // Acquire: as in `acquire`.
        if self.locked.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: this is the lock's only holder.
        let value = unsafe { *self.value.get() };
        // Release: as in `release`.
        self.locked.store(false, Ordering::Release);
        Some(value)
    }

    /// Whether somebody holds the lock. Only a hint, but a holder sees true.
    pub fn is_locked(&self) -> bool {
        self.locked.load(Ordering::Relaxed)
    }

    /// The value, through an exclusive borrow that makes locking needless.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[inline]
    fn acquire(&self) {
        machine::irq::point();
        // Acquire pairs with the Release in `release`: the holder sees what the one before it wrote.
        while self.locked.swap(true, Ordering::Acquire) {
            self.wait();
        }
    }

    #[cold]
    fn wait(&self) {
        // Reading until it looks free keeps the cache line shared among those who wait.
        while self.locked.load(Ordering::Relaxed) {
            machine::cpu::relax();
        }
    }

    #[inline]
    fn release(&self) {
        self.tracker.release();
        // Release pairs with the Acquire in `acquire`.
        self.locked.store(false, Ordering::Release);
        machine::irq::point();
    }
}

impl<T: ?Sized> SpinIrqGuard<'_, T> {
    /// Whether the lock was taken where interrupts were on and preemption was, too: where a task may sleep.
    #[inline]
    pub fn was_preemptible(&self) -> bool {
        self._section.was_preemptible()
    }

    /// Releases the lock, and leaves interrupts off.
    #[inline]
    pub fn release(self) -> IrqGuard {
        let held = ManuallyDrop::new(self);
        held.lock.release();
        // SAFETY: the guard is not used or dropped after that.
        unsafe { ptr::read(&raw const held._section) }
    }
}

macro_rules! guard {
    ($(#[$doc:meta])* $name:ident, $section:ty) => {
        $(#[$doc])*
        #[must_use = "the lock is released when the guard is dropped"]
        pub struct $name<'a, T: ?Sized> {
            lock: &'a SpinLock<T>,
            /// Dropped after the lock is released, which `drop` below does first.
            _section: $section,
        }

        impl<T: ?Sized> Deref for $name<'_, T> {
            type Target = T;
            #[inline]
            fn deref(&self) -> &T {
                // SAFETY: the guard is the lock's only holder.
                unsafe { &*self.lock.value.get() }
            }
        }

        impl<T: ?Sized> DerefMut for $name<'_, T> {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: the guard is the lock's only holder, and `self` is borrowed exclusively.
                unsafe { &mut *self.lock.value.get() }
            }
        }

        impl<T: ?Sized> Drop for $name<'_, T> {
            #[inline]
            fn drop(&mut self) {
                self.lock.release();
            }
        }
    };
}

guard!(
    /// A held lock; preemption is off.
    SpinGuard,
    PreemptGuard
);
guard!(
    /// A held lock; interrupts are off.
    SpinIrqGuard,
    IrqGuard
);
guard!(
    /// A held lock; interrupts are off, by somebody else's guard.
    SpinIrqsOffGuard,
    IrqsOff
);

/// A section that somebody else keeps: a lock is released on the CPU that took it.
struct IrqsOff(PhantomData<*mut ()>);
