//! Temporary.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use sched::{Completion, Sleep};
use workqueue::{DelayedWork, Work, WqFlags, system_wq};

use super::queue;
use crate::tools::{cpus, dawdle, expect_oopses, join_all, random, spawn};

const LONG: u64 = 60 * time::SECOND;

struct Says(Arc<Completion>);
impl Drop for Says {
    fn drop(&mut self) {
        self.0.complete();
    }
}

fn flags() -> WqFlags {
    [WqFlags::empty(), WqFlags::UNBOUND, WqFlags::HIGHPRI, WqFlags::MEM_RECLAIM, WqFlags::MEM_RECLAIM | WqFlags::UNBOUND, WqFlags::FREEZABLE]
        [random(6) as usize]
}

pub(crate) fn queue_goes_with_its_item() {
    let gone = Arc::new(Completion::new());
    let own = Arc::new(queue(flags(), random(3) as u32));
    let theirs = (own.clone(), Says(gone.clone()));
    let others: Vec<_> = (0..3).map(|_| Work::from_fn("other", |_| dawdle())).collect();
    let work = Work::from_fn("owner", move |_| {
        let _ = &theirs;
        dawdle();
    });
    own.queue(&work);
    others.iter().for_each(|work| {
        own.queue(work);
    });
    drop(work);
    dawdle();
    drop(own);
    assert!(gone.wait_as(Sleep::Uninterruptible, Some(time::monotonic() + LONG)).is_ok(), "the worker waits for itself");
}

pub(crate) fn destroy_with_delayed() {
    let runs = Arc::new(AtomicU64::new(0));
    let theirs = runs.clone();
    let work = DelayedWork::from_fn("delayed", move |_| {
        theirs.fetch_add(1, SeqCst);
    });
    for round in 0..4 {
        let own = queue(flags(), 0);
        own.queue_delayed(&work, 1 + random(3 * time::JIFFY));
        sched::sleep_for(random(3 * time::JIFFY));
        own.destroy();
        let before = runs.load(SeqCst);
        match round % 3 {
            0 => {
                work.flush();
            }
            1 => {
                work.cancel_sync();
            }
            _ => sched::sleep_for(random(20 * time::JIFFY)),
        }
        assert!(runs.load(SeqCst) - before <= 1);
        // It can be queued again.
        let before = runs.load(SeqCst);
        if system_wq().mod_delayed(&work, random(2) * time::JIFFY) {
            dawdle();
        }
        work.flush();
        assert!(runs.load(SeqCst) > before, "not usable any more");
    }
    assert!(work.into_inner().is_ok());
}

pub(crate) fn hotplug_in_flush() {
    let all = cpus();
    let Some(&cpu) = all.get(1 + random(all.len().max(2) as u64 - 1) as usize) else { return };
    let own = Arc::new(queue(flags() | WqFlags::MEM_RECLAIM, 1 + random(3) as u32));
    let over = Arc::new(AtomicBool::new(false));
    let (o, q) = (over.clone(), own.clone());
    let flusher = spawn("flusher", move |_| {
        while !o.load(SeqCst) {
            q.flush();
            dawdle();
        }
        q.drain();
        0
    });
    let runs = Arc::new(AtomicU64::new(0));
    let works: Vec<_> = (0..6)
        .map(|_| {
            let runs = runs.clone();
            let left = AtomicU64::new(0);
            Work::from_fn("travels", move |me| {
                dawdle();
                runs.fetch_add(1, SeqCst);
                if left.fetch_add(1, SeqCst) % 3 != 0 {
                    me.requeue();
                }
            })
        })
        .collect();
    let mut taken = 0;
    for _ in 0..3 {
        for work in &works {
            taken += u64::from(own.queue_on(cpu, work));
        }
        hotplug::down(cpu).expect("it is not the last");
        for work in &works {
            taken += u64::from(own.queue_on(cpu, work));
        }
        own.flush();
        hotplug::up(cpu).expect("it was there before");
        own.flush();
    }
    over.store(true, SeqCst);
    join_all(Vec::from([flusher]));
    assert!(runs.load(SeqCst) >= taken);
    drop(works);
}

pub(crate) fn panic_while_waited_for() {
    expect_oopses(1);
    let own = Arc::new(queue(flags(), 1 + random(2) as u32));
    let work = Arc::new(Work::from_fn("deadly", |_| {
        dawdle();
        panic!("this item is meant to panic")
    }));
    let behind: Vec<_> = (0..3).map(|_| Work::from_fn("behind", |_| dawdle())).collect();
    own.queue(&work);
    behind.iter().for_each(|work| {
        own.queue(work);
    });
    let waiters: Vec<_> = (0..3)
        .map(|which| {
            let (own, work) = (own.clone(), work.clone());
            spawn("waiter", move |_| {
                dawdle();
                match which {
                    0 => {
                        work.flush();
                    }
                    1 => own.flush(),
                    _ => own.drain(),
                }
                0
            })
        })
        .collect();
    join_all(waiters);
    behind.iter().for_each(|work| {
        work.flush();
    });
    work.cancel_sync();
    own.flush();
}

pub(crate) fn requeue_in_cancel() {
    let own = queue(flags(), 1 + random(2) as u32);
    let runs = Arc::new(AtomicU64::new(0));
    let theirs = runs.clone();
    let work = Arc::new(DelayedWork::from_fn("again", move |me| {
        theirs.fetch_add(1, SeqCst);
        dawdle();
        match random(2) {
            0 => me.requeue(),
            _ => me.requeue_after(random(time::JIFFY)),
        };
        dawdle();
    }));
    own.queue_delayed(&work, random(time::JIFFY));
    let cancellers: Vec<_> = (0..2)
        .map(|_| {
            let work = work.clone();
            spawn("canceller", move |_| {
                sched::sleep_for(random(2 * time::JIFFY));
                work.cancel_sync();
                work.cancel_sync();
                0
            })
        })
        .collect();
    join_all(cancellers);
    let after = runs.load(SeqCst);
    assert!(!work.is_busy());
    sched::sleep_for(5 * time::JIFFY);
    assert_eq!(runs.load(SeqCst), after, "it came back");
    own.destroy();
}

