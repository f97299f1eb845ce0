//! Workqueues in the moments between two of an item's places, and with more than one of a pool's workers awake.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use fault::{Plan, Point, When};
use kthread::freezer::{self, Scope};
use sched::Completion;
use workqueue::{
    DelayedWork, Work, WqFlags, schedule_work, system_unbound_wq, system_wq, watchdog,
};

use super::{Count, queue, wait_until};
use crate::tools::{
    cpus, dawdle, ensure, go_anywhere, in_one_of_some_tries, join_all, random, spawn,
};

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
    // More than once: the first time, workers that were just made are awake anyway.
    for _ in 0..4 {
        let unbound = meeting(3);
        unbound.iter().for_each(|work| {
            system_unbound_wq().queue(work);
        });
        unbound.iter().for_each(|work| {
            work.flush();
        });
    }
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

/// Workers are made for a CPU while it goes and comes: in the end all of them are bound to it.
pub(crate) fn workers_join_while_their_cpu_goes() {
    let all = cpus();
    let Some(&cpu) = all.get(1 + random(all.len().max(2) as u64 - 1) as usize) else { return };
    let may = Arc::new(Completion::new());
    let blocked: Arc<[_]> = (0..8)
        .map(|_| {
            let may = may.clone();
            Work::from_fn("blocks", move |_| may.wait())
        })
        .collect();
    let theirs = blocked.clone();
    let queuer = spawn("queuer", move |_| {
        for work in &*theirs {
            system_wq().queue_on(cpu, work);
            dawdle();
        }
        0
    });
    for _ in 0..2 {
        hotplug::down(cpu).expect("it is not the last");
        (0..random(60)).for_each(|_| machine::cpu::relax());
        hotplug::up(cpu).expect("it was there before");
    }
    join_all(alloc::vec![queuer]);
    wait_until(|| blocked.iter().all(|work| !work.is_pending()));
    // Each of them goes on to one of these, and blocks there as well, so that all of them have one.
    let (astray, again) = (Arc::new(AtomicUsize::new(0)), Arc::new(Completion::new()));
    let there: Vec<_> = (0..8)
        .map(|_| {
            let (astray, again) = (astray.clone(), again.clone());
            Work::from_fn("looks", move |_| {
                astray.fetch_add((machine::cpu::id() != cpu).into(), SeqCst);
                again.wait();
                astray.fetch_add((machine::cpu::id() != cpu).into(), SeqCst);
            })
        })
        .collect();
    there.iter().for_each(|work| {
        system_wq().queue_on(cpu, work);
    });
    may.complete_all();
    wait_until(|| there.iter().all(|work| !work.is_pending()));
    again.complete_all();
    blocked.iter().for_each(|work| {
        work.flush();
    });
    there.iter().for_each(|work| {
        work.flush();
    });
    assert_eq!(astray.load(SeqCst), 0, "a worker ran on another CPU than its own");
}

/// Work that comes after a pool has called for rescuers once is rescued as well, for as long as no worker can be made.
pub(crate) fn rescued_again() {
    let own = queue(WqFlags::MEM_RECLAIM, 0);
    let cpu = cpus()[random(cpus().len() as u64) as usize];
    let done = Arc::new(Completion::new());
    let blockers: Vec<_> = (0..workqueue::workers_of(cpu) + 2)
        .map(|_| {
            let done = done.clone();
            Work::from_fn("blocked", move |_| done.wait())
        })
        .collect();
    let rescued = Arc::new(AtomicUsize::new(0));
    let savers: Vec<_> = (0..3)
        .map(|_| {
            let rescued = rescued.clone();
            Work::from_fn("saver", move |_| {
                rescued.fetch_add(workqueue::current_is_rescuer().into(), SeqCst);
            })
        })
        .collect();
    fault::arm(Plan { point: Some(Point::Task), when: When::From(1) });
    blockers.iter().for_each(|work| {
        system_wq().queue_on(cpu, work);
    });
    for saver in &savers {
        own.queue_on(cpu, saver);
        saver.flush();
        sched::sleep_for(random(200 * time::MILLISECOND));
    }
    let report = fault::disarm();
    done.complete_all();
    assert_eq!(rescued.load(SeqCst), 3, "a worker did it, with {} failures", report.failed);
    blockers.iter().for_each(|work| {
        work.flush();
    });
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
    in_one_of_some_tries(not_reported_while_it_goes_on);
}

fn not_reported_while_it_goes_on() -> Result<(), String> {
    // Seconds. A busy host may hold a real machine up for the other half of it.
    const THRESHOLD: u64 = if cfg!(target_os = "none") { 2 } else { 1 };
    let before = watchdog::reports();
    watchdog::set_threshold(THRESHOLD);
    watchdog::start();
    let cpu = cpus()[0];
    let queue = queue(WqFlags::empty(), 0);
    let works: Vec<_> = (0..6)
        .map(|_| {
            Work::from_fn("slow", |_| {
                crate::tools::spin_until(time::monotonic() + THRESHOLD * time::SECOND / 2);
            })
        })
        .collect();
    works.iter().for_each(|work| {
        queue.queue_on(cpu, work);
    });
    queue.flush();
    watchdog::set_threshold(0);
    ensure!(watchdog::reports() == before, "a pool that goes on was reported");
    Ok(())
}

/// Two make a queue on the same new pool at once, and the pool's first worker cannot be made: who gets a queue gets one with a worker.
pub(crate) fn first_worker_cannot_be_made() {
    const LONG: u64 = 100 * time::SECOND;
    let go = Arc::new(AtomicBool::new(false));
    let stuck = Arc::new(AtomicU64::new(0));
    let makers: Vec<_> = (0..2)
        .map(|_| {
            let (stuck, go) = (stuck.clone(), go.clone());
            spawn("maker", move |_| {
                while !go.load(SeqCst) {
                    sched::sleep_for(time::MICROSECOND);
                }
                dawdle();
                let made = workqueue::alloc_workqueue(
                    format_args!("scenario"),
                    WqFlags::UNBOUND | WqFlags::HIGHPRI,
                    0,
                );
                let Ok(queue) = made else { return 0 };
                let done = Arc::new(Completion::new());
                let said = done.clone();
                let work = Work::from_fn("says so", move |_| said.complete());
                assert!(queue.queue(&work));
                let deadline = time::monotonic() + LONG;
                if done.wait_as(sched::Sleep::Uninterruptible, Some(deadline)).is_err() {
                    stuck.fetch_add(1, SeqCst);
                    // Its end would wait for what never runs.
                    core::mem::forget(queue);
                }
                0
            })
        })
        .collect();
    fault::arm(Plan { point: Some(Point::KernelStack), when: When::Nth(1) });
    go.store(true, SeqCst);
    join_all(makers);
    fault::disarm();
    assert_eq!(stuck.load(SeqCst), 0, "a queue has no worker");
}
