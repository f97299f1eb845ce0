//! Items that a worker does in one go, before it counts any of them out, and what comes into that.
//!
//! Each begins with a *gate*: an item that does not block and holds its worker up until all that is to be in the series is queued.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use sched::{Completion, state};
use workqueue::{Running, Work, WqFlags};

use super::{Count, Dawdler, queue, wait_until};
use crate::tools::{cpus, dawdle, expect_oopses, join_all, random, spawn};

/// Longer than anything here takes.
const LONG: u64 = 100 * time::SECOND;

/// Stays runnable until a flag is set. Returns whether it was.
pub(super) fn yield_until(flag: &AtomicBool) -> bool {
    let deadline = time::monotonic() + LONG;
    while !flag.load(SeqCst) && time::monotonic() < deadline {
        sched::yield_now();
    }
    flag.load(SeqCst)
}

/// An item that yields until its flag is set.
pub(super) fn gate() -> (Work<impl Fn(&Running<'_>) + Send + Sync + 'static>, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(false));
    let theirs = open.clone();
    (Work::from_fn("gate", move |_| assert!(yield_until(&theirs), "nobody opens it")), open)
}

pub(super) fn any_cpu() -> usize {
    let all = cpus();
    all[random(all.len() as u64) as usize]
}

pub(super) fn quick(runs: &Arc<AtomicU64>) -> Work<impl Fn(&Running<'_>) + Send + Sync + 'static> {
    let runs = runs.clone();
    Work::from_fn("quick", move |_| {
        runs.fetch_add(1, SeqCst);
    })
}

/// An item blocks in a series until one has run that is held back because those done before are not counted out.
pub(crate) fn blocks_for_what_is_held_back() {
    let before = random(3) as usize;
    let queue = queue(WqFlags::empty(), before as u32 + 2);
    let (cpu, runs) = (any_cpu(), Arc::new(AtomicU64::new(0)));
    let (gate, open) = gate();
    let quick: Vec<_> = (0..before).map(|_| quick(&runs)).collect();
    let done = Arc::new(Completion::new());
    let said = done.clone();
    let late = Arc::new(Work::from_fn("late", move |_| said.complete()));
    let (theirs, flushes) = (late.clone(), random(2) == 0);
    let blocks = Work::from_fn("blocks", move |_| {
        if flushes {
            theirs.flush();
        } else {
            done.wait();
        }
    });
    assert!(queue.queue_on(cpu, &gate));
    quick.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
    assert!(queue.queue_on(cpu, &blocks) && queue.queue_on(cpu, &late));
    open.store(true, SeqCst);
    blocks.flush();
    assert!(!late.is_busy() || !flushes, "it did not wait");
    queue.flush();
    assert_eq!(runs.load(SeqCst), before as u64);
}

/// A flush that begins in a series ends before what is queued after it, although that is the next the worker comes to.
pub(crate) fn flush_ends_in_the_middle() {
    let queue = Arc::new(queue(WqFlags::empty(), 0));
    let (cpu, runs) = (any_cpu(), Arc::new(AtomicU64::new(0)));
    let (gate, open) = gate();
    let older: Vec<_> = (0..random(4)).map(|_| quick(&runs)).collect();
    assert!(queue.queue_on(cpu, &gate));
    older.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
    let flushed = Arc::new(AtomicBool::new(false));
    let (theirs, said, seen) = (queue.clone(), flushed.clone(), runs.clone());
    let expected = older.len() as u64;
    let flusher = spawn("flusher", move |_| {
        theirs.flush();
        assert_eq!(seen.load(SeqCst), expected, "flush did not wait for what was before");
        said.store(true, SeqCst);
        0
    });
    wait_until(|| flusher.task().state() & state::OFF_QUEUE != 0);
    let newer = Work::from_fn("newer", move |_| {
        assert!(yield_until(&flushed), "flush waits for what came after it");
    });
    assert!(queue.queue_on(cpu, &newer));
    open.store(true, SeqCst);
    join_all(alloc::vec![flusher]);
    newer.flush();
}

/// The CPU goes while an item in a series yields to one that is held back: from then on both run at once.
pub(crate) fn cpu_goes_in_the_middle() {
    let all = cpus();
    let Some(&cpu) = all.get(1 + random(all.len().max(2) as u64 - 1) as usize) else { return };
    let before = random(3) as usize;
    let queue = queue(WqFlags::empty(), before as u32 + 2);
    let runs = Arc::new(AtomicU64::new(0));
    let (gate, open) = gate();
    let quick: Vec<_> = (0..before).map(|_| quick(&runs)).collect();
    let ran = Arc::new(AtomicBool::new(false));
    let (said, seen) = (ran.clone(), ran);
    let yields = Work::from_fn("yields", move |_| {
        assert!(yield_until(&seen), "what is held back does not run");
    });
    let late = Work::from_fn("late", move |_| said.store(true, SeqCst));
    assert!(queue.queue_on(cpu, &gate));
    quick.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
    assert!(queue.queue_on(cpu, &yields) && queue.queue_on(cpu, &late));
    open.store(true, SeqCst);
    if random(2) == 0 {
        wait_until(|| !yields.is_pending());
    }
    hotplug::down(cpu).expect("it is not the last");
    yields.flush();
    late.flush();
    hotplug::up(cpu).expect("it was there before");
    queue.flush();
    assert_eq!(runs.load(SeqCst), before as u64);
}

/// An item kills its worker in a series: what was done before it is counted out all the same.
pub(crate) fn one_dies_in_the_middle() {
    expect_oopses(1);
    let queue = queue(WqFlags::empty(), 0);
    let (cpu, runs) = (any_cpu(), Arc::new(AtomicU64::new(0)));
    let (gate, open) = gate();
    let before: Vec<_> = (0..1 + random(3)).map(|_| quick(&runs)).collect();
    let unlucky = Work::from_fn("unlucky", |_| panic!("this item is meant to panic"));
    let behind: Vec<_> = (0..random(2)).map(|_| quick(&runs)).collect();
    assert!(queue.queue_on(cpu, &gate));
    before.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
    assert!(queue.queue_on(cpu, &unlucky));
    behind.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
    open.store(true, SeqCst);
    queue.flush();
    assert_eq!(runs.load(SeqCst), (before.len() + behind.len()) as u64);
    assert!(unlucky.into_inner().is_err(), "what it held is lost");
    queue.destroy();
}

/// What waits for its turn in a series can be taken back at once, whatever the worker is at.
pub(crate) fn taken_back_in_the_middle() {
    let queue = queue(WqFlags::empty(), 0);
    let (cpu, runs) = (any_cpu(), Arc::new(AtomicU64::new(0)));
    let (gate, open) = gate();
    let mut works: Vec<_> = (0..4).map(|_| quick(&runs)).collect();
    assert!(queue.queue_on(cpu, &gate));
    works.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
    if random(2) == 0 {
        // Into the run of the others: it is taken back or done.
        open.store(true, SeqCst);
        dawdle();
    }
    let one = works.swap_remove(random(4) as usize);
    let taken = one.cancel();
    assert!(one.into_inner().is_ok(), "the gate had to be open for that");
    open.store(true, SeqCst);
    queue.flush();
    assert_eq!(runs.load(SeqCst), if taken { 3 } else { 4 });
}

/// Items of two queues on one CPU, some of which block, in any order; and somebody who wants to know what is going on.
pub(crate) fn two_queues_take_turns() {
    let cpu = any_cpu();
    let queues = [queue(WqFlags::empty(), 2), queue(WqFlags::empty(), 0)];
    let count = Arc::new(Count::default());
    let ended = Arc::new(AtomicBool::new(false));
    let theirs = ended.clone();
    let curious = spawn("curious", move |_| {
        while !theirs.load(SeqCst) {
            workqueue::show_workqueue_state();
            sched::sleep_for(random(20_000));
        }
        0
    });
    let mut expected = 0;
    for _ in 0..3 {
        let works: Vec<_> = (0..10).map(|_| Work::new(Dawdler(count.clone()))).collect();
        for work in &works {
            assert!(queues[random(3) as usize / 2].queue_on(cpu, work));
        }
        queues.iter().for_each(|queue| queue.flush());
        expected += 10;
        assert_eq!(count.runs(), expected, "flush did not wait");
    }
    ended.store(true, SeqCst);
    join_all(alloc::vec![curious]);
}
