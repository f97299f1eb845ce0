//! A pool's items: from the lists to a worker, and what their end lets go on.

use alloc::sync::Arc;

use sync::Choice;

use super::State;
use crate::home::{Home, Place};
use crate::item::Node;
use crate::tracepoints;

/// How many items a worker does in a row before it counts them out.
pub(crate) const SERIES: u32 = 32;

/// Items that are done and not counted out yet: all of one row and colour. There are some only while a worker that counts as running
/// is in another item of that row and colour.
pub(super) struct Unsettled {
    home: Home,
    count: u32,
}

impl Unsettled {
    pub(super) const fn none() -> Self {
        Self { home: Home::queued(0, 0), count: 0 }
    }
}

impl State {
    /// Puts an item, which the caller has claimed, where it belongs. Returns whether [`follow`](Self::follow) is to be called: by the
    /// caller, for whom this is the end, so that nothing has to be kept over the call.
    #[inline]
    #[must_use = "nobody may be there to do it"]
    pub(crate) fn insert(&mut self, row: Home, node: Arc<Node>) -> bool {
        let pwq = &mut self.pwqs[row.slot() as usize];
        let colour = pwq.colour;
        node.home.set(row.under(colour));
        if !pwq.enter(colour) {
            pwq.hold_back(node);
            return false;
        }
        self.worklist.push_back(node).unwrap_or_else(|node| is_listed(&node));
        self.nr_running == 0 && !self.called || tracepoints::activation_is_traced()
    }

    /// What follows when an item has come to the end of the list.
    #[cold]
    #[inline(never)]
    pub(crate) fn follow(&mut self) {
        self.worklist.back().into_iter().for_each(tracepoints::activate_work);
        if self.need_more_workers() {
            self.wake_worker();
        }
    }

    /// Lets those of a queue's items that are held back become active that may.
    #[inline]
    fn activate(&mut self, slot: u32) {
        let pwq = &mut self.pwqs[slot as usize];
        let one_by_one = tracepoints::activation_is_traced();
        let most = if one_by_one { 1 } else { u32::MAX };
        let mut any = false;
        while pwq.activate(&mut self.worklist, most) != 0 {
            any = true;
            if !one_by_one {
                break;
            }
            self.worklist.back().into_iter().for_each(tracepoints::activate_work);
        }
        if any && self.nr_running == 0 && !self.called {
            self.wake_worker();
        }
    }

    /// The next item that can be begun, and where it was at home: once it is begun, it may be queued elsewhere. One that another worker
    /// still runs is left to that one.
    #[inline]
    pub(crate) fn next_item(&mut self) -> Option<(Arc<Node>, Home)> {
        loop {
            let node = self.worklist.pop_front()?;
            let home = node.home.get();
            if let Some(node) = begin(node) {
                return Some((node, home));
            }
        }
    }

    /// The next item, after one of this home that the caller has done, if it is of the same row and colour and may be begun before that one is
    /// counted out.
    ///
    /// That is so if the caller is the one worker that counts as running: nobody else would do what becomes active by that.
    #[inline]
    pub(crate) fn next_in_series(&mut self, home: Home, limit: u32) -> Option<Arc<Node>> {
        if self.nr_running != 1 || self.unsettled.count >= limit {
            return None;
        }
        let node = begin(self.worklist.pop_front_if(|node| node.home.get() == home)?)?;
        if self.unsettled.home != home {
            self.settle();
            self.unsettled.home = home;
        }
        self.unsettled.count += 1;
        Some(node)
    }

    /// Counts out what is done and not counted out yet. Whoever keeps a worker from counting as running does so before the lock is released.
    pub(crate) fn settle(&mut self) {
        let count = core::mem::take(&mut self.unsettled.count);
        if count != 0 {
            let news = self.count_out(self.unsettled.home, count, count);
            debug_assert!(!news, "an item of this colour is being run");
        }
    }

    /// The last of a series, or an item by itself, is done: counts out all of it. Returns whether the queue's flushes are to be told.
    #[inline]
    pub(crate) fn settle_with(&mut self, home: Home) -> bool {
        if self.unsettled.home != home {
            self.settle();
        }
        let count = core::mem::take(&mut self.unsettled.count) + 1;
        self.count_out(home, count, count)
    }

    /// The next item of one queue that can be begun, for its rescuer.
    pub(crate) fn next_item_of(&mut self, slot: u32) -> Option<(Arc<Node>, Home)> {
        loop {
            let mut found = None;
            let mut stop = false;
            let choose = |node: &Node| match node.home.get().slot() == slot {
                _ if core::mem::replace(&mut stop, false) => Choice::Stop,
                true => {
                    stop = true;
                    Choice::Take(())
                }
                false => Choice::Leave,
            };
            self.worklist.take_chosen(choose, |node, ()| found = Some(node));
            let node = found?;
            let home = node.home.get();
            if let Some(node) = begin(node) {
                return Some((node, home));
            }
        }
    }

    /// Puts an item that was left to its runner back, as the first.
    pub(crate) fn put_back(&mut self, node: Arc<Node>) {
        node.home.set_place(Place::Queued);
        self.worklist.push_front(node).unwrap_or_else(|node| is_listed(&node));
        if self.need_more_workers() {
            self.wake_worker();
        }
    }

    pub(crate) fn take_from_worklist(&mut self, node: &Node) -> Option<Arc<Node>> {
        self.worklist.remove(node)
    }

    /// An item is done or taken back: counts it out. Returns whether the queue's flushes are to be told.
    pub(crate) fn leave(&mut self, home: Home, was_active: bool) -> bool {
        self.count_out(home, 1, was_active.into())
    }

    /// Counts items of a row and colour out, and lets as many that were held back become active.
    #[inline]
    fn count_out(&mut self, home: Home, count: u32, active: u32) -> bool {
        let news = self.pwq(home.slot()).leave(home.colour(), count, active);
        self.activate(home.slot());
        news
    }

    /// Sets how many of a queue's items may be active, and lets those go that may.
    pub(crate) fn set_max_active(&mut self, slot: u32, max_active: u32) {
        self.pwq(slot).max_active = max_active;
        self.activate(slot);
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

/// An item that is pending is found on a list where it should not be.
#[cold]
#[inline(never)]
pub(crate) fn is_listed(node: &Node) -> ! {
    panic!("workqueue: {} is on two lists", node.name);
}
