//! A mutual-exclusion lock whose waiters sleep.

use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use sync::lockdep::Tracker;
use sync::{LockClass, TryCell, WriteGuard, might_sleep};

use crate::current::{assert_awake, current};
use crate::state::Sleep;
use crate::wait::{WaitError, WaitQueue};

/// A mutual-exclusion lock for sections that may sleep. Only for tasks; released by the task that took it.
pub struct Mutex<T: ?Sized> {
    /// How many wait: lets an unlock without waiters do without the queue's lock.
    waiting: AtomicU32,
    queue: WaitQueue,
    tracker: Tracker,
    cell: TryCell<T>,
}

impl<T> Mutex<T> {
    /// An unlocked mutex of a class.
    pub const fn new(class: &'static LockClass, value: T) -> Self {
        Self {
            waiting: AtomicU32::new(0),
            queue: WaitQueue::new(),
            tracker: Tracker::new(class),
            cell: TryCell::new(value),
        }
    }

    /// The value, without the lock around it.
    pub fn into_inner(self) -> T {
        self.cell.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock, asleep until it is free.
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let Ok(guard) = self.take(Sleep::Uninterruptible, false) else {
            unreachable!("nothing ends an uninterruptible wait early")
        };
        guard
    }

    /// Like [`lock`](Self::lock), while a mutex of the same class is held. The caller takes the two in an order that all callers share.
    #[track_caller]
    pub fn lock_nested(&self) -> MutexGuard<'_, T> {
        let Ok(guard) = self.take(Sleep::Uninterruptible, true) else {
            unreachable!("nothing ends an uninterruptible wait early")
        };
        guard
    }

    /// Takes the lock, asleep until it is free or a signal comes.
    ///
    /// # Errors
    /// [`WaitError::Interrupted`].
    #[track_caller]
    pub fn lock_interruptible(&self) -> Result<MutexGuard<'_, T>, WaitError> {
        self.take(Sleep::Interruptible, false)
    }

    #[track_caller]
    fn take(&self, sleep: Sleep, nested: bool) -> Result<MutexGuard<'_, T>, WaitError> {
        might_sleep();
        let me = current();
        assert_awake(&me);
        self.tracker.acquire_sleeping_as(&me.held, nested);
        if let Some(inner) = self.cell.try_write() {
            return Ok(MutexGuard { mutex: self, inner: Some(inner) });
        }
        // SeqCst, before the attempts below: see `release`.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let outcome = self.queue.wait_map_exclusive(sleep, None, || self.cell.try_write());
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        if outcome.is_err() {
            self.tracker.release_sleeping(&me.held);
        }
        Ok(MutexGuard { mutex: self, inner: Some(outcome?) })
    }

    /// After the cell was left. Leaving it and this load are SeqCst: either a waiter's attempt finds the cell free, or its
    /// announcement is seen here.
    fn release(&self) {
        self.tracker.release_sleeping(&current().held);
        if self.waiting.load(Ordering::SeqCst) != 0 {
            self.queue.wake_one();
        }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let inner = self.cell.try_write()?;
        self.tracker.acquired_sleeping_by_trying(&current().held);
        Some(MutexGuard { mutex: self, inner: Some(inner) })
    }

    /// Whether somebody holds it; a hint.
    pub fn is_locked(&self) -> bool {
        self.cell.has_writer()
    }

    /// The value, through an exclusive borrow that makes locking needless.
    pub fn get_mut(&mut self) -> &mut T {
        self.cell.get_mut()
    }
}

/// A held [`Mutex`].
#[must_use = "the lock is released when the guard is dropped"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    /// None only while it is being dropped.
    inner: Option<WriteGuard<'a, T>>,
}

pub(crate) const HELD: &str = "a guard holds its lock until it is dropped";

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.inner.as_ref().expect(HELD)
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect(HELD)
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.inner = None;
        self.mutex.release();
    }
}
