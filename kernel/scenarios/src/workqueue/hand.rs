//! What is in a worker's hand is queued like what is on the list: it is taken back, moved on and reported from there.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use kthread::Exit;
use sched::Completion;
use sync::{LockClass, SpinLock};
use time::HrTimer;
use workqueue::{Running, Work, WorkItem, WqFlags, watchdog};

use super::series::{any_cpu, gate, quick, yield_until};
use super::{queue, wait_until};
use crate::tools::{PATIENCE, cpus, dawdle, join_all, random, spawn, spin_until};
use crate::watchers::LogTail;

/// An item blocks until one behind it has run.
pub(crate) fn blocks_for_the_next() {
    let queue = queue(WqFlags::empty(), 0);
    let (cpu, runs) = (any_cpu(), Arc::new(AtomicU64::new(0)));
    let (gate, open) = gate();
    let before: Vec<_> = (0..random(3)).map(|_| quick(&runs)).collect();
    let done = Arc::new(Completion::new());
    let said = done.clone();
    let blocks = Work::from_fn("blocks", move |_| done.wait());
    let between: Vec<_> = (0..random(3)).map(|_| quick(&runs)).collect();
    let next = Work::from_fn("next", move |_| said.complete());
    assert!(queue.queue_on(cpu, &gate));
    before.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
    assert!(queue.queue_on(cpu, &blocks));
    between.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
    assert!(queue.queue_on(cpu, &next));
    open.store(true, SeqCst);
    queue.flush();
    assert_eq!(runs.load(SeqCst), (before.len() + between.len()) as u64);
    assert!(!blocks.is_busy() && !next.is_busy());
}

/// Interrupts take items back on the CPU whose worker is about to begin them: each is taken back or done, and no interrupt waits for the
/// worker that it holds up.
pub(crate) fn an_interrupt_takes_back() {
    const ITEMS: u64 = 6;
    let queue = queue(WqFlags::empty(), 0);
    let (cpu, runs) = (any_cpu(), Arc::new(AtomicU64::new(0)));
    let works: Vec<_> = (0..ITEMS).map(|_| Arc::new(quick(&runs))).collect();
    let taken = Arc::new(AtomicU64::new(0));
    let timers: Arc<Vec<_>> = Arc::new(
        works
            .iter()
            .map(|work| {
                let (work, taken) = (work.clone(), taken.clone());
                HrTimer::new(move || {
                    taken.fetch_add(work.cancel().into(), SeqCst);
                })
            })
            .collect(),
    );
    let theirs = timers.clone();
    // Started where they are to fire.
    let first = Work::from_fn("first", move |_| {
        let now = time::monotonic();
        theirs.iter().for_each(|timer| timer.start(now + random(4_000)));
    });
    let (gate, open) = gate();
    assert!(queue.queue_on(cpu, &gate) && queue.queue_on(cpu, &first));
    works.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
    open.store(true, SeqCst);
    queue.flush();
    timers.iter().for_each(|timer| {
        timer.cancel_sync();
    });
    assert_eq!(runs.load(SeqCst) + taken.load(SeqCst), ITEMS);
}

/// One of those in a worker's hand is taken back: the others run in the order in which they were queued.
pub(crate) fn the_rest_keeps_its_order() {
    static ORDER_LOCK: LockClass = LockClass::new("scenario.order");
    const ITEMS: usize = 5;
    let queue = queue(WqFlags::empty(), 0);
    let cpu = any_cpu();
    let order = Arc::new(SpinLock::new(&ORDER_LOCK, Vec::with_capacity(ITEMS)));
    let works: Vec<_> = (0..ITEMS)
        .map(|number| {
            let order = order.clone();
            Work::from_fn("in order", move |_| order.lock().push(number))
        })
        .collect();
    let (gate, open) = gate();
    assert!(queue.queue_on(cpu, &gate));
    works.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
    // With all in the hand, or on the list yet.
    if random(2) == 0 {
        wait_until(|| !gate.is_pending());
    }
    let taken = random(ITEMS as u64) as usize;
    assert!(works[taken].cancel(), "nothing has let it go");
    open.store(true, SeqCst);
    queue.flush();
    let expected: Vec<_> = (0..ITEMS).filter(|&number| number != taken).collect();
    assert_eq!(*order.lock(), expected);
}

/// An item that still runs on another CPU comes up: it is left to the worker that runs it, and those behind it go on.
pub(crate) fn one_still_runs_elsewhere() {
    let (here, there) = match &cpus()[..] {
        &[here, .., there] => (here, there),
        _ => return,
    };
    let queue = queue(WqFlags::empty(), 0);
    let count = Arc::new(super::Count::default());
    let behind_ran = Arc::new(AtomicBool::new(false));
    let (theirs, seen) = (count.clone(), behind_ran.clone());
    let twice = Arc::new(Work::from_fn("twice", move |_| {
        theirs.enter();
        assert!(yield_until(&seen), "what is behind it waits for it");
        theirs.leave();
    }));
    assert!(queue.queue_on(there, &twice));
    wait_until(|| !twice.is_pending());
    let (gate, open) = gate();
    let runs = Arc::new(AtomicU64::new(0));
    let before: Vec<_> = (0..random(3)).map(|_| quick(&runs)).collect();
    let said = behind_ran.clone();
    let behind = Work::from_fn("behind", move |_| said.store(true, SeqCst));
    assert!(queue.queue_on(here, &gate));
    before.iter().for_each(|work| assert!(queue.queue_on(here, work)));
    assert!(queue.queue_on(here, &twice) && queue.queue_on(here, &behind));
    let canceller = (random(2) == 0).then(|| {
        let twice = twice.clone();
        spawn("canceller", move |_| {
            dawdle();
            i32::from(twice.cancel())
        })
    });
    open.store(true, SeqCst);
    behind.flush();
    let taken = canceller.is_some_and(|thread| thread.join() == Exit::Returned(1));
    twice.flush();
    queue.flush();
    assert_eq!((count.runs(), count.most()), (2 - u64::from(taken), 1));
    assert_eq!(runs.load(SeqCst), before.len() as u64);
}

/// With the last reference to an item, which the worker has, goes what waits for the next one.
pub(crate) fn the_last_reference_waits_for_the_next() {
    struct Owner {
        next: Arc<Work<Next>>,
    }
    struct Next(Arc<AtomicU64>);
    impl WorkItem for Next {
        fn run(&self, _: &Running<'_>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    impl WorkItem for Owner {
        fn run(&self, _: &Running<'_>) {}
    }
    impl Drop for Owner {
        fn drop(&mut self) {
            self.next.flush();
        }
    }
    let queue = queue(WqFlags::empty(), 0);
    let (cpu, runs) = (any_cpu(), Arc::new(AtomicU64::new(0)));
    let (gate, open) = gate();
    let next = Arc::new(Work::new(Next(runs.clone())));
    let owner = Work::new(Owner { next: next.clone() });
    let between: Vec<_> = (0..random(2)).map(|_| quick(&runs)).collect();
    assert!(queue.queue_on(cpu, &gate) && queue.queue_on(cpu, &owner));
    between.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
    assert!(queue.queue_on(cpu, &next));
    drop(owner);
    open.store(true, SeqCst);
    queue.flush();
    assert_eq!(runs.load(SeqCst), 1 + between.len() as u64);
    queue.destroy();
}

/// Somebody keeps looking at what the queues are at while flushes wait for the last item of a series: whoever counts that out, the flush
/// is told.
pub(crate) fn counted_out_by_another() {
    let queue = queue(WqFlags::empty(), 0);
    let (cpu, runs) = (any_cpu(), Arc::new(AtomicU64::new(0)));
    let ended = Arc::new(AtomicBool::new(false));
    let theirs = ended.clone();
    let curious = spawn("curious", move |_| {
        while !theirs.load(SeqCst) {
            workqueue::show_workqueue_state();
            dawdle();
        }
        0
    });
    let works: Vec<_> = (0..3).map(|_| quick(&runs)).collect();
    for _ in 0..8 {
        works.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
        queue.flush();
        assert!(!works.iter().any(Work::is_busy), "counted out before its end");
    }
    assert_eq!(runs.load(SeqCst), 24);
    ended.store(true, SeqCst);
    join_all(alloc::vec![curious]);
}

/// An item that runs on and on is reported for the one that waits behind it in its worker's hand.
pub(crate) fn one_waits_behind_a_hog() {
    const LISTED: &str = "pending: quick";
    let log = Arc::new(LogTail::from_now());
    let before = watchdog::reports();
    watchdog::set_threshold(1);
    watchdog::start();
    let queue = queue(WqFlags::empty(), 0);
    let (cpu, runs) = (cpus()[0], Arc::new(AtomicU64::new(0)));
    let (gate, open) = gate();
    let theirs = log.clone();
    let hog = Work::from_fn("hog", move |_| {
        let deadline = time::monotonic() + 4 * time::SECOND + PATIENCE;
        while theirs.count(LISTED) == 0 && time::monotonic() < deadline {
            spin_until(time::monotonic() + time::MILLISECOND);
            sched::yield_now();
        }
    });
    let behind = quick(&runs);
    for queued in [queue.queue_on(cpu, &gate), queue.queue_on(cpu, &hog)] {
        assert!(queued);
    }
    assert!(queue.queue_on(cpu, &behind));
    open.store(true, SeqCst);
    queue.flush();
    watchdog::set_threshold(0);
    assert!(watchdog::reports() > before, "the stall was not seen");
    assert!(log.count(LISTED) >= 1, "it is not listed: {:#?}", log.lines());
    assert_eq!(runs.load(SeqCst), 1);
}
