//! What a worker has taken from its pool's list to do without the lock.
//!
//! ```text
//!                fill, under the lock             begin_next, no lock
//!   pool's list ─────────────────────> a place ────────────────────────> running, shown by its worker
//!        ^                                │
//!        └────────────────────────────────┘
//!           recall, by anybody who has the lock
//! ```
//!
//! An item in a hand is queued, as it was on the list. Its worker takes it out by one exchange, and so does who recalls the hand: one
//! of the two gets it.

use alloc::sync::Arc;
use core::slice;
use core::sync::atomic::{AtomicU32, Ordering};

use sync::{IrqGuard, List, TakeCell};

use crate::home::Home;
use crate::item::Node;

/// How many items a worker takes at most. With the one that it has before, that is how many it does in a row before it counts them out.
const SIZE: usize = 63;

/// A worker's hand.
pub(crate) struct Hand {
    places: [TakeCell<Node>; SIZE],
    /// How many items the worker has done in all. Written by the worker only.
    done: AtomicU32,
}

/// The places of a hand into which its worker has not looked yet.
pub(crate) struct Places<'a>(slice::Iter<'a, TakeCell<Node>>);

impl Hand {
    pub(crate) const fn new() -> Self {
        Self { places: [const { TakeCell::new() }; SIZE], done: AtomicU32::new(0) }
    }

    /// Takes what is of this home from the beginning of a list. Returns where it is now.
    #[inline]
    pub(crate) fn fill(&self, list: &mut List<Node>, home: Home) -> Places<'_> {
        let mut used = 0;
        list.take_front_for(
            &self.places,
            |node| node.home.get() == home,
            |place, node| {
                used += 1;
                place.put(node);
            },
        );
        Places(self.places[..used].iter())
    }

    /// Nothing to begin.
    #[inline]
    pub(crate) fn no_places(&self) -> Places<'_> {
        Places(self.places[..0].iter())
    }

    /// Takes out what is there, the last first. Under the lock. What the worker had done before it took what is not there any more is
    /// in [`done`](Self::done) after that.
    pub(crate) fn empty(&self) -> impl Iterator<Item = Arc<Node>> {
        // What is empty stays so: only who has the lock fills it.
        self.places.iter().rev().filter(|place| !place.is_empty()).filter_map(TakeCell::take)
    }

    /// Whether there is something. Only a hint, as the worker takes it out.
    pub(crate) fn holds_any(&self) -> bool {
        self.places.iter().any(|place| !place.is_empty())
    }

    /// One item more is done. For the worker.
    #[inline]
    pub(crate) fn count_done(&self) {
        // Release pairs with the Acquire in `done`: who counts the item out, and so lets a flush end, comes after what the item did.
        self.done.store(self.done.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// How many have been done in all, modulo 2^32.
    #[inline]
    pub(crate) fn done(&self) -> u32 {
        self.done.load(Ordering::Acquire)
    }
}

/// What a worker finds that looks for the next item.
pub(crate) enum Next {
    /// It is begun.
    Begun(Arc<Node>),
    /// Another worker still runs it. It is nowhere, and interrupts have to stay off until it is somewhere again.
    Runs(Arc<Node>),
    /// There is none.
    Out,
}

impl Places<'_> {
    #[inline]
    pub(crate) fn are_none(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    /// Begins the next item.
    ///
    /// Interrupts are off: an item that has left its place and does not run yet is nowhere, and nobody may come above this and wait for
    /// that to end.
    #[inline]
    pub(crate) fn begin_next(&mut self, _irqs_off: &IrqGuard) -> Next {
        for place in self.0.by_ref() {
            let Some(node) = place.take() else { continue };
            return if node.state.start() { Next::Begun(node) } else { Next::Runs(node) };
        }
        Next::Out
    }
}
