//! A pool's items: from the lists to a worker, and what their end lets go on.

use alloc::sync::Arc;

use sync::Choice;

use super::State;
use crate::home::{Home, Place};
use crate::item::Node;
use crate::tracepoints;

impl State {
    /// Puts an item, which the caller has claimed, where it belongs, and wakes a worker if one is needed.
    #[inline]
    pub(crate) fn insert(&mut self, pool: u32, slot: u32, node: Arc<Node>) {
        let pwq = &mut self.pwqs[slot as usize];
        let place = pwq.enter();
        node.home.set(Home { pool, slot, colour: pwq.colour, place });
        if place == Place::Active {
            self.make_ready(node);
        } else {
            pwq.hold_back(node);
        }
    }

    #[inline]
    fn make_ready(&mut self, node: Arc<Node>) {
        tracepoints::activate_work(&node);
        let refused = self.worklist.push_back(node).is_err();
        debug_assert!(!refused, "a pending item is on one list");
        self.wake_if_needed();
    }

    #[inline]
    fn wake_if_needed(&mut self) {
        if self.nr_running == 0 && !self.called {
            self.wake_worker();
        }
    }

    /// Lets a queue's first item that is held back become active, if it may. Returns whether one did.
    #[inline]
    fn activate(&mut self, slot: u32) -> bool {
        let pwq = &mut self.pwqs[slot as usize];
        let Some(node) = pwq.activate(&mut self.worklist) else { return false };
        node.home.set_place(Place::Active);
        tracepoints::activate_work(node);
        self.wake_if_needed();
        true
    }

    /// The next item that can be begun. One that another worker still runs is left to that one.
    #[inline]
    pub(crate) fn next_item(&mut self) -> Option<Arc<Node>> {
        loop {
            let node = self.worklist.pop_front()?;
            if let Some(node) = begin(node) {
                return Some(node);
            }
        }
    }

    /// The next item of one queue that can be begun, for its rescuer.
    pub(crate) fn next_item_of(&mut self, slot: u32) -> Option<Arc<Node>> {
        loop {
            let mut found = None;
            let mut stop = false;
            let choose = |node: &Node| match node.home.slot() == slot {
                _ if core::mem::replace(&mut stop, false) => Choice::Stop,
                true => {
                    stop = true;
                    Choice::Take(())
                }
                false => Choice::Leave,
            };
            self.worklist.take_chosen(choose, |node, ()| found = Some(node));
            if let Some(node) = begin(found?) {
                return Some(node);
            }
        }
    }

    /// Puts an item that was left to its runner back, as the first.
    pub(crate) fn put_back(&mut self, node: Arc<Node>) {
        node.home.set_place(Place::Active);
        let refused = self.worklist.push_front(node).is_err();
        debug_assert!(!refused, "a deferred item is on no list");
        if self.need_more_workers() {
            self.wake_worker();
        }
    }

    pub(crate) fn take_from_worklist(&mut self, node: &Node) -> Option<Arc<Node>> {
        self.worklist.remove(node)
    }

    /// An item is done or taken back: counts it out, and lets one that was held back become active. Returns whether the
    /// queue's flushes are to be told. Inlined, as every item goes through it.
    #[inline(always)]
    pub(crate) fn leave(&mut self, slot: u32, colour: u8, was_active: bool) -> bool {
        let news = self.pwq(slot).leave(colour, was_active);
        self.activate(slot);
        news
    }

    /// Sets how many of a queue's items may be active, and lets those go that may.
    pub(crate) fn set_max_active(&mut self, slot: u32, max_active: u32) {
        self.pwq(slot).max_active = max_active;
        while self.activate(slot) {}
    }
}

/// Begins an item that was just taken from the list; None if another worker runs it, and will put it back.
#[inline]
fn begin(node: Arc<Node>) -> Option<Arc<Node>> {
    loop {
        if node.state.start() {
            return Some(node);
        }
        node.home.set_place(Place::Deferred);
        if node.state.defer() {
            return None;
        }
    }
}
