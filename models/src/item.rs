//! The word of a work item, and where the item is. Both are the workqueue's own, so their models stand here.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::Arc;

use weak::cell::Tracked;
use weak::{cpu, thread};

use crate::home::{Home, HomeCell, Place};
use crate::item_state::State;

/// An item's word, and what is wanted done, written without any order.
struct Item {
    state: State,
    wanted: AtomicU32,
    /// What its function has seen of that last; used in the function only.
    done: Tracked,
}

fn item() -> Arc<Item> {
    let item = Item { state: State::new(), wanted: AtomicU32::new(0), done: Tracked::new(0) };
    assert!(item.state.claim() && item.state.start(), "each word is used once");
    item.run();
    Arc::new(item)
}

impl Item {
    /// The function, between `start` and `finish`.
    fn run(&self) -> Option<crate::item_state::Instance> {
        self.done.set(self.wanted.load(Relaxed));
        let finished = self.state.finish();
        if finished.is_waited_for() {
            self.state.forget_waiters();
        }
        debug_assert_eq!(
            finished.is_plain(),
            !finished.is_waited_for() && finished.passes_on().is_none()
        );
        finished.passes_on()
    }

    /// A worker that has taken the item from its list.
    fn work(&self) {
        loop {
            if self.state.start() {
                let mut passed_on = self.run();
                while let Some(instance) = passed_on.take() {
                    if self.state.take_deferred(instance) {
                        assert!(self.state.start(), "who ran it is the only one who could");
                        passed_on = self.run();
                    }
                }
                return;
            }
            if self.state.defer() {
                return;
            }
        }
    }
}

/// Whoever finds the item pending and leaves it at that has what was wanted before done by the run that comes; whoever claims it, by
/// the run of its own.
pub fn what_was_wanted_before_is_done() {
    let item = item();
    assert!(item.state.claim());
    let worker = item.clone();
    let worker = thread::spawn(move || worker.work());
    item.wanted.store(1, Relaxed);
    if item.state.may_claim() && item.state.claim() {
        item.work();
    }
    worker.join().unwrap();
    finish_deferred(&item);
    assert_eq!(item.done.get(), 1, "a run that began later has not seen it");
}

/// As the last one, by the shorter way of those who queue.
pub fn claimed_from_an_idle_word() {
    let item = item();
    assert!(item.state.claim());
    let worker = item.clone();
    let worker = thread::spawn(move || worker.work());
    item.wanted.store(1, Relaxed);
    let claimed = match item.state.idle() {
        Some(idle) if item.state.claim_from(idle) => true,
        _ => item.state.may_claim() && item.state.claim(),
    };
    if claimed {
        item.work();
    }
    worker.join().unwrap();
    finish_deferred(&item);
    assert_eq!(item.done.get(), 1, "a run that began later has not seen it");
}

/// Nothing that was claimed is left when all workers have gone.
fn finish_deferred(item: &Item) {
    assert!(!item.state.is_pending(), "an instance is lost");
}

/// Two claim, and each has a worker that takes the item from a list: one at a time is in the function, and no instance is lost.
pub fn runs_once_at_a_time() {
    let item = item();
    let other = item.clone();
    let claimer = thread::spawn(move || {
        if other.state.claim() {
            other.work();
        }
    });
    item.wanted.store(1, Relaxed);
    if item.state.claim() {
        item.work();
    }
    claimer.join().unwrap();
    finish_deferred(&item);
}

/// Whoever waits for an instance does not go on before its end, sees what it did, and is seen by it.
pub fn a_waiter_is_seen_by_the_end() {
    let item = item();
    assert!(item.state.claim() && item.state.start());
    let instance = item.state.unfinished().expect("it runs");
    item.wanted.store(1, Relaxed);
    let waiter = item.clone();
    let waiter = thread::spawn(move || {
        let waits = !waiter.state.has_ended(instance);
        if !waits {
            assert_eq!(waiter.done.get(), 1);
        }
        waits
    });
    item.done.set(1);
    let is_waited_for = item.state.finish().is_waited_for();
    let waits = waiter.join().unwrap();
    assert_eq!(is_waited_for, waits, "the end and the waiter disagree");
}

/// A canceller keeps others out, takes back what is pending, and goes on when nothing runs.
pub fn cancelled_against_a_claim() {
    let item = item();
    let claimer = item.clone();
    let claimer = thread::spawn(move || {
        if claimer.state.claim() {
            claimer.work();
        }
    });
    item.state.block();
    // In this order: what is pending is started, and nothing gets pending any more.
    while item.state.is_pending() || !item.state.has_stopped() {
        cpu::relax();
    }
    // Nobody else is in the function, nor comes there.
    item.done.set(7);
    assert!(!item.state.claim());
    assert_eq!(item.done.get(), 7);
    item.state.unblock();
    claimer.join().unwrap();
    finish_deferred(&item);
}

/// A deferred instance is taken back, or passed on: one of the two.
pub fn a_deferred_instance_goes_one_way() {
    let item = item();
    assert!(item.state.claim() && item.state.start() && item.state.claim() && item.state.defer());
    let runner = item.clone();
    let runner = thread::spawn(move || {
        let instance = runner.run();
        instance.is_some_and(|instance| runner.state.take_deferred(instance))
    });
    let taken_back = item.state.take_deferred_back();
    if taken_back {
        assert!(!item.state.unclaim(), "nobody waits");
    }
    let passed_on = runner.join().unwrap();
    assert!(taken_back || passed_on, "it is lost");
}

/// A worker's death is seen by whoever sees the end that comes after it.
pub fn a_poisoned_item_is_known() {
    let item = item();
    assert!(item.state.claim() && item.state.start());
    let watcher = item.clone();
    let watcher =
        thread::spawn(move || !watcher.state.has_stopped() || watcher.state.is_poisoned());
    item.state.poison();
    item.state.finish();
    assert!(watcher.join().unwrap());
}

/// Whoever sees that the item is somewhere sees what was done before it was put there.
pub fn at_home_all_is_ready() {
    let shared = Arc::new((HomeCell::new(), Tracked::new(0)));
    assert_eq!(shared.0.get().place(), Place::Nowhere);
    let other = shared.clone();
    let looker = thread::spawn(move || {
        let home: Home = other.0.get();
        match home.place() {
            Place::Nowhere => None,
            Place::Timer | Place::Queued | Place::Deferred => {
                Some((home.pool(), home.slot(), home.colour(), other.1.get()))
            }
        }
    });
    shared.1.set(5);
    shared.0.set(Home::queued(1, 2).under(3));
    shared.0.set_place(Place::Deferred);
    shared.0.set_place(Place::Timer);
    let seen = looker.join().unwrap();
    assert!(seen.is_none_or(|seen| seen == (1, 2, 3, 5)));
}
