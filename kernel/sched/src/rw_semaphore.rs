//! A lock for one writer or many readers, whose waiters sleep and which is fair to both.
//!
//! Readers and writers take turns. While a writer waits, readers who come wait as well, so a stream of them cannot hold it up.
//! When a writer leaves, all readers who wait by then are *admitted*: they go before the next writer, so a stream of
//! writers cannot hold them up either.
//!
//! ```text
//!   inside:    R R R │ W │ R R │ W │ ...
//!                    │   └ those who came while the writer waited or was inside
//!                    └ waits for those who were inside before it, and for no others
//! ```
//!
//! Among writers the wait queue's order counts. A task that waits sees to its turn itself: it looks whether it may go in under
//! the lock of [`Turns`], and whoever leaves wakes those who might.

use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use sync::lockdep::Tracker;
use sync::{LockClass, ReadGuard, SpinLock, TryCell, WriteGuard, might_sleep};

use crate::current::{assert_awake, current};
use crate::mutex::HELD;
use crate::state::Sleep;
use crate::wait::WaitQueue;

/// Taken with interrupts off, by tasks only; takes nothing.
static TURNS_LOCK: LockClass = LockClass::new("rw_semaphore");

/// Who waits, and whose turn it is.
struct Turns {
    readers: u32,
    writers: u32,
    /// Readers among those who wait for whom a writer has made way. Until they are inside, writers wait.
    admitted: u32,
    /// Writers that have left while somebody waited. A reader that saw another number when it came is admitted.
    phase: u32,
}

/// A lock for one writer or many readers, for sections that may sleep. Only for tasks.
pub struct RwSemaphore<T: ?Sized> {
    /// How many wait: without any, coming and going do without the lock of `turns`.
    waiting: AtomicU32,
    turns: SpinLock<Turns>,
    queue: WaitQueue,
    tracker: Tracker,
    cell: TryCell<T>,
}

impl<T> RwSemaphore<T> {
    /// A free lock of a class.
    pub const fn new(class: &'static LockClass, value: T) -> Self {
        let turns = Turns { readers: 0, writers: 0, admitted: 0, phase: 0 };
        Self {
            waiting: AtomicU32::new(0),
            turns: SpinLock::new(&TURNS_LOCK, turns),
            queue: WaitQueue::new(),
            tracker: Tracker::new(class),
            cell: TryCell::new(value),
        }
    }
}

impl<T: ?Sized> RwSemaphore<T> {
    /// Takes the lock for reading, asleep while there is a writer, or one that came before.
    #[track_caller]
    pub fn read(&self) -> RwReadGuard<'_, T> {
        might_sleep();
        let me = current();
        assert_awake(&me);
        self.tracker.acquire_sleeping(&me.held);
        let inner = self.try_enter(TryCell::try_read).unwrap_or_else(|| self.wait_to_read());
        RwReadGuard { lock: self, inner: Some(inner) }
    }

    /// Takes the lock for writing, asleep while anybody is inside or was admitted before.
    #[track_caller]
    pub fn write(&self) -> RwWriteGuard<'_, T> {
        might_sleep();
        let me = current();
        assert_awake(&me);
        self.tracker.acquire_sleeping(&me.held);
        let inner = self.try_enter(TryCell::try_write).unwrap_or_else(|| self.wait_to_write());
        RwWriteGuard { lock: self, inner: Some(inner) }
    }

    /// The value, through an exclusive borrow that makes locking needless.
    pub fn get_mut(&mut self) -> &mut T {
        self.cell.get_mut()
    }

    /// Goes in past nobody.
    fn try_enter<'a, G>(&'a self, enter: impl Fn(&'a TryCell<T>) -> Option<G>) -> Option<G> {
        if self.waiting.load(Ordering::Relaxed) == 0 { enter(&self.cell) } else { None }
    }

    #[cold]
    fn wait_to_read(&self) -> ReadGuard<'_, T> {
        // SeqCst, before the attempts below: see `release`.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut turns = self.turns.lock_irq();
        turns.readers += 1;
        let came_in = turns.phase;
        drop(turns);
        let outcome = self.queue.wait_map(Sleep::Uninterruptible, None, || {
            let mut turns = self.turns.lock_irq();
            let is_admitted = turns.phase != came_in;
            if !is_admitted && turns.writers != 0 {
                return None;
            }
            let inner = self.cell.try_read()?;
            turns.readers -= 1;
            turns.admitted -= u32::from(is_admitted);
            Some(inner)
        });
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        let Ok(inner) = outcome else { unreachable!("nothing ends an uninterruptible wait early") };
        inner
    }

    #[cold]
    fn wait_to_write(&self) -> WriteGuard<'_, T> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.turns.lock_irq().writers += 1;
        let outcome = self.queue.wait_map_exclusive(Sleep::Uninterruptible, None, || {
            let mut turns = self.turns.lock_irq();
            if turns.admitted != 0 {
                return None;
            }
            let inner = self.cell.try_write()?;
            turns.writers -= 1;
            Some(inner)
        });
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        let Ok(inner) = outcome else { unreachable!("nothing ends an uninterruptible wait early") };
        inner
    }

    /// After a reader or a writer has left the cell. Leaving it and the load are SeqCst: either a waiter's attempt finds the
    /// cell free, or its announcement is seen here.
    fn release(&self, by_writer: bool) {
        self.tracker.release_sleeping(&current().held);
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        if by_writer {
            let mut turns = self.turns.lock_irq();
            turns.phase = turns.phase.wrapping_add(1);
            turns.admitted = turns.readers;
        } else if !self.cell.is_free() {
            // The last reader wakes those who wait.
            return;
        }
        // All readers, and one writer: whose turn it is, they see themselves.
        self.queue.wake_one();
    }
}

/// A [`RwSemaphore`] held for reading.
#[must_use = "the lock is released when the guard is dropped"]
pub struct RwReadGuard<'a, T: ?Sized> {
    lock: &'a RwSemaphore<T>,
    /// None only while it is being dropped.
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
        self.lock.release(false);
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
        self.lock.release(true);
    }
}
