//! One in the middle of priorities, while an urgent one waits for a mutex. The host's clock would decide on the real machine.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use kthread::Builder;
use rtmutex::RtMutex;
use sched::{Completion, CpuMask, Sleep, TaskRef};

use crate::deadlines::{LATE, MS, implicit, set};
use crate::inheritance::{NORMAL, fifo, lock, unlock};
use crate::tools::{join_all, spawn, spin_until};

/// One in the middle of priorities does not keep an urgent one waiting: who holds what that one waits for runs first.
pub(crate) fn none() {
    inversion(|urgent| {
        sched::set_attributes(urgent, fifo(70)).expect("it is a priority");
    });
}

/// The same, with an urgent one of the deadline class: its parameters are lent, and the holder is not throttled by them.
pub(crate) fn deadline_is_lent() {
    inversion(|urgent| {
        set(urgent, implicit(WORK / 2, 10 * WORK));
    });
}

/// How long the mutex is held.
const WORK: u64 = 20 * MS;

fn inversion(make_urgent: fn(&TaskRef)) {
    let mutex = RtMutex::new();
    let over = Arc::new(AtomicBool::new(false));
    let (held, mine) = (Arc::new(Completion::new()), mutex.clone());
    let tell = held.clone();
    let work = Arc::new(AtomicBool::new(false));
    let (wait, middle_over) = (work.clone(), over.clone());
    let holder = Builder::new(format_args!("holder"))
        .bound_to(CpuMask::of(0))
        .run(move |_| {
            lock(&mine, Sleep::Uninterruptible, None).expect("it is free");
            tell.complete();
            while !wait.load(SeqCst) {
                machine::cpu::relax();
            }
            // More than the urgent one's runtime: throttled, it would be back in the next period.
            spin_until(time::monotonic() + WORK);
            unlock(&mine);
            assert_eq!(sched::current().priority_in_force(), NORMAL);
            0
        })
        .expect("a thread can be made");
    held.wait();
    let wanted = mutex.clone();
    let go = Arc::new(Completion::new());
    let wait = go.clone();
    let urgent = spawn("urgent", move |_| {
        wait.wait();
        lock(&wanted, Sleep::Uninterruptible, None).expect("it is let go of");
        unlock(&wanted);
        0
    });
    make_urgent(urgent.task());
    let begin = Arc::new(Completion::new());
    let wait = begin.clone();
    let middle = Builder::new(format_args!("middle"))
        .bound_to(CpuMask::of(0))
        .attributes(fifo(50))
        .run(move |_| {
            wait.wait();
            let begin = time::monotonic();
            while !middle_over.load(SeqCst) && time::monotonic() < begin + 500 * MS {
                machine::cpu::relax();
            }
            i32::from(!middle_over.load(SeqCst))
        })
        .expect("a thread can be made");
    let end = over.clone();
    let watcher = Builder::new(format_args!("watcher"))
        .attributes(fifo(90))
        .run(move |_| {
            // First: who runs with what the urgent one lends does not make way for this one.
            work.store(true, SeqCst);
            let asked = time::monotonic();
            go.complete();
            begin.complete();
            join_all(alloc::vec![urgent]);
            let took = time::monotonic() - asked;
            end.store(true, SeqCst);
            assert!(took < WORK + 3 * LATE, "the urgent one waited {took} ns for {WORK} of work");
            0
        })
        .expect("a thread can be made");
    join_all(alloc::vec![watcher, holder, middle]);
}
