//! Waits that end in two ways at once.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use sched::{Completion, Sleep, WaitQueue};
use time::HrTimer;

use crate::tools::{PATIENCE, dawdle, join_all, random, spawn};

/// Events come just when the time of those who wait is up: each is taken by one, or is still there.
pub(crate) fn completion_against_deadlines() {
    const EVENTS: u64 = 24;
    let done = Arc::new(Completion::new());
    let taken = Arc::new(AtomicU64::new(0));
    let waiters = (0..3)
        .map(|_| {
            let (done, taken) = (done.clone(), taken.clone());
            spawn("waiter", move |_| {
                for _ in 0..16 {
                    let deadline = time::monotonic() + random(4) * random(4_000);
                    let outcome = done.wait_as(Sleep::Uninterruptible, Some(deadline));
                    taken.fetch_add(outcome.is_ok().into(), SeqCst);
                    if random(4) == 0 {
                        dawdle();
                    }
                }
                0
            })
        })
        .collect();
    let (theirs, from_timer) = (done.clone(), Arc::new(AtomicU64::new(0)));
    let counted = from_timer.clone();
    let timer = HrTimer::new(move || {
        counted.fetch_add(1, SeqCst);
        theirs.complete();
    });
    for _ in 0..EVENTS {
        if random(3) == 0 {
            timer.start(time::monotonic() + random(4_000));
        }
        done.complete();
        if random(2) == 0 {
            dawdle();
        } else {
            sched::sleep_for(random(6_000));
        }
    }
    join_all(waiters);
    timer.cancel_sync();
    let mut left = 0;
    while done.try_wait() {
        left += 1;
    }
    let (taken, made) = (taken.load(SeqCst), EVENTS + from_timer.load(SeqCst));
    assert_eq!(taken + left, made, "an event was lost or taken twice: {left} are left");
}

/// Two things come one right after the other for several who wait for one each: whoever is woken in vain wakes another.
pub(crate) fn the_woken_one_passes_on() {
    const LATEST: u64 = 20 * time::MILLISECOND;
    let queue = Arc::new(WaitQueue::new());
    let available = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let takers: Vec<_> = (0..3)
        .map(|_| {
            let (queue, available, over) = (queue.clone(), available.clone(), over.clone());
            spawn("taker", move |_| {
                let take = || {
                    let took = available.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
                    // It has what it came for, and still stands in the queue: another wake-up may find it.
                    (0..random(30)).for_each(|_| machine::cpu::relax());
                    took.is_ok() || over.load(SeqCst)
                };
                while !over.load(SeqCst) {
                    let outcome = queue
                        .wait_map_exclusive(Sleep::Uninterruptible, None, || take().then_some(()));
                    assert!(outcome.is_ok());
                    // Not back before it is clear whether the others have taken the rest.
                    sched::sleep_for(2 * LATEST + random(4_000));
                }
                0
            })
        })
        .collect();
    for _ in 0..8 {
        for _ in 0..2 {
            available.fetch_add(1, SeqCst);
            queue.wake_one();
            (0..random(16)).for_each(|_| machine::cpu::relax());
        }
        // All of them are taken, although nothing else comes.
        let deadline = time::monotonic() + LATEST + PATIENCE;
        while available.load(SeqCst) != 0 {
            assert!(time::monotonic() < deadline, "a wake-up was spent on who did not need it");
            sched::sleep_for(random(20_000));
        }
        // About when they come back.
        sched::sleep_for(2 * LATEST - random(4_000));
    }
    over.store(true, SeqCst);
    queue.wake_all();
    join_all(takers);
}
