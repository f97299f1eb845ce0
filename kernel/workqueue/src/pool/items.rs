//! A pool's items: from the lists to a worker, and what their end lets go on.

use alloc::sync::Arc;

use sync::Choice;

use super::{State, Worker};
use crate::hand::{Hand, Places};
use crate::home::{Home, Place};
use crate::item::Node;
use crate::tracepoints;

impl State {
    /// Puts an item, which the caller has claimed, where it belongs. Returns whether [`follow`](Self::follow) is to be called: by the
    /// caller, for whom this is the end, so that nothing has to be kept over the call.
    #[inline]
    #[must_use = "nobody may be there to do it"]
    pub(crate) fn insert(&mut self, slot: u32, node: Arc<Node>) -> bool {
        let pwq = &mut self.pwqs[slot as usize];
        let (home, active) = pwq.enter();
        node.home.set(home);
        if !active {
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

    /// Gives a worker what comes next of the home of the item that it has begun, if nobody else might do it meanwhile: it counts as
    /// running, and so is the only one that does.
    #[inline]
    pub(crate) fn fill_hand<'h>(&mut self, id: u32, hand: &'h Hand) -> Places<'h> {
        let worker = self.worker(id);
        let home = worker.home;
        if !worker.counts_as_running() {
            return hand.no_places();
        }
        debug_assert_eq!(self.nr_running, 1, "a worker takes items beside others");
        let places = hand.fill(&mut self.worklist, home);
        if !places.are_none() {
            self.holder = Some(id);
        }
        places
    }

    /// Puts what is in a worker's hand, if there is one, back to the beginning of the list, and counts out what that worker has done.
    /// What it is at now it goes on with.
    #[inline]
    pub(crate) fn recall(&mut self) {
        if let Some(id) = self.holder {
            self.recall_from(id);
        }
    }

    #[cold]
    #[inline(never)]
    fn recall_from(&mut self, id: u32) {
        self.holder = None;
        let worker = self.workers[id as usize].as_ref().expect("who has a hand is in the pool");
        for node in worker.hand.empty() {
            self.worklist.push_front(node).unwrap_or_else(|node| is_listed(&node));
        }
        // After that: it was at the last item that it could take, and done with all before.
        let news = self.settle(id);
        // Then it is at none, and on its way to the lock.
        self.worker(id).has_news |= news;
    }

    /// Puts an item back that a worker has taken out of its hand and cannot begin.
    #[cold]
    pub(crate) fn refuse(&mut self, node: Arc<Node>) {
        self.recall();
        self.worklist.push_front(node).unwrap_or_else(|node| is_listed(&node));
    }

    /// Counts out what a worker has done since this was called last. Returns whether the queue's flushes are to be told.
    #[inline]
    fn settle(&mut self, id: u32) -> bool {
        let worker = self.worker(id);
        let done = worker.hand.done();
        let count = done.wrapping_sub(core::mem::replace(&mut worker.settled, done));
        let home = worker.home;
        self.progress += u64::from(count);
        count != 0 && self.count_out(home, count, count)
    }

    /// A worker has ended what it did in a row. Returns whether the queue's flushes are to be told.
    #[inline]
    pub(crate) fn end_series(&mut self, id: u32) -> bool {
        if self.holder == Some(id) {
            self.holder = None;
        }
        let news = self.settle(id);
        let worker = self.worker(id);
        worker.at_work = false;
        core::mem::take(&mut worker.has_news) | news
    }

    /// A worker begins an item, under the lock.
    #[inline]
    pub(crate) fn note_progress(&mut self) {
        self.progress += 1;
    }

    /// The worker that has items in its hand.
    fn holder(&self) -> Option<&Worker> {
        self.holder.and_then(|id| self.workers[id as usize].as_ref())
    }

    /// A number that changes with each item that is begun.
    pub(crate) fn progress(&self) -> u64 {
        let done =
            self.holder().map_or(0, |worker| worker.hand.done().wrapping_sub(worker.settled));
        self.progress + u64::from(done)
    }

    /// Whether something waits to be begun.
    pub(crate) fn has_work(&self) -> bool {
        !self.worklist.is_empty() || self.holder().is_some_and(|worker| worker.hand.holds_any())
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

    /// Takes an active item back that nobody has begun.
    pub(crate) fn take_active(&mut self, node: &Node) -> Option<Arc<Node>> {
        self.worklist.remove(node).or_else(|| {
            self.recall();
            self.worklist.remove(node)
        })
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
