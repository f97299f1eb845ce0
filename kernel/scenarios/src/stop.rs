//! Stopping threads.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use kthread::{Builder, Exit};
use sched::{Attributes, CpuMask, Policy};

use crate::tools::{PATIENCE, cpus, dawdle, random, spawn};

pub(crate) fn returns_the_result() {
    let thread = spawn("counter", |this| {
        let mut turns = 0;
        while !this.should_stop() {
            turns += 1;
            dawdle();
        }
        turns.max(1)
    });
    dawdle();
    match thread.stop() {
        Exit::Returned(turns) => assert!(turns >= 1),
        // Stopped so soon that the function was not entered.
        Exit::NeverRan => {}
        Exit::Panicked => panic!("the thread panicked"),
    }
}

pub(crate) fn of_an_unwoken_thread() {
    let ran = Arc::new(AtomicBool::new(false));
    let seen = ran.clone();
    let created = Builder::new(format_args!("never"))
        .create(move |_| {
            seen.store(true, Ordering::SeqCst);
            0
        })
        .expect("a thread can be made");
    dawdle();
    if random(2) == 0 {
        assert_eq!(created.stop(), Exit::NeverRan);
    } else {
        drop(created);
    }
    assert!(!ran.load(Ordering::SeqCst), "it ran though it was never woken");
    assert_eq!(Arc::strong_count(&ran), 1, "its function was not freed");
}

pub(crate) fn against_first_wake() {
    let ran = Arc::new(AtomicBool::new(false));
    let seen = ran.clone();
    let thread = spawn("quick", move |this| {
        seen.store(true, Ordering::SeqCst);
        while !this.should_stop() {
            this.sleep(time::SECOND);
        }
        3
    });
    (0..random(30)).for_each(|_| machine::cpu::relax());
    let exit = thread.stop();
    let expected = if ran.load(Ordering::SeqCst) { Exit::Returned(3) } else { Exit::NeverRan };
    assert_eq!(exit, expected);
}

/// Asked to stop on its way to a long sleep, a thread does not sleep.
pub(crate) fn against_long_sleep() {
    const FAR: u64 = 100_000 * time::SECOND;
    for _ in 0..6 {
        let begins = Arc::new(AtomicBool::new(false));
        let says = begins.clone();
        let thread = spawn("sleeper", move |this| {
            while !this.should_stop() {
                says.store(true, Ordering::SeqCst);
                this.sleep(FAR);
            }
            0
        });
        while !begins.load(Ordering::SeqCst) {
            sched::yield_now();
        }
        (0..random(8)).for_each(|_| machine::cpu::relax());
        let asked = time::monotonic();
        assert_eq!(thread.stop(), Exit::Returned(0));
        assert!(time::monotonic() - asked < time::SECOND + PATIENCE, "it slept");
    }
}

pub(crate) fn against_natural_end() {
    let go = Arc::new(AtomicBool::new(false));
    let seen = go.clone();
    let thread = spawn("ender", move |_| {
        while !seen.load(Ordering::SeqCst) {
            sched::yield_now();
        }
        5
    });
    while Arc::strong_count(&go) < 2 {
        sched::yield_now();
    }
    let task = thread.task().clone();
    go.store(true, Ordering::SeqCst);
    dawdle();
    let exit = thread.stop();
    assert!(matches!(exit, Exit::Returned(5) | Exit::NeverRan), "{exit:?}");
    // Whoever else holds the task may look at it for as long as they like.
    assert!(!task.is_queued());
}

/// Who waits for a thread's end takes the CPU from it as soon as it may, and finds it gone for good. It may also come to wait, out of a sleep, while
/// the thread ends.
pub(crate) fn waiter_takes_the_cpu() {
    let all = cpus();
    let here = CpuMask::of(all[random(all.len() as u64) as usize]);
    let above = Attributes { policy: Policy::Fifo, priority: 50, ..Attributes::NORMAL };
    let waiter = Builder::new(format_args!("waiter"))
        .bound_to(here)
        .attributes(above)
        .run(move |_| {
            for _ in 0..8 {
                let thread = Builder::new(format_args!("ender"))
                    .bound_to(here)
                    .run(|_| {
                        dawdle();
                        5
                    })
                    .expect("a thread can be made");
                let task = thread.task().clone();
                if random(2) == 0 {
                    sched::sleep_for(random(20_000));
                }
                assert_eq!(thread.join(), Exit::Returned(5));
                assert!(!task.is_queued(), "it would be run again, on a stack that is gone");
            }
            0
        })
        .expect("a thread can be made");
    assert_eq!(waiter.join(), Exit::Returned(0));
}

pub(crate) fn against_park() {
    let thread = Arc::new(spawn("parker", |this| {
        while !this.should_stop() {
            this.park_if_asked();
            this.sleep(random(10_000));
        }
        9
    }));
    let other = thread.clone();
    let parker = spawn("asker", move |_| {
        dawdle();
        // It may have ended instead: then there is nothing to park.
        let parked = other.park();
        dawdle();
        drop((parked, other));
        0
    });
    dawdle();
    thread.ask_to_stop();
    assert_eq!(parker.join(), Exit::Returned(0));
    let thread = Arc::into_inner(thread).expect("the asker has let go");
    let exit = thread.stop();
    assert!(matches!(exit, Exit::Returned(9) | Exit::NeverRan), "{exit:?}");
}
