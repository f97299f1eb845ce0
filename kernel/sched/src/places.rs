//! Room on the run queues: every queue can hold every task there is, so that waking never allocates.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering, Ordering::Relaxed};

use errno::Errno;
use fault::Point;

use crate::runqueue::RUN_QUEUES;

/// Tasks alive that may stand in a queue.
static PLACES: AtomicUsize = AtomicUsize::new(0);
/// How many each queue has room for.
static ROOM: AtomicUsize = AtomicUsize::new(0);

/// Sees to it that every run queue has room for one more task, so that waking never allocates. May sleep.
///
/// # Errors
/// ENOMEM.
pub(crate) fn reserve_place() -> Result<(), Errno> {
    if fault::should_fail(Point::QueuePlace) {
        return Err(Errno::ENOMEM);
    }
    let places = PLACES.fetch_add(1, Relaxed) + 1;
    if places <= ROOM.load(Ordering::Acquire) {
        return Ok(());
    }
    make_room(places.next_power_of_two().max(64)).inspect_err(|_| release_place())
}

pub(crate) fn release_place() {
    PLACES.fetch_sub(1, Relaxed);
}

fn make_room(room: usize) -> Result<(), Errno> {
    for shared in RUN_QUEUES.iter() {
        let mut fair = Vec::new();
        let mut real_time = Vec::new();
        fair.try_reserve_exact(room).map_err(|_| Errno::ENOMEM)?;
        real_time.try_reserve_exact(room).map_err(|_| Errno::ENOMEM)?;
        let spare = shared.queue.lock_irq().grow(room, fair, real_time);
        // Freed without the lock.
        drop(spare);
    }
    ROOM.fetch_max(room, Ordering::Release);
    Ok(())
}
