//! Waiting for one item.
//!
//! An item has no wait queue of its own: few are ever waited for. Who waits sets a bit in the item's state and sleeps on one of
//! a few queues, chosen by the item's address; the end of the item's run, or whoever takes it back, sees the bit.

use sched::WaitQueue;

use crate::item::{Body, WorkItem};
use crate::worker;

const QUEUES: usize = 16;

static WAITERS: [WaitQueue; QUEUES] = [const { WaitQueue::new() }; QUEUES];

/// The number by which an item is known.
pub(crate) fn address<T: WorkItem + ?Sized>(body: &Body<T>) -> usize {
    core::ptr::from_ref(&body.state).addr()
}

fn waiters_of<T: WorkItem + ?Sized>(body: &Body<T>) -> &'static WaitQueue {
    // Items are allocated, so the lowest bits say little.
    &WAITERS[(address(body) >> 6) % QUEUES]
}

/// Wakes who waits for an item: its state has changed. Any context, no pool locked.
pub(crate) fn announce<T: WorkItem + ?Sized>(body: &Body<T>) {
    waiters_of(body).wake_all();
}

/// Waits for the instances of an item that there are now. May sleep.
pub(crate) fn flush<T: WorkItem + ?Sized>(body: &Body<T>) -> bool {
    sync::might_sleep();
    let Some(last) = body.state.unfinished() else { return false };
    debug_assert!(!worker::runs(address(body)), "{} waits for its own end", body.name);
    waiters_of(body).wait(|| body.state.has_ended(last));
    true
}

/// Waits until an item is not being run. May sleep.
pub(crate) fn until_stopped<T: WorkItem + ?Sized>(body: &Body<T>) {
    if body.state.has_stopped() {
        return;
    }
    debug_assert!(!worker::runs(address(body)), "{} waits for its own end", body.name);
    waiters_of(body).wait(|| body.state.has_stopped());
}
