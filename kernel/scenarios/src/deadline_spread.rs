//! Deadline tasks that wait where they may not run find another CPU. On the simulated machine only: the host's clock decides as much.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kthread::Handle;
use sched::{Completion, CpuMask};
use sync::IrqGuard;

use crate::deadlines::{LATE, MS, Unlimited, implicit, set, wish};
use crate::tools::{cpus, join_all, random, spawn, spin_until};

/// Each CPU runs a deadline task, and one more waits. When any of them sleeps, that one runs, wherever it waited.
pub(crate) fn waiting_one_is_pulled() {
    const SPAN: u64 = 30 * MS;
    let all = cpus();
    let go = Arc::new(Completion::new());
    let begin = Arc::new(AtomicU64::new(0));
    let first = random(all.len() as u64) as usize;
    let hogs: Vec<Handle> = (0..all.len())
        .map(|number| {
            let (go, begin) = (go.clone(), begin.clone());
            spawn("early", move |_| {
                go.wait();
                let span = if number == first { SPAN } else { 3 * SPAN };
                spin_until(begin.load(Ordering::SeqCst) + span);
                0
            })
        })
        .collect();
    let began = Arc::new(AtomicU64::new(0));
    let (wait_for, release, told) = (go.clone(), begin.clone(), began.clone());
    let late = spawn("late", move |_| {
        wait_for.wait();
        sched::sleep_until(release.load(Ordering::SeqCst) + SPAN / 2);
        told.store(time::monotonic(), Ordering::SeqCst);
        0
    });
    for hog in &hogs {
        // Long enough that none is throttled meanwhile.
        set(hog.task(), wish(9 * SPAN, 10 * SPAN, 10 * SPAN));
    }
    set(late.task(), wish(SPAN / 4, 20 * SPAN, 20 * SPAN));
    begin.store(time::monotonic(), Ordering::SeqCst);
    go.complete_all();
    join_all(hogs);
    join_all([late].into_iter().collect());
    let freed = begin.load(Ordering::SeqCst) + SPAN;
    let began = began.load(Ordering::SeqCst);
    assert!(began >= freed, "a later deadline ran {} ns before a CPU was free", freed - began);
    assert!(began < freed + LATE, "a CPU was free for {} ns, and one waited", began - freed);
}

/// On a CPU whose deadline task is the more urgent one, another one's next period begins: an idle CPU takes it.
pub(crate) fn idle_one_takes_it() {
    const PERIOD: u64 = 400 * MS;
    // How long before the period's begin the urgent one is woken, and how long it runs.
    const BEFORE: u64 = 50 * MS;
    const LONG: u64 = 200 * MS;
    let home = CpuMask::of(0);
    if cpus().len() < 2 {
        return;
    }
    let over = Arc::new(AtomicBool::new(false));
    let back = Arc::new(AtomicU64::new(0));
    let (end, told) = (over.clone(), back.clone());
    let spinner = spawn("spinner", move |_| {
        sched::set_allowed(&sched::current_ref(), home).expect("an online CPU");
        let mut last = time::monotonic();
        while !end.load(Ordering::SeqCst) {
            machine::cpu::relax();
            let now = time::monotonic();
            if now - last > PERIOD / 4 {
                told.store(now, Ordering::SeqCst);
            }
            last = now;
        }
        0
    });
    let go = Arc::new(Completion::new());
    let wait_for = go.clone();
    let urgent = spawn("urgent", move |_| {
        sched::set_allowed(&sched::current_ref(), home).expect("an online CPU");
        wait_for.wait();
        spin_until(time::monotonic() + LONG);
        0
    });
    while spinner.task().allowed() != home || urgent.task().allowed() != home {
        sched::sleep_for(MS);
    }
    while urgent.task().is_queued() || urgent.task().is_on_cpu() {
        sched::sleep_for(MS);
    }
    for thread in [&spinner, &urgent] {
        sched::set_allowed(thread.task(), CpuMask::present()).expect("online CPUs");
    }
    set(urgent.task(), implicit(LONG + 50 * MS, LONG + 100 * MS));
    set(spinner.task(), implicit(PERIOD / 20, PERIOD));
    let next = loop {
        match spinner.task().deadline_budget() {
            Some((left, deadline)) if left <= 0 => break deadline,
            _ => sched::sleep_for(MS),
        }
    };
    sched::sleep_until(next - BEFORE);
    go.complete();
    sched::sleep_until(next + LONG);
    let back = back.load(Ordering::SeqCst);
    over.store(true, Ordering::SeqCst);
    join_all([spinner, urgent].into_iter().collect());
    assert!(back >= next, "it is not back {} ns after its period's begin", LONG);
    assert!(back < next + 5 * LATE, "an idle CPU left it waiting for {} ns", back - next);
}

/// A deadline task loses its CPU to one that is bound there, and keeps interrupts off: no tick sees that it waits. Another CPU is told by
/// an interrupt, and takes it.
pub(crate) fn pushed_by_interrupt() {
    let home = CpuMask::of(0);
    let others: Vec<_> = cpus().into_iter().filter(|&cpu| cpu != 0).collect();
    if others.is_empty() {
        return;
    }
    let _unlimited = Unlimited::new();
    let over = Arc::new(AtomicBool::new(false));
    let turns = Arc::new(AtomicU64::new(0));
    let go = Arc::new(Completion::new());
    let wake = Arc::new(AtomicU64::new(0));
    let (wait_for, release, seen) = (go.clone(), wake.clone(), turns.clone());
    let urgent = spawn("urgent", move |_| {
        wait_for.wait();
        // Its timer wakes it, so that nobody else is awake then.
        sched::sleep_until(release.load(Ordering::SeqCst));
        let _irqs_off = IrqGuard::new();
        let (from, before) = (time::monotonic(), seen.load(Ordering::SeqCst));
        while seen.load(Ordering::SeqCst) == before {
            let waited = time::monotonic() - from;
            assert!(waited < LATE, "nobody has taken it in {waited} ns");
            machine::cpu::relax();
        }
        0
    });
    sched::set_allowed(urgent.task(), home).expect("an online CPU");
    while urgent.task().is_queued() {
        sched::sleep_for(MS);
    }
    set(urgent.task(), implicit(90 * MS, 100 * MS));
    // What ran on the others had an earlier deadline, and is not there any more.
    let early = others.into_iter().map(|cpu| {
        let begin = Arc::new(Completion::new());
        let wait_for = begin.clone();
        let thread = spawn("early", move |_| {
            wait_for.wait();
            sched::sleep_for(MS);
            0
        });
        sched::set_allowed(thread.task(), CpuMask::of(cpu)).expect("an online CPU");
        set(thread.task(), implicit(40 * MS, 50 * MS));
        begin.complete();
        thread
    });
    join_all(early.collect());
    wake.store(time::monotonic() + 30 * MS, Ordering::SeqCst);
    go.complete();
    let (end, count) = (over.clone(), turns.clone());
    let late = spawn("late", move |_| {
        while !end.load(Ordering::SeqCst) {
            count.fetch_add(1, Ordering::SeqCst);
            machine::cpu::relax();
        }
        0
    });
    sched::set_allowed(late.task(), home).expect("an online CPU");
    set(late.task(), implicit(900 * MS, 1000 * MS));
    sched::set_allowed(late.task(), CpuMask::present()).expect("online CPUs");
    join_all([urgent].into_iter().collect());
    over.store(true, Ordering::SeqCst);
    join_all([late].into_iter().collect());
}
