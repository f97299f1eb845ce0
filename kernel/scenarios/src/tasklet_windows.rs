//! Tasklets in the moments between two of their states.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use kthread::Builder;
use sched::{Attributes, CpuMask, Policy};
use softirq::{BottomHalfGuard, Tasklet};

use crate::softirq_windows::until_it_goes;
use crate::softirqs::wait_for;
use crate::tools::{
    Meeting, PATIENCE, any_but_the_first, cpus, go_anywhere, join_all, random, spawn,
};

/// A tasklet that counts its runs.
fn counting() -> (Arc<AtomicU64>, Arc<Tasklet>) {
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let tasklet = Tasklet::new(move || {
        counted.fetch_add(1, SeqCst);
    });
    (runs, Arc::new(tasklet))
}

/// It is scheduled, turns out to be disabled, and is enabled, all at once: it runs. If it is killed right after that, too.
pub(crate) fn held_is_let_go() {
    const TURNS: u64 = 10;
    let meeting = Arc::new(Meeting::default());
    let tasklets: Arc<[_]> = (0..TURNS).map(|_| counting()).collect();
    let scheduled = Arc::new(AtomicU64::new(0));
    let (theirs, their_meeting, counted) = (tasklets.clone(), meeting.clone(), scheduled.clone());
    let scheduler = spawn("scheduler", move |_| {
        for turn in 0..TURNS {
            go_anywhere();
            their_meeting.of_two(2 * turn);
            let accepted = theirs[turn as usize].1.schedule();
            counted.store(accepted.into(), SeqCst);
            their_meeting.of_two(2 * turn + 1);
        }
        0
    });
    for turn in 0..TURNS {
        let (runs, tasklet) = &tasklets[turn as usize];
        go_anywhere();
        let disabled = tasklet.disable();
        meeting.of_two(2 * turn);
        (0..random(12)).for_each(|_| machine::cpu::relax());
        drop(disabled);
        if random(2) == 0 {
            tasklet.kill();
        }
        meeting.of_two(2 * turn + 1);
        let expected = scheduled.load(SeqCst);
        wait_for("the run of a tasklet that was held", || runs.load(SeqCst) == expected);
        tasklet.kill();
        assert_eq!(runs.load(SeqCst), expected, "a tasklet ran more often than it was scheduled");
    }
    join_all(alloc::vec![scheduler]);
}

/// One that waits on a list when it is dropped does not run.
pub(crate) fn dropped_does_not_run() {
    let ran = Arc::new(AtomicBool::new(false));
    let said = ran.clone();
    let tasklet = Tasklet::new(move || said.store(true, SeqCst));
    {
        let _softirqs_off = BottomHalfGuard::new();
        assert!(if random(2) == 0 { tasklet.schedule() } else { tasklet.schedule_high() });
        drop(tasklet);
        assert_eq!(Arc::strong_count(&ran), 1, "its function was not freed at once");
    }
    sched::sleep_for(time::MILLISECOND);
    assert!(!ran.load(SeqCst), "a dropped tasklet ran");
}

/// One that is disabled and dropped as its CPU goes does not run when it is enabled.
pub(crate) fn dropped_as_its_cpu_goes() {
    let all = cpus();
    let Some(cpu) = any_but_the_first(&all) else { return };
    for _ in 0..6 {
        let ran = Arc::new(AtomicBool::new(false));
        let said = ran.clone();
        let tasklet = Tasklet::new(move || said.store(true, SeqCst));
        let disabled = tasklet.disable();
        // Scheduled at the very end; dropped by the thread when it has been moved, perhaps before the tasklet was.
        let scheduler = until_it_goes(cpu, move || {
            tasklet.schedule();
        });
        sched::sleep_for(random(20_000));
        hotplug::down(cpu).expect("it is not the last");
        join_all(alloc::vec![scheduler]);
        drop(disabled);
        sched::sleep_for(random(20_000));
        assert!(!ran.load(SeqCst), "a dropped tasklet ran");
        hotplug::up(cpu).expect("it was there before");
    }
}

/// One that is dropped while it turns out to be disabled does not run when it is enabled.
pub(crate) fn dropped_while_it_is_held() {
    for _ in 0..6 {
        let (runs, tasklet) = counting();
        let disabled = tasklet.disable();
        let listed = Arc::new(AtomicBool::new(false));
        let (theirs, says) = (tasklet.clone(), listed.clone());
        let scheduler = spawn("scheduler", move |_| {
            go_anywhere();
            {
                let _softirqs_off = BottomHalfGuard::new();
                theirs.schedule();
                // The other one has the last reference.
                drop(theirs);
                says.store(true, SeqCst);
                (0..random(8)).for_each(|_| machine::cpu::relax());
            }
            0
        });
        go_anywhere();
        while !listed.load(SeqCst) {
            sched::yield_now();
        }
        (0..random(16)).for_each(|_| machine::cpu::relax());
        drop(tasklet);
        drop(disabled);
        join_all(alloc::vec![scheduler]);
        sched::sleep_for(random(20_000));
        assert_eq!(runs.load(SeqCst), 0, "a dropped tasklet ran");
    }
}

/// Killed by who keeps its CPU from serving softirqs: it runs there and then.
pub(crate) fn killed_with_softirqs_off() {
    for _ in 0..4 {
        let (runs, tasklet) = counting();
        let _softirqs_off = BottomHalfGuard::new();
        assert!(if random(2) == 0 { tasklet.schedule() } else { tasklet.schedule_high() });
        assert!(tasklet.kill(), "it was scheduled");
        assert_eq!(runs.load(SeqCst), 1, "what was scheduled has not run");
    }
}

/// Killed by a real-time task that has come in as an ordinary one on its CPU scheduled it: that one is not waited for, who would wait for ever.
pub(crate) fn killed_as_it_is_scheduled() {
    const URGENT: Attributes =
        Attributes { policy: Policy::Fifo, priority: 50, ..Attributes::NORMAL };
    for _ in 0..4 {
        let (_, tasklet) = counting();
        let over = Arc::new(AtomicBool::new(false));
        let (theirs, its_end) = (tasklet.clone(), over.clone());
        let on_cpu_0 = |name| Builder::new(format_args!("{name}")).bound_to(CpuMask::of(0));
        let scheduler = on_cpu_0("scheduler").run(move |_| {
            while !its_end.load(SeqCst) {
                theirs.schedule();
                machine::cpu::relax();
            }
            0
        });
        let killer = on_cpu_0("killer").attributes(URGENT).run(move |_| {
            sched::sleep_for(random(20_000));
            let begin = time::monotonic();
            tasklet.kill();
            let took = time::monotonic() - begin;
            over.store(true, SeqCst);
            // Half of what real-time tasks may take of a second.
            assert!(took < time::SECOND / 2 + PATIENCE, "it took {took} ns to kill a tasklet");
            0
        });
        join_all([scheduler, killer].map(|thread| thread.expect("a thread can be made")).into());
    }
}
