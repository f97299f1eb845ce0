//! Tasklets in the moments between two of their states.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use softirq::{BottomHalfGuard, Tasklet};

use crate::softirqs::{go_anywhere, wait_for};
use crate::tools::{Meeting, join_all, random, spawn};

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
    }
    sched::sleep_for(time::MILLISECOND);
    assert!(!ran.load(SeqCst), "a dropped tasklet ran");
    assert_eq!(Arc::strong_count(&ran), 1, "its function was not freed");
}
