//! Taking items back.

use alloc::sync::Arc;

use sync::IrqGuard;

use crate::home::Place;
use crate::item::Node;
use crate::pwq::News;
use crate::{pools, wait};

/// One try to take a pending item from where it is.
enum Try {
    /// It is the caller's now, still marked pending.
    Taken,
    /// It is not pending.
    Idle,
    /// It is on its way between two places.
    Again,
}

/// Takes a pending item from wherever it is: the caller may queue it elsewhere or say that it is idle. False if it is not pending.
/// Interrupts off, from here until the item is somewhere again: nobody above the caller may find it nowhere and wait.
///
/// An item is nowhere only while some CPU has interrupts off and moves it, so waiting for that is short.
pub(crate) fn take_pending(node: &Arc<Node>) -> bool {
    loop {
        match try_to_take(node) {
            Try::Taken => return true,
            Try::Idle => return false,
            Try::Again => machine::cpu::relax(),
        }
    }
}

fn try_to_take(node: &Arc<Node>) -> Try {
    if !node.state.is_pending() {
        return Try::Idle;
    }
    let home = node.home.get();
    match home.place() {
        Place::Nowhere => Try::Again,
        Place::Timer => match node.delay.as_ref().and_then(|delay| delay.take()) {
            Some(_) => {
                node.home.set_place(Place::Nowhere);
                Try::Taken
            }
            None => Try::Again,
        },
        Place::Queued | Place::Deferred => {
            let Some(pool) = pools::find(home.pool()) else { return Try::Again };
            let mut state = pool.lock();
            // Under the lock the word is true, if it still names this pool. Its parts count: by the row and colour of another
            // place in the same pool, the wrong one would be counted out.
            // A pool that ends has no items: the one of this number is another by now.
            if node.home.get() != home || state.dying {
                return Try::Again;
            }
            // What is not pending any more is in no such place.
            let held_back = state.pwq(home.slot()).take_from_inactive(node);
            let was_active = held_back.is_none();
            let removed = held_back.or_else(|| match home.place() {
                Place::Deferred => node.state.take_deferred_back().then(|| node.clone()),
                _ => state.take_active(node),
            });
            let Some(removed) = removed else { return Try::Again };
            node.home.set_place(Place::Nowhere);
            let news = state.leave(home, was_active);
            let queue = news.then(|| state.pwq(home.slot()).queue());
            drop(state);
            drop(removed);
            if let Some(queue) = queue {
                News::announce(&queue);
            }
            Try::Taken
        }
    }
}

/// Takes an item back. Any context.
pub(crate) fn cancel(node: &Arc<Node>) -> bool {
    let _irqs_off = IrqGuard::new();
    let taken = take_pending(node);
    if taken && node.state.unclaim() {
        wait::announce(node);
    }
    taken
}

/// Takes an item back and waits until it does not run. May sleep.
pub(crate) fn cancel_sync(node: &Arc<Node>) -> bool {
    sync::might_sleep();
    // First, so that an item that queues itself cannot slip through between the two steps.
    node.state.block();
    let taken = cancel(node);
    wait::until_stopped(node);
    node.state.unblock();
    taken
}
