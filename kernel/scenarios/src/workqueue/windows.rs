//! Workqueues in the moments between two of an item's places, and with more than one of a pool's workers awake.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use kthread::freezer::{self, Scope};
use sched::Completion;
use workqueue::{
    DelayedWork, Work, WqFlags, schedule_work, system_unbound_wq, system_wq, watchdog,
};

use super::{Count, queue, wait_until};
use crate::softirqs::go_anywhere;
use crate::tools::{SLACK, cpus, random};

/// A timer that is taken back and started anew while its function is on its way does not queue the item before the new time.
pub(crate) fn never_early() {
    const AGAIN: u64 = 20 * time::MILLISECOND;
    let ran_at = Arc::new(AtomicU64::new(0));
    let said = ran_at.clone();
    let work = DelayedWork::from_fn("punctual", move |_| said.store(time::monotonic(), SeqCst));
    for _ in 0..6 {
        let delay = 1 + random(8 * time::MILLISECOND);
        system_wq().queue_delayed(&work, delay);
        // The wheel fires at the first jiffy that begins at its time or later, on the CPU where it was started.
        let due = (time::monotonic() + delay).next_multiple_of(time::JIFFY);
        go_anywhere();
        sched::sleep_until(due.saturating_sub(random(2_000)));
        let until = due + random(4_000);
        while time::monotonic() < until && random(6) != 0 {
            machine::cpu::relax();
        }
        if work.cancel() {
            ran_at.store(0, SeqCst);
            let not_before = time::monotonic() + AGAIN;
            assert!(system_wq().queue_delayed(&work, AGAIN));
            sched::sleep_for(AGAIN);
            wait_until(|| ran_at.load(SeqCst) != 0);
            assert!(ran_at.load(SeqCst) >= not_before, "it was queued by the timer's last start");
        }
        work.cancel_sync();
    }
}

/// An item that queues itself at the very moment at which it is cancelled is cancelled.
pub(crate) fn cancelled_while_it_queues_itself() {
    for _ in 0..12 {
        let runs = Arc::new(AtomicU64::new(0));
        let counted = runs.clone();
        let work = Work::from_fn("itself", move |running| {
            counted.fetch_add(1, SeqCst);
            (0..random(3)).for_each(|_| machine::cpu::relax());
            running.requeue();
        });
        assert!(if random(2) == 0 {
            schedule_work(&work)
        } else {
            system_unbound_wq().queue(&work)
        });
        go_anywhere();
        (0..random(30)).for_each(|_| machine::cpu::relax());
        work.cancel_sync();
        assert!(!work.is_busy(), "it is queued although it was cancelled");
        let seen = runs.load(SeqCst);
        (0..random(10)).for_each(|_| machine::cpu::relax());
        assert_eq!(runs.load(SeqCst), seen, "it runs although it was cancelled");
    }
}

/// A worker that goes on after it has blocked does not share its CPU with the one that has taken its place.
pub(crate) fn one_goes_on_after_a_block() {
    let cpu = cpus()[0];
    let count = Arc::new(Count::default());
    let may = Arc::new(Completion::new());
    let theirs = may.clone();
    let blocks = Work::from_fn("blocks", move |_| theirs.wait());
    let spins: Vec<_> = (0..12)
        .map(|turn| {
            let (count, may) = (count.clone(), may.clone());
            Work::from_fn("spins", move |_| {
                count.enter();
                if turn == 1 {
                    may.complete();
                }
                // For long enough that it is preempted, if there is somebody else.
                crate::tools::spin_until(time::monotonic() + 10 * time::MILLISECOND);
                count.leave();
            })
        })
        .collect();
    system_wq().queue_on(cpu, &blocks);
    spins.iter().for_each(|work| {
        system_wq().queue_on(cpu, work);
    });
    blocks.flush();
    spins.iter().for_each(|work| {
        work.flush();
    });
    assert_eq!(count.runs(), 12);
    assert_eq!(count.most(), 1, "a CPU was divided among items that do not block");
}

/// Items that use the CPU until all of them are there.
fn meeting(of: usize) -> Vec<Work<impl Fn(&workqueue::Running<'_>) + Send + Sync + 'static>> {
    let arrived = Arc::new(AtomicUsize::new(0));
    (0..of)
        .map(|_| {
            let arrived = arrived.clone();
            Work::from_fn("meets", move |_| {
                arrived.fetch_add(1, SeqCst);
                while arrived.load(SeqCst) < of {
                    machine::cpu::relax();
                }
            })
        })
        .collect()
}

/// Unbound items that do not block run at once, and so do those of a CPU that is gone.
pub(crate) fn busy_items_run_at_once() {
    let unbound = meeting(3);
    unbound.iter().for_each(|work| {
        system_unbound_wq().queue(work);
    });
    unbound.iter().for_each(|work| {
        work.flush();
    });
    let all = cpus();
    let Some(&cpu) = all.get(1 + random(all.len().max(2) as u64 - 1) as usize) else { return };
    hotplug::down(cpu).expect("it is not the last");
    let orphaned = meeting(3);
    orphaned.iter().for_each(|work| {
        system_wq().queue_on(cpu, work);
    });
    orphaned.iter().for_each(|work| {
        work.flush();
    });
    hotplug::up(cpu).expect("it was there before");
}

/// Timers queue items while their queue is being destroyed: each is done or not accepted, and the queue goes empty.
pub(crate) fn destroyed_while_timers_queue() {
    for _ in 0..3 {
        let own = queue(WqFlags::empty(), 1);
        let count = Arc::new(Count::default());
        let works: Vec<_> = (0..4)
            .map(|_| {
                let count = count.clone();
                DelayedWork::from_fn("late", move |_| {
                    count.enter();
                    (0..random(6)).for_each(|_| machine::cpu::relax());
                    count.leave();
                })
            })
            .collect();
        let now = time::monotonic();
        works.iter().for_each(|work| {
            own.queue_delayed(work, 1 + random(2 * time::JIFFY));
        });
        let jiffy = (now + random(2 * time::JIFFY)).next_multiple_of(time::JIFFY);
        sched::sleep_until(jiffy.saturating_sub(random(3_000)));
        own.destroy();
        works.iter().for_each(|work| {
            work.cancel_sync();
        });
    }
}

/// A queue that is made while the system is frozen stands still as well.
pub(crate) fn made_in_a_freeze() {
    freezer::freeze(Scope::All).expect("everybody comes");
    let own = queue(WqFlags::FREEZABLE, 0);
    let ran = Arc::new(AtomicBool::new(false));
    let said = ran.clone();
    let work = Work::from_fn("cold", move |_| said.store(true, SeqCst));
    assert!(own.queue(&work), "queueing works");
    sched::sleep_for(time::MILLISECOND);
    assert!(!ran.load(SeqCst), "an item of a frozen queue ran");
    freezer::thaw();
    work.flush();
    assert!(ran.load(SeqCst));
}

/// A pool that is busy for long, with one item after the other, is not stuck.
pub(crate) fn progress_is_no_stall() {
    let before = watchdog::reports();
    watchdog::set_threshold(SLACK);
    watchdog::start();
    let cpu = cpus()[0];
    let works: Vec<_> = (0..8)
        .map(|_| {
            Work::from_fn("slow", |_| {
                crate::tools::spin_until(time::monotonic() + SLACK * time::SECOND / 2);
            })
        })
        .collect();
    works.iter().for_each(|work| {
        system_wq().queue_on(cpu, work);
    });
    works.iter().for_each(|work| {
        work.flush();
    });
    watchdog::set_threshold(0);
    assert_eq!(watchdog::reports(), before, "a pool that goes on was reported");
}
