//! Workqueues.

use alloc::vec::Vec;

use workqueue::{DelayedWork, Running, Work, WqFlags, alloc_workqueue, system_wq};

use crate::{Workload, average};

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload::whole("queue_flush", 1, queue_flush),
    Workload::whole("work_batched", 1, work_batched),
    Workload::whole("delayed_cancel", 1, delayed_cancel),
    Workload::whole("delayed_flush", 1, delayed_flush),
];

/// Items queued at once.
const BATCH: usize = 2000;
const ROUNDS: u64 = 5;
/// Longer than any measurement.
const LATER: u64 = 3600 * time::SECOND;

fn nothing(_: &Running<'_>) {}

/// One item is queued and waited for.
fn queue_flush() -> u64 {
    let work = Work::from_fn("nothing", nothing);
    average(|| {
        system_wq().queue(&work);
        work.flush();
    })
}

/// Many items are queued and the queue is flushed; the figure is for one of them.
fn work_batched() -> u64 {
    let queue =
        alloc_workqueue(format_args!("bench"), WqFlags::empty(), 0).expect("a queue can be made");
    let works: Vec<_> = (0..BATCH).map(|_| Work::from_fn("nothing", nothing)).collect();
    let round = || {
        works.iter().for_each(|work| {
            queue.queue(work);
        });
        queue.flush();
    };
    round();
    let start = time::monotonic();
    (0..ROUNDS).for_each(|_| round());
    (time::monotonic() - start) / (ROUNDS * BATCH as u64)
}

/// Delayed work that is cancelled long before it is due.
fn delayed_cancel() -> u64 {
    let work = DelayedWork::from_fn("nothing", nothing);
    average(|| {
        system_wq().queue_delayed(&work, LATER);
        work.cancel_sync();
    })
}

/// Delayed work that is wanted at once after all.
fn delayed_flush() -> u64 {
    let work = DelayedWork::from_fn("nothing", nothing);
    average(|| {
        system_wq().queue_delayed(&work, LATER);
        work.flush();
    })
}
