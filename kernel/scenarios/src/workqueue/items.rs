//! Items: where, when and how often they run.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use errno::Errno;
use sched::Completion;
use time::Timer;
use workqueue::{
    DelayedWork, Running, Work, WqFlags, schedule_work, system_highpri_wq, system_unbound_wq,
    system_wq,
};

use super::{Count, Dawdler, queue, wait_until};
use crate::tools::{cpus, dawdle, expect_oopses, join_all, random, spawn};

pub(crate) fn never_twice_at_once() {
    let count = Arc::new(Count::default());
    let work = Arc::new(Work::new(Dawdler(count.clone())));
    let accepted = Arc::new(AtomicU64::new(0));
    let queuers: Vec<_> = (0..3)
        .map(|_| {
            let (work, accepted) = (work.clone(), accepted.clone());
            spawn("queuer", move |_| {
                for _ in 0..5 {
                    let all = cpus();
                    let cpu = all[random(all.len() as u64) as usize];
                    let queued = match random(3) {
                        0 => system_wq().queue_on(cpu, &work),
                        1 => system_highpri_wq().queue_on(cpu, &work),
                        _ => system_unbound_wq().queue(&work),
                    };
                    accepted.fetch_add(queued.into(), SeqCst);
                    dawdle();
                }
                0
            })
        })
        .collect();
    join_all(queuers);
    work.flush();
    assert!(!work.is_busy());
    assert_eq!(count.most(), 1, "an item ran twice at once");
    assert_eq!(count.runs(), accepted.load(SeqCst), "an item was lost, or ran once too often");
}

pub(crate) fn again_if_queued_while_running() {
    let (started, go_on) = (Arc::new(Completion::new()), Arc::new(Completion::new()));
    let runs = Arc::new(AtomicU64::new(0));
    let work = {
        let (started, go_on, runs) = (started.clone(), go_on.clone(), runs.clone());
        Work::from_fn("again", move |_| {
            runs.fetch_add(1, SeqCst);
            started.complete();
            go_on.wait();
        })
    };
    assert!(schedule_work(&work));
    started.wait();
    assert!(work.is_busy() && !work.is_pending());
    // On whatever CPU this is by now.
    assert!(schedule_work(&work), "an item that runs can be queued");
    assert!(!schedule_work(&work), "but once");
    go_on.complete();
    started.wait();
    go_on.complete();
    work.flush();
    assert_eq!(runs.load(SeqCst), 2);
    assert!(!work.flush(), "there is nothing to wait for");
}

pub(crate) fn queues_itself() {
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let work = Work::from_fn("itself", move |running| {
        if counted.fetch_add(1, SeqCst) < 4 {
            assert!(running.requeue());
            assert!(!running.requeue(), "it is pending");
        }
        dawdle();
    });
    let unbound = queue(WqFlags::UNBOUND, 0);
    for all in [system_wq(), &unbound] {
        runs.store(0, SeqCst);
        assert!(all.queue(&work));
        wait_until(|| runs.load(SeqCst) == 5);
        work.flush();
    }
}

pub(crate) fn from_an_interrupt() {
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let work = Arc::new(Work::from_fn("interrupt", move |_| {
        counted.fetch_add(1, SeqCst);
    }));
    let accepted = Arc::new(AtomicU64::new(0));
    let timers: Vec<_> = (0..4)
        .map(|turn| {
            let (work, accepted) = (work.clone(), accepted.clone());
            let timer = Timer::new(move || {
                let queued = if turn % 2 == 0 {
                    schedule_work(&work)
                } else {
                    system_unbound_wq().queue(&work)
                };
                accepted.fetch_add(queued.into(), SeqCst);
            });
            timer.start(time::monotonic() + random(50_000));
            timer
        })
        .collect();
    wait_until(|| timers.iter().all(|timer| !timer.is_pending()));
    timers.iter().for_each(|timer| {
        timer.cancel_sync();
    });
    work.flush();
    assert_eq!(runs.load(SeqCst), accepted.load(SeqCst));
    assert!(runs.load(SeqCst) >= 1);
}

pub(crate) fn come_back() {
    struct Total(AtomicUsize);
    impl workqueue::WorkItem for Total {
        fn run(&self, running: &workqueue::Running<'_>) {
            self.0.fetch_add(1, SeqCst);
            dawdle();
            running.requeue();
        }
    }
    let work = Work::new(Total(AtomicUsize::new(0)));
    assert!(schedule_work(&work));
    dawdle();
    // It queues itself for ever, until it is taken back.
    let Ok(total) = work.into_inner() else { panic!("nobody died in it") };
    let seen = total.0.load(SeqCst);
    dawdle();
    assert_eq!(total.0.load(SeqCst), seen, "it ran after it had come back");
    // And what is dropped while it is queued is done all the same.
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    schedule_work(&Work::from_fn("dropped", move |_| {
        counted.fetch_add(1, SeqCst);
    }));
    wait_until(|| runs.load(SeqCst) == 1);
}

pub(crate) fn delayed() {
    // Longer than any host may hold this up.
    const LONG: u64 = 1000 * time::SECOND;
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let work = DelayedWork::from_fn("delayed", move |_| {
        counted.fetch_add(1, SeqCst);
    });
    let start = time::monotonic();
    assert!(system_wq().queue_delayed(&work, time::MILLISECOND));
    assert!(!system_wq().queue_delayed(&work, time::MILLISECOND), "it is pending");
    wait_until(|| runs.load(SeqCst) == 1);
    assert!(time::monotonic() - start >= time::MILLISECOND, "the delay was cut short");
    work.flush();
    // Sooner, later, at once.
    let start = time::monotonic();
    assert!(system_wq().queue_delayed(&work, LONG));
    assert!(system_unbound_wq().mod_delayed(&work, 2 * time::MILLISECOND));
    wait_until(|| runs.load(SeqCst) == 2);
    let took = time::monotonic() - start;
    assert!((2 * time::MILLISECOND..LONG).contains(&took), "it took {took}");
    work.flush();
    assert!(!system_wq().mod_delayed(&work, LONG), "it was idle");
    let start = time::monotonic();
    assert!(work.flush(), "what the timer would queue is queued at once");
    assert_eq!(runs.load(SeqCst), 3);
    assert!(time::monotonic() - start < LONG);
    assert!(system_wq().queue_delayed(&work, LONG));
    assert!(work.cancel() && !work.cancel());
    assert!(!work.is_busy());
    assert!(system_wq().queue_delayed(&work, 0), "no delay: queued at once");
    work.flush();
    assert_eq!(runs.load(SeqCst), 4);
    // For a CPU.
    let cpu = crate::tools::cpus()[0];
    assert!(system_wq().queue_delayed_on(cpu, &work, LONG));
    assert!(system_wq().mod_delayed_on(cpu, &work, time::MILLISECOND));
    wait_until(|| runs.load(SeqCst) == 5);
    work.flush();
}

/// An item puts itself off until it has been done three times.
pub(crate) fn puts_itself_off() {
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let work = DelayedWork::from_fn("again later", move |running: &Running<'_>| {
        if counted.fetch_add(1, SeqCst) < 2 {
            assert!(running.requeue_after(time::MILLISECOND), "nobody else queues it");
        }
    });
    let start = time::monotonic();
    assert!(system_wq().queue_delayed(&work, 0));
    // It is done although nobody holds it.
    drop(work);
    wait_until(|| runs.load(SeqCst) == 3);
    assert!(time::monotonic() - start >= 2 * time::MILLISECOND, "a delay was cut short");
}

pub(crate) fn panicking() {
    expect_oopses(3);
    let work = Work::from_fn("unlucky", |_| panic!("this item is meant to panic"));
    assert!(schedule_work(&work));
    work.flush();
    // The pool goes on.
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let other = Work::from_fn("lucky", move |_| {
        dawdle();
        counted.fetch_add(1, SeqCst);
    });
    for _ in 0..3 {
        schedule_work(&other);
        other.flush();
    }
    assert_eq!(runs.load(SeqCst), 3);
    assert!(work.into_inner().is_err(), "what it held is lost");
    // A queue that it belongs to does not wait for it for ever.
    let own = queue(WqFlags::UNBOUND, 1);
    let again = Work::from_fn("unlucky", |_| panic!("this item is meant to panic"));
    own.queue(&again);
    own.queue(&other);
    own.flush();
    own.destroy();
    assert_eq!(runs.load(SeqCst), 4);
    // A flush that began while it ran waits for that run, and not for the one that it has queued since.
    let own = queue(WqFlags::empty(), 0);
    let turns = Arc::new(AtomicU64::new(0));
    let counted = turns.clone();
    let twice = Work::from_fn("unlucky once", move |running| {
        if counted.fetch_add(1, SeqCst) == 0 {
            dawdle();
            assert!(running.requeue());
            panic!("this item is meant to panic once");
        }
    });
    own.queue(&twice);
    wait_until(|| turns.load(SeqCst) != 0);
    own.flush();
    twice.flush();
    own.destroy();
    assert_eq!(turns.load(SeqCst), 2);
}

pub(crate) fn work_on_cpu() {
    for cpu in cpus() {
        let seen = workqueue::work_on_cpu(cpu, || {
            let before = machine::cpu::id();
            dawdle();
            (before, machine::cpu::id(), workqueue::current_is_worker())
        });
        assert_eq!(seen, Ok((cpu, cpu, true)));
    }
    assert_eq!(workqueue::work_on_cpu(machine::MAX_CPUS, || ()), Err(Errno::EINVAL));
}

/// An item returns with preemption or interrupts off. That ends the kernel by name: whatever its worker did next would fail for it.
#[cfg(not(target_os = "none"))]
pub(crate) fn returns_in_atomic() {
    crate::tools::expect_panic(RETURNED_IN_ATOMIC);
    let careless = Work::from_fn("careless", |_| leave_a_section_open());
    schedule_work(&careless);
    careless.flush();
    machine::sim::fail("the worker went on");
}

/// What the kernel says of an item of this name that returns so.
#[cfg(not(target_os = "none"))]
pub(super) const RETURNED_IN_ATOMIC: &str =
    "workqueue: careless returned with preemption or interrupts off";

#[cfg(not(target_os = "none"))]
pub(super) fn leave_a_section_open() {
    if random(2) == 0 {
        core::mem::forget(sync::PreemptGuard::new());
    } else {
        core::mem::forget(sync::IrqGuard::new());
    }
}
