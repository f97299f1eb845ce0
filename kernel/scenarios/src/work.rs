//! Workers, and the things that threads wait with.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use kthread::worker::{Work, Worker};
use kthread::{Builder, Exit};
use sched::{Completion, Mutex, RwSemaphore, WaitQueue};
use sync::LockClass;

use crate::tools::{
    SLACK, dawdle, ensure, expect_oopses, in_one_of_some_tries, join_all, random, spawn,
};

fn new_worker() -> Worker {
    Worker::new(Builder::new(format_args!("kworker_test"))).expect("a thread can be made")
}

pub(crate) fn worker() {
    let worker = new_worker();
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let work = Work::new(move || {
        dawdle();
        counted.fetch_add(1, Ordering::SeqCst);
    });
    assert!(worker.queue(&work));
    worker.flush_work(&work);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    let delayed = worker.delayed(&work);
    let start = time::monotonic();
    delayed.start(time::MILLISECOND);
    while runs.load(Ordering::SeqCst) < 2 {
        sched::sleep_for(10_000);
    }
    assert!(time::monotonic() - start >= time::MILLISECOND, "the delay was cut short");
    delayed.start(1000 * time::SECOND);
    assert!(worker.cancel_delayed_sync(&delayed), "it was still to be run");
    let queued = worker.queue(&work);
    let cancelled = worker.cancel_sync(&work);
    let after = runs.load(Ordering::SeqCst);
    assert!(queued);
    assert_eq!(after, if cancelled { 2 } else { 3 }, "cancelled work ran, or other work did not");
    assert!(worker.queue(&work));
    worker.destroy();
    assert_eq!(runs.load(Ordering::SeqCst), after + 1, "destroy does what is queued first");
}

pub(crate) fn delayed_work_against_cancel() {
    const DELAY: u64 = 8 * time::MILLISECOND;
    let worker = new_worker();
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let work = Work::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let delayed = worker.delayed(&work);
    for _ in 0..8 {
        let before = runs.load(Ordering::SeqCst);
        delayed.start(DELAY);
        // About when its time comes.
        sched::sleep_for(DELAY - 10_000 + random(3 * DELAY / 2));
        let was_to_run = worker.cancel_delayed_sync(&delayed);
        let ran = runs.load(Ordering::SeqCst) - before;
        assert_eq!(ran + u64::from(was_to_run), 1, "cancelled: {was_to_run}, ran {ran} times");
    }
    worker.destroy();
}

/// Delayed work that is started again while its timer fires, done, and cancelled: the cancel takes back the second start, and says so.
pub(crate) fn delayed_work_started_again() {
    const DELAY: u64 = 4 * time::MILLISECOND;
    let worker = new_worker();
    let work = Work::new(|| {});
    let delayed = worker.delayed(&work);
    for _ in 0..10 {
        delayed.start(DELAY);
        let until = time::monotonic() + DELAY + random(DELAY);
        while time::monotonic() < until {
            machine::cpu::relax();
        }
        delayed.start(1000 * time::SECOND);
        worker.flush();
        assert!(worker.cancel_delayed_sync(&delayed), "it was to be run, and nobody says so");
    }
    worker.destroy();
}

pub(crate) fn never_twice_at_once() {
    let worker = Arc::new(new_worker());
    let inside = Arc::new(AtomicUsize::new(0));
    let overlapped = Arc::new(AtomicBool::new(false));
    let runs = Arc::new(AtomicU64::new(0));
    let work = {
        let (inside, overlapped, runs) = (inside.clone(), overlapped.clone(), runs.clone());
        Work::new(move || {
            if inside.fetch_add(1, Ordering::SeqCst) != 0 {
                overlapped.store(true, Ordering::SeqCst);
            }
            dawdle();
            runs.fetch_add(1, Ordering::SeqCst);
            inside.fetch_sub(1, Ordering::SeqCst);
        })
    };
    let queuers: Vec<_> = (0..3)
        .map(|_| {
            let (worker, work) = (worker.clone(), work.clone());
            spawn("queuer", move |_| {
                for _ in 0..4 {
                    worker.queue(&work);
                    dawdle();
                    if random(4) == 0 {
                        worker.cancel_sync(&work);
                    }
                }
                0
            })
        })
        .collect();
    join_all(queuers);
    worker.queue(&work);
    worker.flush();
    assert!(!overlapped.load(Ordering::SeqCst), "one work item ran twice at once");
    assert!(runs.load(Ordering::SeqCst) >= 1);
}

pub(crate) fn wait_queue() {
    const ITEMS: usize = 12;
    let queue = Arc::new(WaitQueue::new());
    let available = Arc::new(AtomicUsize::new(0));
    let consumers: Vec<_> = (0..3)
        .map(|_| {
            let (queue, available) = (queue.clone(), available.clone());
            spawn("consumer", move |_| {
                for _ in 0..ITEMS / 3 {
                    let taken =
                        queue.wait_map_exclusive(sched::Sleep::Uninterruptible, None, || {
                            available
                                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| {
                                    n.checked_sub(1)
                                })
                                .ok()
                        });
                    assert!(taken.is_ok());
                }
                0
            })
        })
        .collect();
    for _ in 0..ITEMS {
        dawdle();
        available.fetch_add(1, Ordering::SeqCst);
        queue.wake_one();
    }
    join_all(consumers);
    assert_eq!(available.load(Ordering::SeqCst), 0);
    assert!(queue.is_empty());
}

pub(crate) fn wait_to_be_woken() {
    const TURNS: usize = 12;
    let me = sched::current_ref();
    let given = Arc::new(AtomicUsize::new(0));
    let gives = given.clone();
    let giver = spawn("giver", move |_| {
        for _ in 0..TURNS {
            dawdle();
            gives.fetch_add(1, Ordering::SeqCst);
            sched::wake_up(&me);
        }
        0
    });
    let take = || {
        given.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |given| given.checked_sub(1)).ok()
    };
    for _ in 0..TURNS {
        dawdle();
        let taken = sched::wait_to_be_woken(sched::Sleep::Uninterruptible, None, take);
        assert!(taken.is_ok());
    }
    join_all(alloc::vec![giver]);
    let deadline = time::monotonic() + time::MILLISECOND;
    let nothing = sched::wait_to_be_woken(sched::Sleep::Uninterruptible, Some(deadline), take);
    assert_eq!(nothing, Err(sched::WaitError::TimedOut));
    assert!(time::monotonic() >= deadline);
}

static TEST_MUTEX: LockClass = LockClass::new("scenario.mutex");

pub(crate) fn mutex() {
    let mutex = Arc::new(Mutex::new(&TEST_MUTEX, 0u64));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let mutex = mutex.clone();
            spawn("locker", move |_| {
                for _ in 0..5 {
                    let mut value = mutex.lock();
                    let before = *value;
                    dawdle();
                    *value = before + 1;
                    drop(value);
                    dawdle();
                }
                0
            })
        })
        .collect();
    join_all(threads);
    assert_eq!(*mutex.lock(), 20, "two were inside at once");
}

static TEST_SEMAPHORE: LockClass = LockClass::new("test_rw_semaphore");

pub(crate) fn rw_semaphore() {
    let lock = Arc::new(RwSemaphore::new(&TEST_SEMAPHORE, 0u64));
    let inside = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..6)
        .map(|number| {
            let (lock, inside) = (lock.clone(), inside.clone());
            spawn("locker", move |_| {
                for _ in 0..5 {
                    dawdle();
                    if number % 3 == 0 {
                        let mut value = lock.write();
                        let before = *value;
                        assert_eq!(inside.load(Ordering::SeqCst), 0, "a reader beside a writer");
                        dawdle();
                        *value = before + 1;
                    } else {
                        let value = lock.read();
                        inside.fetch_add(1, Ordering::SeqCst);
                        let before = *value;
                        dawdle();
                        assert_eq!(*value, before, "written while it was read");
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                }
                0
            })
        })
        .collect();
    join_all(threads);
    assert_eq!(*lock.read(), 10, "two writers at once");
}

/// How long those who crowd a lock stay inside, in nanoseconds.
const STAY: u64 = 200_000 * SLACK;

/// Threads that are inside the lock all the time, between them, until told to end; each counts its visits.
fn crowd(
    over: &Arc<AtomicBool>,
    visits: &Arc<AtomicU64>,
    visit: impl Fn() + Clone + Send + 'static,
) -> Vec<kthread::Handle> {
    (0..3)
        .map(|number| {
            let (over, visits, visit) = (over.clone(), visits.clone(), visit.clone());
            spawn("crowd", move |_| {
                sched::sleep_for(number * STAY / 3);
                while !over.load(Ordering::SeqCst) && visits.load(Ordering::SeqCst) < 3000 {
                    visit();
                    visits.fetch_add(1, Ordering::SeqCst);
                }
                0
            })
        })
        .collect()
}

/// Has somebody come to a crowded lock, and counts the visits that others make before it is inside.
fn come_to_crowd(visit: impl Fn() + Clone + Send + 'static, enter: impl FnOnce()) -> u64 {
    let (over, visits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let threads = crowd(&over, &visits, visit);
    sched::sleep_for(3 * STAY + random(STAY));
    let before = visits.load(Ordering::SeqCst);
    enter();
    let passed = visits.load(Ordering::SeqCst) - before;
    over.store(true, Ordering::SeqCst);
    join_all(threads);
    passed
}

/// How many may go in before somebody who waits: those who were inside, and those who come while it is preempted on its way into the
/// queue or out of it. An unfair lock lets in all the thousands that come.
const MOST_BEFORE: u64 = 100;

pub(crate) fn rw_semaphore_is_fair() {
    in_one_of_some_tries(nobody_overtakes);
}

fn nobody_overtakes() -> Result<(), String> {
    let lock = Arc::new(RwSemaphore::new(&TEST_SEMAPHORE, 0u64));
    let theirs = lock.clone();
    let read = move || {
        let _inside = theirs.read();
        sched::sleep_for(STAY);
    };
    let passed = come_to_crowd(read, || drop(lock.write()));
    ensure!(passed <= MOST_BEFORE, "{passed} readers went in before a writer that waited");
    let theirs = lock.clone();
    let write = move || {
        let _inside = theirs.write();
        sched::sleep_for(STAY);
    };
    let passed = come_to_crowd(write, || drop(lock.read()));
    ensure!(passed <= MOST_BEFORE, "{passed} writers went in before a reader that waited");
    Ok(())
}

pub(crate) fn completion() {
    let done = Arc::new(Completion::new());
    let waiters: Vec<_> = (0..4)
        .map(|_| {
            let done = done.clone();
            spawn("waiter", move |_| {
                dawdle();
                done.wait();
                0
            })
        })
        .collect();
    for _ in 0..4 {
        dawdle();
        done.complete();
    }
    join_all(waiters);
    assert!(!done.is_done(), "one event was taken twice or not at all");
    done.complete_all();
    assert!(done.try_wait() && done.try_wait());
}

pub(crate) fn panicking_work() {
    expect_oopses(1);
    let worker = new_worker();
    let work = Work::new(|| panic!("this work is meant to panic"));
    assert!(worker.queue(&work));
    worker.flush_work(&work);
    assert!(!worker.cancel_sync(&work), "it was taken from the queue");
    assert_eq!(worker.destroy(), Some(Exit::Panicked));
}
