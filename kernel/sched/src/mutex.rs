//! Locks whose waiters sleep: a mutex and a readers-writer lock.

use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use sync::lockdep::Tracker;
use sync::{LockClass, ReadGuard, TryCell, WriteGuard, might_sleep};

use crate::current::current;
use crate::state::Sleep;
use crate::wait::{WaitError, WaitQueue};

/// What both locks share: the cell, who waits for it, and what the lock checker knows.
struct Core<T: ?Sized> {
    /// How many wait: lets an unlock without waiters do without the queue's lock.
    waiting: AtomicU32,
    queue: WaitQueue,
    tracker: Tracker,
    cell: TryCell<T>,
}

impl<T: ?Sized> Core<T> {
    /// Takes the lock by `attempt`, asleep between attempts.
    #[track_caller]
    fn take<'a, G>(
        &'a self,
        sleep: Sleep,
        attempt: impl Fn(&'a TryCell<T>) -> Option<G>,
        exclusive: bool,
    ) -> Result<G, WaitError> {
        self.take_as(sleep, attempt, exclusive, false)
    }

    #[track_caller]
    fn take_as<'a, G>(
        &'a self,
        sleep: Sleep,
        attempt: impl Fn(&'a TryCell<T>) -> Option<G>,
        exclusive: bool,
        nested: bool,
    ) -> Result<G, WaitError> {
        might_sleep();
        self.tracker.acquire_sleeping_as(&current().held, nested);
        if let Some(guard) = attempt(&self.cell) {
            return Ok(guard);
        }
        // SeqCst, before the attempts below: see `release`.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let outcome = if exclusive {
            self.queue.wait_map_exclusive(sleep, None, || attempt(&self.cell))
        } else {
            self.queue.wait_map(sleep, None, || attempt(&self.cell))
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        if outcome.is_err() {
            self.tracker.release_sleeping(&current().held);
        }
        outcome
    }

    /// After the cell was left. Leaving it and this load are SeqCst: either a waiter's attempt finds the cell free, or its
    /// announcement is seen here.
    fn release(&self, all: bool) {
        self.tracker.release_sleeping(&current().held);
        if self.waiting.load(Ordering::SeqCst) != 0 {
            if all {
                self.queue.wake_all();
            } else {
                self.queue.wake_one();
            }
        }
    }
}

/// A mutual-exclusion lock for sections that may sleep. Only for tasks; released by the task that took it.
pub struct Mutex<T: ?Sized> {
    core: Core<T>,
}

impl<T> Mutex<T> {
    /// An unlocked mutex of a class.
    pub const fn new(class: &'static LockClass, value: T) -> Self {
        Self {
            core: Core {
                waiting: AtomicU32::new(0),
                queue: WaitQueue::new(),
                tracker: Tracker::new(class),
                cell: TryCell::new(value),
            },
        }
    }

    /// The value, without the lock around it.
    pub fn into_inner(self) -> T {
        self.core.cell.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock, asleep until it is free.
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let Ok(inner) = self.core.take(Sleep::Uninterruptible, TryCell::try_write, true) else {
            unreachable!("nothing ends an uninterruptible wait early")
        };
        MutexGuard { mutex: self, inner: Some(inner) }
    }

    /// Like [`lock`](Self::lock), while a mutex of the same class is held. The caller takes the two in an order that all callers share.
    #[track_caller]
    pub fn lock_nested(&self) -> MutexGuard<'_, T> {
        let sleep = Sleep::Uninterruptible;
        let Ok(inner) = self.core.take_as(sleep, TryCell::try_write, true, true) else {
            unreachable!("nothing ends an uninterruptible wait early")
        };
        MutexGuard { mutex: self, inner: Some(inner) }
    }

    /// Takes the lock, asleep until it is free or the task is killed.
    ///
    /// # Errors
    /// [`WaitError::Interrupted`].
    #[track_caller]
    pub fn lock_killable(&self) -> Result<MutexGuard<'_, T>, WaitError> {
        let inner = self.core.take(Sleep::Killable, TryCell::try_write, true)?;
        Ok(MutexGuard { mutex: self, inner: Some(inner) })
    }

    /// Takes the lock, asleep until it is free or a signal comes.
    ///
    /// # Errors
    /// [`WaitError::Interrupted`].
    #[track_caller]
    pub fn lock_interruptible(&self) -> Result<MutexGuard<'_, T>, WaitError> {
        let inner = self.core.take(Sleep::Interruptible, TryCell::try_write, true)?;
        Ok(MutexGuard { mutex: self, inner: Some(inner) })
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let inner = self.core.cell.try_write()?;
        self.core.tracker.acquire_sleeping(&current().held);
        Some(MutexGuard { mutex: self, inner: Some(inner) })
    }

    /// Whether somebody holds it; a hint.
    pub fn is_locked(&self) -> bool {
        self.core.cell.has_writer()
    }

    /// The value, through an exclusive borrow that makes locking needless.
    pub fn get_mut(&mut self) -> &mut T {
        self.core.cell.get_mut()
    }
}

/// A held [`Mutex`].
#[must_use = "the lock is released when the guard is dropped"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    /// None only while it is being dropped.
    inner: Option<WriteGuard<'a, T>>,
}

const HELD: &str = "a guard holds its lock until it is dropped";

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
        self.mutex.core.release(false);
    }
}

/// A lock for one writer or many readers, for sections that may sleep. Only for tasks. Readers overtake waiting
/// writers: keep reading sections short where writers matter.
pub struct RwSemaphore<T: ?Sized> {
    core: Core<T>,
}

impl<T> RwSemaphore<T> {
    /// A free lock of a class.
    pub const fn new(class: &'static LockClass, value: T) -> Self {
        Self {
            core: Core {
                waiting: AtomicU32::new(0),
                queue: WaitQueue::new(),
                tracker: Tracker::new(class),
                cell: TryCell::new(value),
            },
        }
    }

    /// The value, without the lock around it.
    pub fn into_inner(self) -> T {
        self.core.cell.into_inner()
    }
}

impl<T: ?Sized> RwSemaphore<T> {
    /// Takes the lock for reading, asleep while there is a writer.
    #[track_caller]
    pub fn read(&self) -> RwReadGuard<'_, T> {
        let Ok(inner) = self.core.take(Sleep::Uninterruptible, TryCell::try_read, false) else {
            unreachable!("nothing ends an uninterruptible wait early")
        };
        RwReadGuard { lock: self, inner: Some(inner) }
    }

    /// Takes the lock for writing, asleep while anybody is inside.
    #[track_caller]
    pub fn write(&self) -> RwWriteGuard<'_, T> {
        let Ok(inner) = self.core.take(Sleep::Uninterruptible, TryCell::try_write, false) else {
            unreachable!("nothing ends an uninterruptible wait early")
        };
        RwWriteGuard { lock: self, inner: Some(inner) }
    }

    /// Takes the lock for writing, asleep while anybody is inside, or until the task is killed.
    ///
    /// # Errors
    /// [`WaitError::Interrupted`].
    #[track_caller]
    pub fn write_killable(&self) -> Result<RwWriteGuard<'_, T>, WaitError> {
        let inner = self.core.take(Sleep::Killable, TryCell::try_write, false)?;
        Ok(RwWriteGuard { lock: self, inner: Some(inner) })
    }

    /// Takes the lock for reading if there is no writer.
    pub fn try_read(&self) -> Option<RwReadGuard<'_, T>> {
        let inner = self.core.cell.try_read()?;
        self.core.tracker.acquire_sleeping(&current().held);
        Some(RwReadGuard { lock: self, inner: Some(inner) })
    }

    /// The value, through an exclusive borrow that makes locking needless.
    pub fn get_mut(&mut self) -> &mut T {
        self.core.cell.get_mut()
    }
}

/// A [`RwSemaphore`] held for reading.
#[must_use = "the lock is released when the guard is dropped"]
pub struct RwReadGuard<'a, T: ?Sized> {
    lock: &'a RwSemaphore<T>,
    inner: Option<ReadGuard<'a, T>>,
}

impl<T: ?Sized> Deref for RwReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.inner.as_ref().expect(HELD)
    }
}

impl<T: ?Sized> Drop for RwReadGuard<'_, T> {
    fn drop(&mut self) {
        self.inner = None;
        self.lock.core.release(true);
    }
}

/// A [`RwSemaphore`] held for writing.
#[must_use = "the lock is released when the guard is dropped"]
pub struct RwWriteGuard<'a, T: ?Sized> {
    lock: &'a RwSemaphore<T>,
    inner: Option<WriteGuard<'a, T>>,
}

impl<T: ?Sized> Deref for RwWriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.inner.as_ref().expect(HELD)
    }
}

impl<T: ?Sized> DerefMut for RwWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect(HELD)
    }
}

impl<T: ?Sized> Drop for RwWriteGuard<'_, T> {
    fn drop(&mut self) {
        self.inner = None;
        self.lock.core.release(true);
    }
}
