//! Deadline tasks whose parameters, class and CPUs change, and what is kept of them meanwhile.

use alloc::sync::Arc;
#[cfg(not(target_os = "none"))]
use core::sync::atomic::AtomicU64;
use core::sync::atomic::{AtomicBool, Ordering};

use errno::Errno;
use kthread::{Exit, Handle};
use sched::{Attributes, Completion, CpuMask, Policy};

#[cfg(not(target_os = "none"))]
use crate::deadlines::LATE;
use crate::deadlines::{MS, Unlimited, implicit, set, sleeper, stop, wish};
#[cfg(not(target_os = "none"))]
use crate::tools::spin_until;
use crate::tools::{Meeting, cpus, spawn};

/// One that goes aside for a short time is back in time, though another one of its CPU is away for longer.
#[cfg(not(target_os = "none"))]
pub(crate) fn back_before_others() {
    const SHORT: u64 = 50 * MS;
    const LONG: u64 = 2000 * MS;
    let _unlimited = Unlimited::new();
    let yielding = |name: &str, period: u64, turns: u64| {
        let go = Arc::new(Completion::new());
        let wait_for = go.clone();
        let thread = spawn(name, move |_| {
            wait_for.wait();
            for _ in 0..turns {
                let (_, deadline) = sched::current().deadline_budget().expect("it is of the class");
                sched::yield_now();
                let late = time::monotonic().saturating_sub(deadline);
                assert!(late < LATE, "back {late} ns late");
            }
            0
        });
        sched::set_allowed(thread.task(), CpuMask::of(0)).expect("an online CPU");
        set(thread.task(), implicit(period / 10, period));
        (thread, go)
    };
    let (long, begin) = yielding("long", LONG, 1);
    let (short, go) = yielding("short", SHORT, 5);
    begin.complete();
    while long.task().deadline_budget().is_none_or(|(left, deadline)| left > 0 || deadline == 0) {
        sched::sleep_for(MS);
    }
    go.complete();
    assert_eq!(short.join(), Exit::Returned(0));
    assert_eq!(long.join(), Exit::Returned(0));
}

/// A budget that is shorter than a tick ends when it is used up, and not at the tick: who overruns pays with periods.
#[cfg(not(target_os = "none"))]
pub(crate) fn budget_between_ticks() {
    const RUNTIME: u64 = MS;
    const PERIOD: u64 = 16 * MS;
    const PERIODS: u64 = 60;
    let _unlimited = Unlimited::new();
    let over = Arc::new(AtomicBool::new(false));
    let turns = Arc::new(AtomicU64::new(0));
    let (end, counted) = (over.clone(), turns.clone());
    let go = Arc::new(Completion::new());
    let wait_for = go.clone();
    let spinner = spawn("spinner", move |_| {
        wait_for.wait();
        let me = sched::current_ref();
        let mut last = 0;
        while !end.load(Ordering::SeqCst) {
            machine::cpu::relax();
            let (_, deadline) = me.deadline_budget().expect("it is of the class");
            if deadline != last {
                counted.fetch_add(1, Ordering::SeqCst);
                last = deadline;
            }
        }
        0
    });
    sched::set_allowed(spinner.task(), CpuMask::of(0)).expect("an online CPU");
    set(spinner.task(), implicit(RUNTIME, PERIOD));
    go.complete();
    sched::sleep_for(PERIODS * PERIOD);
    let turns = turns.load(Ordering::SeqCst);
    over.store(true, Ordering::SeqCst);
    assert_eq!(spinner.join(), Exit::Returned(0));
    assert!(turns * 3 >= PERIODS, "{turns} turns in {PERIODS} periods");
}

/// Less runtime takes away from what is left; who has ended is not admitted.
pub(crate) fn cut_and_ended() {
    const LESS: u64 = 10 * MS;
    let go = Arc::new(Completion::new());
    let wait_for = go.clone();
    let thread = spawn("content", move |_| {
        wait_for.wait();
        let me = sched::current_ref();
        set(&me, implicit(LESS, 1000 * MS));
        me.deadline_budget().map_or(1, |(left, _)| i32::from(left > LESS as i64))
    });
    let task = thread.task().clone();
    set(&task, implicit(500 * MS, 1000 * MS));
    go.complete();
    assert_eq!(thread.join(), Exit::Returned(0), "more is left than its runtime");
    assert_eq!(sched::set_deadline(&task, implicit(MS, 100 * MS), false), Err(Errno::ESRCH));
    assert_eq!(sched::deadline_bandwidth().0, 0, "one that has ended holds bandwidth");
}

/// One that runs is given less runtime: its budget ends when that is used up, and not at the tick after.
#[cfg(not(target_os = "none"))]
pub(crate) fn cut_while_it_runs() {
    const PERIOD: u64 = 100 * MS;
    const LESS: u64 = MS;
    const ROUNDS: u64 = 12;
    let thread = spawn("cut", |_| {
        let me = sched::current_ref();
        let mut too_much = 0;
        for _ in 0..ROUNDS {
            set(&me, implicit(30 * MS, PERIOD));
            let (_, deadline) = me.deadline_budget().expect("it is of the class");
            // Woken after its deadline, it has a full budget, and its CPU's first tick is far.
            sched::sleep_until(deadline + MS);
            let begin = time::monotonic();
            set(&me, implicit(LESS, PERIOD));
            let mut last = begin;
            // Until it is throttled.
            loop {
                machine::cpu::relax();
                let now = time::monotonic();
                if now > last + PERIOD / 2 {
                    break;
                }
                last = now;
            }
            too_much += (last - begin).saturating_sub(LESS);
        }
        assert!(too_much < ROUNDS * 5 * MS / 2, "{ROUNDS} times {} ns", too_much / ROUNDS);
        0
    });
    assert_eq!(thread.join(), Exit::Returned(0));
}

/// One that leaves while it waits, and comes back when its deadline has passed, has a new one.
pub(crate) fn comes_back_fresh() {
    const URGENT: u64 = 200 * MS;
    let _unlimited = Unlimited::new();
    let over = Arc::new(AtomicBool::new(false));
    let spinning = |name: &str| {
        let go = Arc::new(Completion::new());
        let (wait_for, end) = (go.clone(), over.clone());
        let thread = spawn(name, move |_| {
            wait_for.wait();
            while !end.load(Ordering::SeqCst) {
                machine::cpu::relax();
            }
            0
        });
        sched::set_allowed(thread.task(), CpuMask::of(0)).expect("an online CPU");
        (thread, go)
    };
    let (urgent, go_urgent) = spinning("urgent");
    let (waiting, go_waiting) = spinning("waiting");
    set(urgent.task(), wish(URGENT, URGENT, 20 * URGENT));
    let rate = implicit(URGENT / 20, URGENT + 50 * MS);
    set(waiting.task(), rate);
    {
        // Both are woken before the first of them runs, wherever this is.
        let _stay = sync::PreemptGuard::new();
        go_urgent.complete();
        go_waiting.complete();
    }
    sched::sleep_for(URGENT / 4);
    let (_, first) = waiting.task().deadline_budget().expect("it is of the class");
    assert_eq!(sched::set_attributes(waiting.task(), Attributes::NORMAL), Ok(()));
    sched::sleep_until(first + 10 * MS);
    let before = time::monotonic();
    set(waiting.task(), rate);
    let (_, second) = waiting.task().deadline_budget().expect("it is of the class");
    over.store(true, Ordering::SeqCst);
    assert!(second > before, "its deadline passed {} ns before it came", before - second);
    assert_eq!(urgent.join(), Exit::Returned(0));
    assert_eq!(waiting.join(), Exit::Returned(0));
}

/// One that has run in advance of its rate leaves the class while it runs: what it has run to that moment counts.
#[cfg(not(target_os = "none"))]
pub(crate) fn leaves_while_it_runs() {
    const RUNTIME: u64 = 4 * MS;
    const PERIOD: u64 = 400 * MS;
    const SPENT: u64 = 3 * MS;
    while sched::deadline_bandwidth() != (0, 0) {
        sched::sleep_for(MS);
    }
    let go = Arc::new(Completion::new());
    let begun = Arc::new(AtomicU64::new(0));
    let (wait_for, told) = (go.clone(), begun.clone());
    let spender = spawn("spender", move |_| {
        wait_for.wait();
        let me = sched::current_ref();
        let (_, deadline) = me.deadline_budget().expect("it is of the class");
        told.store(deadline - PERIOD, Ordering::SeqCst);
        spin_until(time::monotonic() + SPENT);
        sched::set_attributes(&me, Attributes::NORMAL).map_or(1, |()| 0)
    });
    set(spender.task(), implicit(RUNTIME, PERIOD));
    go.complete();
    assert_eq!(spender.join(), Exit::Returned(0));
    while sched::deadline_bandwidth() != (0, 0) {
        sched::sleep_for(MS);
    }
    let held = time::monotonic() - begun.load(Ordering::SeqCst);
    let due = SPENT * (PERIOD / RUNTIME);
    assert!(held >= due, "its bandwidth was held for {held} ns, and {due} are due");
}

/// A task comes into the class as a program takes CPUs away from it: one of the two is refused.
pub(crate) fn against_affinity() {
    const TURNS: u64 = 12;
    if cpus().len() < 2 {
        return;
    }
    let one = sleeper("one");
    let meeting = Arc::new(Meeting::default());
    let (theirs, task) = (meeting.clone(), one.task().clone());
    let changer: Handle = spawn("changer", move |_| {
        for turn in 0..TURNS {
            theirs.of_two(2 * turn);
            // Refused if it is not allowed everywhere, which is all right.
            let _ = sched::set_deadline(&task, implicit(MS, 1000 * MS), false);
            theirs.of_two(2 * turn + 1);
        }
        0
    });
    for turn in 0..TURNS {
        meeting.of_two(2 * turn);
        let narrowed = sched::set_allowed_from_user(one.task(), CpuMask::of(0));
        meeting.of_two(2 * turn + 1);
        let is_deadline = one.task().attributes().policy == Policy::Deadline;
        assert!(!is_deadline || narrowed.is_err(), "a deadline task is bound");
        assert!(narrowed.is_ok() || is_deadline, "it was refused for nothing");
        assert_eq!(sched::set_attributes(one.task(), Attributes::NORMAL), Ok(()));
        assert_eq!(sched::set_allowed_from_user(one.task(), CpuMask::ALL), Ok(()));
    }
    assert_eq!(changer.join(), Exit::Returned(0));
    stop(one);
}
