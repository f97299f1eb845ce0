//! Pools: how many workers there are, and what happens when there are too few.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use sched::Completion;
use workqueue::{Work, schedule_work, system_highpri_wq, system_unbound_wq, system_wq, watchdog};

use super::{Count, wait_until};
use crate::tools::{PATIENCE, cpus, dawdle, random};

/// The first item blocks until the second, on the same CPU, has run.
pub(crate) fn blocked_worker_is_replaced() {
    // More than once: the first time, a worker that was just made is awake anyway.
    for cpu in cpus().into_iter().cycle().take(3 * cpus().len()) {
        let done = Arc::new(Completion::new());
        let (theirs, ours) = (done.clone(), done.clone());
        let waits = Work::from_fn("waits", move |_| theirs.wait());
        let helps = Work::from_fn("helps", move |_| {
            dawdle();
            ours.complete();
        });
        assert!(system_wq().queue_on(cpu, &waits));
        dawdle();
        assert!(system_wq().queue_on(cpu, &helps));
        waits.flush();
        helps.flush();
    }
}

/// Items that do not block run one after the other on their CPU.
pub(crate) fn one_runs_at_a_time() {
    let cpu = cpus()[0];
    let count = Arc::new(Count::default());
    let works: Vec<_> = (0..6)
        .map(|_| {
            let count = count.clone();
            Work::from_fn("spins", move |_| {
                count.enter();
                (0..random(30)).for_each(|_| machine::cpu::relax());
                count.leave();
            })
        })
        .collect();
    for _ in 0..3 {
        for work in &works {
            system_wq().queue_on(cpu, work);
            dawdle();
        }
        works.iter().for_each(|work| {
            work.flush();
        });
    }
    assert_eq!(count.most(), 1, "a CPU was divided among items that do not block");
}

/// Unbound items run at once: four that wait for each other get on.
pub(crate) fn unbound_run_at_once() {
    let arrived = Arc::new(AtomicUsize::new(0));
    let works: Vec<_> = (0..4)
        .map(|_| {
            let arrived = arrived.clone();
            Work::from_fn("meets", move |_| {
                arrived.fetch_add(1, SeqCst);
                wait_until(|| arrived.load(SeqCst) == 4);
            })
        })
        .collect();
    works.iter().for_each(|work| {
        system_unbound_wq().queue(work);
    });
    works.iter().for_each(|work| {
        work.flush();
    });
}

/// Workers are made while items block, and go when they have had nothing to do for five minutes.
pub(crate) fn workers_come_and_go() {
    const ITEMS: usize = 12;
    // On a real machine five minutes are five minutes.
    let timeout = if cfg!(target_os = "none") { time::SECOND } else { 300 * time::SECOND };
    workqueue::set_idle_timeout(timeout);
    let cpu = cpus()[0];
    let before = workqueue::workers_of(cpu);
    let may = Arc::new(AtomicBool::new(false));
    let begun = Arc::new(AtomicUsize::new(0));
    let works: Vec<_> = (0..ITEMS)
        .map(|_| {
            let (may, begun) = (may.clone(), begun.clone());
            Work::from_fn("blocks", move |_| {
                begun.fetch_add(1, SeqCst);
                wait_until(|| may.load(SeqCst));
            })
        })
        .collect();
    works.iter().for_each(|work| {
        system_wq().queue_on(cpu, work);
    });
    wait_until(|| begun.load(SeqCst) == ITEMS);
    let most = workqueue::workers_of(cpu);
    assert!(most > ITEMS, "{most} workers for {ITEMS} items that block, and one in reserve");
    may.store(true, SeqCst);
    works.iter().for_each(|work| {
        work.flush();
    });
    let deadline = time::monotonic() + 3 * timeout + PATIENCE;
    while workqueue::workers_of(cpu) > before.max(4) {
        assert!(time::monotonic() < deadline, "{} workers stay", workqueue::workers_of(cpu));
        sched::sleep_for(timeout / 10);
    }
    workqueue::set_idle_timeout(300 * time::SECOND);
}

fn name_of_mine() -> String {
    let name = workqueue::worker_name(&sched::current()).expect("this is a worker");
    String::from_utf8(name.as_bytes().into()).expect("names are text")
}

/// `kworker/CPU:ID`, `H`, `kworker/uPOOL:ID`, with the queue behind.
pub(crate) fn names() {
    let cpu = cpus()[cpus().len() - 1];
    let name_on = |queue: &workqueue::WorkQueue| {
        let done = Arc::new(Completion::new());
        let name = Arc::new(sync::Once::new());
        let (said, seen) = (done.clone(), name.clone());
        let work = Work::from_fn("named", move |_| {
            // Run once.
            let _ = seen.set((name_of_mine(), sched::current_ref()));
            said.complete();
        });
        queue.queue_on(cpu, &work);
        done.wait();
        work.flush();
        let (name, task) = name.get().expect("it ran").clone();
        let after = workqueue::worker_name(&task);
        let after = after.map(|after| String::from_utf8_lossy(after.as_bytes()).into_owned());
        (name, after, task)
    };
    let (name, after, task) = name_on(system_wq());
    let bare = task.comm();
    assert!(name.starts_with(&format!("kworker/{cpu}:")), "{name}");
    assert!(name.ends_with("+events"), "{name}");
    assert_eq!(name, format!("{bare}+events"));
    // Afterwards the name says what it did last, unless it has found something else to do meanwhile.
    if let Some(after) = after {
        assert!(after.starts_with(&format!("{bare}")), "{after}");
    }
    let (name, ..) = name_on(system_highpri_wq());
    assert!(name.starts_with(&format!("kworker/{cpu}:")), "{name}");
    assert!(name.ends_with("H+events_highpri"), "{name}");
    let (name, _, task) = name_on(system_unbound_wq());
    let first = machine::cpu::count() * 2;
    assert!(name.starts_with("kworker/u"), "{name}");
    let pool: usize = name["kworker/u".len()..].split(':').next().unwrap().parse().unwrap();
    assert!(pool >= first, "{name}: the numbers below are the CPUs' pools");
    assert!(name.ends_with("+events_unbound"), "{name}");
    assert!(workqueue::worker_name(&sched::current()).is_none());
    assert_eq!(task.attributes().nice, 0);
}

/// A CPU goes with work queued and running on it, and comes back.
pub(crate) fn cpu_goes_with_work() {
    let all = cpus();
    let Some(&cpu) = all.get(1 + random(all.len().max(2) as u64 - 1) as usize) else { return };
    let runs = Arc::new(AtomicU64::new(0));
    let works: Vec<_> = (0..5)
        .map(|_| {
            let runs = runs.clone();
            Work::from_fn("travels", move |_| {
                dawdle();
                dawdle();
                runs.fetch_add(1, SeqCst);
            })
        })
        .collect();
    for round in 0..2 {
        works.iter().for_each(|work| {
            assert!(system_wq().queue_on(cpu, work));
        });
        hotplug::down(cpu).expect("it is not the last");
        works.iter().for_each(|work| {
            work.flush();
        });
        assert_eq!(runs.load(SeqCst), 10 * round + 5);
        // Queued on a CPU that is gone, done elsewhere.
        works.iter().for_each(|work| {
            assert!(system_wq().queue_on(cpu, work));
        });
        dawdle();
        hotplug::up(cpu).expect("it was there before");
        works.iter().for_each(|work| {
            work.flush();
        });
        assert_eq!(runs.load(SeqCst), 10 * round + 10);
        let there = workqueue::work_on_cpu(cpu, || {
            let first = machine::cpu::id();
            dawdle();
            (first, machine::cpu::id())
        });
        assert_eq!(there, Ok((cpu, cpu)), "its workers are bound to it again");
    }
}

/// A worker that runs on and on with others waiting behind it is reported.
pub(crate) fn stall_is_reported() {
    let before = watchdog::reports();
    watchdog::set_threshold(1);
    watchdog::start();
    let cpu = cpus()[0];
    let hog = Work::from_fn("hog", move |_| {
        // Three looks, and on a real machine for as long as it takes.
        let deadline = time::monotonic() + 4 * time::SECOND + PATIENCE;
        while watchdog::reports() == before && time::monotonic() < deadline {
            crate::tools::spin_until(time::monotonic() + time::MILLISECOND);
            sched::yield_now();
        }
    });
    let behind = Work::from_fn("behind", |_| {});
    system_wq().queue_on(cpu, &hog);
    wait_until(|| !hog.is_pending());
    system_wq().queue_on(cpu, &behind);
    hog.flush();
    behind.flush();
    watchdog::set_threshold(0);
    assert!(watchdog::reports() > before, "the stall was not seen");
    schedule_work(&behind);
    behind.flush();
}
