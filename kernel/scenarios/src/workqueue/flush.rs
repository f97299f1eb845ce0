//! Waiting for what was queued before, and for nothing else.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use sched::{Completion, state};
use workqueue::{Work, WqFlags, system_wq};

use super::{Count, Dawdler, queue, wait_until};
use crate::tools::{cpus, dawdle, join_all, random, spawn};

fn sleeps(task: &sched::TaskRef) -> bool {
    task.state() & state::OFF_QUEUE != 0
}

/// Three flushers and what they must have seen done, while others go on queueing.
pub(crate) fn what_was_before() {
    let queue =
        Arc::new(queue(if random(2) == 0 { WqFlags::empty() } else { WqFlags::UNBOUND }, 3));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let queue = queue.clone();
            spawn("flusher", move |_| {
                for _ in 0..3 {
                    let count = Arc::new(Count::default());
                    let works: Vec<_> = (0..3).map(|_| Work::new(Dawdler(count.clone()))).collect();
                    for work in &works {
                        let all = cpus();
                        let cpu = all[random(all.len() as u64) as usize];
                        assert!(queue.queue_on(cpu, work));
                    }
                    queue.flush();
                    assert_eq!(count.runs(), 3, "flush did not wait for what was before");
                }
                0
            })
        })
        .collect();
    join_all(threads);
}

/// An item that is queued after the flush has begun holds nobody up.
pub(crate) fn not_what_comes_after() {
    let queue = Arc::new(queue(WqFlags::UNBOUND, 0));
    let (first_may, second_may) = (Arc::new(Completion::new()), Arc::new(Completion::new()));
    let blocker = |may: &Arc<Completion>| {
        let may = may.clone();
        Work::from_fn("blocker", move |_| may.wait())
    };
    let (first, second) = (blocker(&first_may), blocker(&second_may));
    assert!(queue.queue(&first));
    let theirs = queue.clone();
    let flusher = spawn("flusher", move |_| {
        theirs.flush();
        0
    });
    wait_until(|| sleeps(flusher.task()));
    assert!(queue.queue(&second));
    first_may.complete();
    // If it waits for the second item as well, everybody waits for ever.
    join_all(alloc::vec![flusher]);
    assert!(second.is_busy());
    second_may.complete();
    queue.flush();
    assert!(!second.is_busy());
}

/// More flushes at once than there are colours.
pub(crate) fn many_at_once() {
    let queue = Arc::new(queue(WqFlags::UNBOUND, 0));
    let gate = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..18)
        .map(|_| {
            let (queue, gate) = (queue.clone(), gate.clone());
            spawn("flusher", move |_| {
                let done = Arc::new(AtomicBool::new(false));
                let (said, gate) = (done.clone(), gate);
                let work = Work::from_fn("gated", move |_| {
                    wait_until(|| gate.load(SeqCst));
                    said.store(true, SeqCst);
                });
                queue.queue(&work);
                queue.flush();
                assert!(done.load(SeqCst), "flush did not wait");
                0
            })
        })
        .collect();
    dawdle();
    gate.store(true, SeqCst);
    join_all(threads);
}

/// Flushing one item waits for its present run, not for the next one.
pub(crate) fn one_item() {
    let (may, runs) = (Arc::new(Completion::new()), Arc::new(AtomicU64::new(0)));
    let work = {
        let (may, runs) = (may.clone(), runs.clone());
        Arc::new(Work::from_fn("gated", move |_| {
            may.wait();
            runs.fetch_add(1, SeqCst);
        }))
    };
    system_wq().queue(&work);
    let theirs = work.clone();
    let flusher = spawn("flusher", move |_| {
        theirs.flush();
        0
    });
    wait_until(|| sleeps(flusher.task()) && !work.is_pending());
    system_wq().queue(&work);
    may.complete();
    join_all(alloc::vec![flusher]);
    assert_eq!(runs.load(SeqCst), 1, "the second run was not to be waited for");
    may.complete();
    work.flush();
    assert_eq!(runs.load(SeqCst), 2);
}
