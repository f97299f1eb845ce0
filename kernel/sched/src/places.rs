//! Room on the run queues: every queue can hold every task there is, so that waking never allocates.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering, Ordering::Relaxed};

use errno::Errno;
use fault::Point;

use crate::runqueue::RUN_QUEUES;

/// Places of one kind on every run queue.
struct Places {
    /// Tasks alive that may stand there.
    taken: AtomicUsize,
    /// How many each queue has room for.
    room: AtomicUsize,
    /// The least for which room is made.
    least: usize,
}

/// For every task: in the fair and in the real-time class.
static PLACES: Places = Places::new(64);
/// For those with a server: in the deadline class.
static DEADLINE_PLACES: Places = Places::new(8);

impl Places {
    const fn new(least: usize) -> Self {
        Self { taken: AtomicUsize::new(0), room: AtomicUsize::new(0), least }
    }

    fn reserve(&self, make_room: fn(usize) -> Result<(), Errno>) -> Result<(), Errno> {
        if fault::should_fail(Point::QueuePlace) {
            return Err(Errno::ENOMEM);
        }
        let taken = self.taken.fetch_add(1, Relaxed) + 1;
        if taken <= self.room.load(Ordering::Acquire) {
            return Ok(());
        }
        let room = taken.next_power_of_two().max(self.least);
        make_room(room).inspect_err(|_| self.release())?;
        self.room.fetch_max(room, Ordering::Release);
        Ok(())
    }

    fn release(&self) {
        self.taken.fetch_sub(1, Relaxed);
    }
}

/// Sees to it that every run queue has room for one more task, so that waking never allocates. May sleep.
///
/// # Errors
/// ENOMEM.
pub(crate) fn reserve_place() -> Result<(), Errno> {
    PLACES.reserve(make_room)
}

pub(crate) fn release_place() {
    PLACES.release();
}

/// Likewise for one more task of the deadline class. May sleep.
///
/// # Errors
/// ENOMEM.
pub(crate) fn reserve_deadline_place() -> Result<(), Errno> {
    DEADLINE_PLACES.reserve(make_deadline_room)
}

pub(crate) fn release_deadline_place() {
    DEADLINE_PLACES.release();
}

fn with_room<T>(room: usize) -> Result<Vec<T>, Errno> {
    let mut list = Vec::new();
    list.try_reserve_exact(room).map_err(|_| Errno::ENOMEM)?;
    Ok(list)
}

fn make_room(room: usize) -> Result<(), Errno> {
    for shared in RUN_QUEUES.iter() {
        let (fair, real_time) = (with_room(room)?, with_room(room)?);
        let spare = shared.queue.lock_irq().grow(room, fair, real_time);
        // Freed without the lock.
        drop(spare);
    }
    Ok(())
}

fn make_deadline_room(room: usize) -> Result<(), Errno> {
    for shared in RUN_QUEUES.iter() {
        let mut lists = (with_room(room)?, with_room(room)?);
        shared.queue.lock_irq().grow_deadline(&mut lists);
        // Freed without the lock.
        drop(lists);
    }
    Ok(())
}
