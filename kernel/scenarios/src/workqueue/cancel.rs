//! Taking items back while they are queued, started and queued again.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};

use workqueue::{
    DelayedWork, Running, Work, WorkItem, WorkQueue, WqFlags, system_highpri_wq, system_wq,
};

use super::{Count, Dawdler, queue, wait_until};
use crate::tools::{cpus, dawdle, join_all, random, spawn};

struct Again {
    count: Arc<Count>,
    accepted: Arc<AtomicU64>,
}

impl WorkItem for Again {
    fn run(&self, running: &Running<'_>) {
        self.count.enter();
        if random(2) == 0 {
            self.accepted.fetch_add(running.requeue().into(), SeqCst);
        }
        dawdle();
        self.count.leave();
    }
}

/// What was accepted is run once or taken back once, whoever does what at the same moment.
pub(crate) fn against_run_against_requeue() {
    let (count, accepted) = (Arc::new(Count::default()), Arc::new(AtomicU64::new(0)));
    let taken = Arc::new(AtomicU64::new(0));
    let narrow = Arc::new(queue(WqFlags::empty(), 1));
    let other = Arc::new(Work::new(Dawdler(Arc::new(Count::default()))));
    let work = Arc::new(Work::new(Again { count: count.clone(), accepted: accepted.clone() }));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (work, accepted, taken) = (work.clone(), accepted.clone(), taken.clone());
            let (narrow, other) = (narrow.clone(), other.clone());
            spawn("meddler", move |_| {
                for _ in 0..6 {
                    let all = cpus();
                    let cpu = all[random(all.len() as u64) as usize];
                    match random(6) {
                        0 => {
                            taken.fetch_add(work.cancel().into(), SeqCst);
                        }
                        1 => {
                            taken.fetch_add(work.cancel_sync().into(), SeqCst);
                        }
                        2 => {
                            accepted.fetch_add(system_wq().queue_on(cpu, &work).into(), SeqCst);
                        }
                        3 => {
                            let queued = system_highpri_wq().queue_on(cpu, &work);
                            accepted.fetch_add(queued.into(), SeqCst);
                        }
                        4 => {
                            // Something before it, so that it is held back.
                            narrow.queue_on(cpu, &other);
                            accepted.fetch_add(narrow.queue_on(cpu, &work).into(), SeqCst);
                        }
                        _ => {
                            work.flush();
                        }
                    }
                    dawdle();
                }
                0
            })
        })
        .collect();
    join_all(threads);
    taken.fetch_add(work.cancel_sync().into(), SeqCst);
    assert!(!work.is_busy(), "it was taken back");
    assert_eq!(count.inside.load(SeqCst), 0, "it runs although it was taken back");
    assert!(count.most() <= 1, "it ran twice at once");
    let (accepted, taken) = (accepted.load(SeqCst), taken.load(SeqCst));
    assert_eq!(count.runs() + taken, accepted, "{taken} taken back");
    other.flush();
}

/// An item that waits in one queue is taken back and put into another of the same pool while others take it back.
pub(crate) fn while_it_changes_queues() {
    let cpu = cpus()[random(cpus().len() as u64) as usize];
    let over = Arc::new(AtomicBool::new(false));
    let seen = over.clone();
    let hog = Work::from_fn("hog", move |_| {
        // Awake, so that the pool begins nothing else.
        while !seen.load(SeqCst) {
            machine::cpu::relax();
        }
    });
    system_wq().queue_on(cpu, &hog);
    wait_until(|| !hog.is_pending());
    // The last holds back all but the first of its items.
    let queues: Arc<[_]> = [0, 0, 1].map(|most| queue(WqFlags::empty(), most)).into();
    let first = Work::from_fn("first", |_| {});
    queues[2].queue_on(cpu, &first);
    let count = Arc::new(Count::default());
    let work = Arc::new(Work::new(Dawdler(count.clone())));
    let balance = Arc::new(AtomicI64::new(0));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (work, queues, balance) = (work.clone(), queues.clone(), balance.clone());
            spawn("mover", move |_| {
                for _ in 0..20 {
                    let taken = if random(4) == 0 { work.cancel_sync() } else { work.cancel() };
                    let queued = queues[random(3) as usize].queue_on(cpu, &work);
                    balance.fetch_add(i64::from(queued) - i64::from(taken), SeqCst);
                    (0..random(4)).for_each(|_| machine::cpu::relax());
                }
                0
            })
        })
        .collect();
    join_all(threads);
    over.store(true, SeqCst);
    // Each waits for exactly what is counted as its own.
    queues.iter().for_each(WorkQueue::flush);
    hog.flush();
    assert_eq!(count.runs() as i64, balance.load(SeqCst), "run, and left to be run");
    assert!(!work.is_busy());
    first.flush();
}

/// The timer fires, is moved and is cancelled, all at the same moment.
pub(crate) fn against_a_timer() {
    let count = Arc::new(Count::default());
    let work = Arc::new(DelayedWork::new(Dawdler(count.clone())));
    let (accepted, taken) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (work, accepted, taken) = (work.clone(), accepted.clone(), taken.clone());
            spawn("meddler", move |_| {
                for _ in 0..6 {
                    let delay = random(3) * random(20_000);
                    match random(5) {
                        0 => {
                            taken.fetch_add(work.cancel().into(), SeqCst);
                        }
                        1 => {
                            taken.fetch_add(work.cancel_sync().into(), SeqCst);
                        }
                        2 => {
                            let queued = system_wq().queue_delayed(&work, delay);
                            accepted.fetch_add(queued.into(), SeqCst);
                        }
                        3 => {
                            let modified = system_highpri_wq().mod_delayed(&work, delay);
                            // False also if it stays away because somebody takes it back; then it is made up for below.
                            accepted.fetch_add((!modified).into(), SeqCst);
                            if !modified && !work.is_busy() {
                                dawdle();
                            }
                        }
                        _ => {
                            work.flush();
                        }
                    }
                    dawdle();
                }
                0
            })
        })
        .collect();
    join_all(threads);
    work.flush();
    taken.fetch_add(work.cancel_sync().into(), SeqCst);
    let (accepted, taken) = (accepted.load(SeqCst), taken.load(SeqCst));
    assert!(count.runs() + taken <= accepted, "it ran more often than it was queued");
    assert!(count.most() <= 1, "it ran twice at once");
    // And still works.
    let before = count.runs();
    assert!(system_wq().queue_delayed(&work, 1_000));
    work.flush();
    assert_eq!(count.runs(), before + 1);
}
