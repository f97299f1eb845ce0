//! A cell that is entered if it is free: what sleeping locks are made of.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

const FREE: u32 = 0;
const WRITER: u32 = u32::MAX;

/// A value for one writer or many readers at a time, who are let in or turned away at once. Waiting
/// is the business of the lock built around it.
pub struct TryCell<T: ?Sized> {
    /// [`FREE`], [`WRITER`], or the number of readers.
    users: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: `users` gives either one writer or only readers access at a time. Readers share `&T`, hence `Sync`;
// a writer may move the value, hence `Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for TryCell<T> {}
// SAFETY: owning the cell is owning the value.
unsafe impl<T: ?Sized + Send> Send for TryCell<T> {}

impl<T> TryCell<T> {
    /// A free cell.
    pub const fn new(value: T) -> Self {
        Self { users: AtomicU32::new(FREE), value: UnsafeCell::new(value) }
    }

    /// The value, without the cell around it.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> TryCell<T> {
    /// Enters for writing if nobody is inside.
    #[inline]
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        machine::irq::point();
        // SeqCst, not only Acquire: a sleeping lock's waiter announces itself before it tries, its holder leaves before it
        // looks for waiters; one of the two sees the other.
        self.users
            .compare_exchange(FREE, WRITER, Ordering::SeqCst, Ordering::SeqCst)
            .ok()
            .map(|_| WriteGuard { cell: self })
    }

    /// Enters for reading if no writer is inside.
    #[inline]
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        machine::irq::point();
        self.users
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |users| {
                (users < WRITER - 1).then(|| users + 1)
            })
            .ok()
            .map(|_| ReadGuard { cell: self })
    }

    /// Whether nobody is inside. SeqCst: as leaving, and before the look for waiters.
    pub fn is_free(&self) -> bool {
        self.users.load(Ordering::SeqCst) == FREE
    }

    /// Whether a writer is inside.
    pub fn has_writer(&self) -> bool {
        self.users.load(Ordering::Relaxed) == WRITER
    }

    /// The value, through an exclusive borrow that makes entering needless.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// Inside a [`TryCell`] for writing.
pub struct WriteGuard<'a, T: ?Sized> {
    cell: &'a TryCell<T>,
}

impl<T: ?Sized> Deref for WriteGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this is the only writer and there are no readers.
        unsafe { &*self.cell.value.get() }
    }
}

impl<T: ?Sized> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed exclusively.
        unsafe { &mut *self.cell.value.get() }
    }
}

impl<T: ?Sized> Drop for WriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.cell.users.store(FREE, Ordering::SeqCst);
        machine::irq::point();
    }
}

/// Inside a [`TryCell`] for reading.
pub struct ReadGuard<'a, T: ?Sized> {
    cell: &'a TryCell<T>,
}

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: while a reader is inside there is no writer.
        unsafe { &*self.cell.value.get() }
    }
}

impl<T: ?Sized> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.cell.users.fetch_sub(1, Ordering::SeqCst);
        machine::irq::point();
    }
}
