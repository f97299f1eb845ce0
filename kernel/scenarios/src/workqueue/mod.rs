//! Workqueues.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};

use workqueue::{Running, WorkItem, WorkQueue, WqFlags, alloc_workqueue};

use crate::tools::dawdle;

pub(crate) mod attributes;
pub(crate) mod cancel;
pub(crate) mod changes;
pub(crate) mod flush;
pub(crate) mod hand;
pub(crate) mod items;
pub(crate) mod lifetimes;
pub(crate) mod pools;
pub(crate) mod queues;
pub(crate) mod reports;
pub(crate) mod rescuers;
pub(crate) mod series;
pub(crate) mod windows;

/// A queue of a test's own.
fn queue(flags: WqFlags, max_active: u32) -> WorkQueue {
    alloc_workqueue(format_args!("scenario"), flags, max_active).expect("a queue can be made")
}

/// Counts what runs, and what runs at once.
#[derive(Default)]
struct Count {
    inside: AtomicI64,
    most: AtomicI64,
    runs: AtomicU64,
}

impl Count {
    fn enter(&self) {
        let inside = self.inside.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(inside, SeqCst);
    }

    fn leave(&self) {
        self.runs.fetch_add(1, SeqCst);
        self.inside.fetch_sub(1, SeqCst);
    }

    fn runs(&self) -> u64 {
        self.runs.load(SeqCst)
    }

    fn most(&self) -> i64 {
        self.most.load(SeqCst)
    }
}

/// An item that takes a random time, awake and asleep.
struct Dawdler(Arc<Count>);

impl WorkItem for Dawdler {
    fn run(&self, _: &Running<'_>) {
        self.0.enter();
        dawdle();
        self.0.leave();
    }
}

/// Waits for a condition that others make true.
fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        sched::sleep_for(10_000);
    }
}
