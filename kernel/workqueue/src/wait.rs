//! Waiting for one item.
//!
//! An item has no wait queue of its own: few are ever waited for. Who waits sets a bit in the item's state and sleeps on one of
//! a few queues, chosen by the item's address; the end of the item's run, or whoever takes it back, sees the bit.

use sched::WaitQueue;

use crate::item::Node;
use crate::worker;

const QUEUES: usize = 16;

static WAITERS: [WaitQueue; QUEUES] = [const { WaitQueue::new() }; QUEUES];

/// The number by which an item is known.
pub(crate) fn address(node: &Node) -> usize {
    core::ptr::from_ref(&node.state).addr()
}

fn waiters_of(node: &Node) -> &'static WaitQueue {
    // Items are allocated, so the lowest bits say little.
    &WAITERS[(address(node) >> 6) % QUEUES]
}

/// Wakes who waits for an item: its state has changed. Any context, no pool locked.
pub(crate) fn announce(node: &Node) {
    waiters_of(node).wake_all();
}

/// Waits for the instances of an item that there are now, and returns whether there were any; for its own end, the item does not wait. May
/// sleep.
pub(crate) fn flush(node: &Node) -> bool {
    sync::might_sleep();
    let Some(last) = node.state.unfinished() else { return false };
    if is_itself(node) {
        return false;
    }
    waiters_of(node).wait(|| node.state.has_ended(last));
    true
}

/// Waits until an item is not being run; for its own end, the item does not. May sleep.
pub(crate) fn until_stopped(node: &Node) {
    if node.state.has_stopped() || is_itself(node) {
        return;
    }
    waiters_of(node).wait(|| node.state.has_stopped());
}

/// Whether an item is about to wait for its own end. It would wait for ever.
pub(crate) fn is_itself(node: &Node) -> bool {
    let itself = worker::runs(node);
    if itself {
        log::warn!("workqueue: {} does not wait for its own end", node.name);
    }
    itself
}
