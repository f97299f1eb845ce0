//! Timers on a date that is set while they wait.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use kthread::Builder;
use sched::{Sleep, WaitError};
use sync::Once;
use time::{DateTimer, MILLISECOND, Moment, SECOND};

use crate::tools::{
    Meeting, PATIENCE, RestoreDate, dawdle, ensure, go_anywhere, in_one_of_some_tries, join_all,
    random, spawn,
};

/// Far enough from the boot for the date to go back by.
const HOUR: u64 = 3600 * SECOND;

fn jump(by: i64) {
    time::set_realtime(time::realtime().saturating_add_signed(by));
}

/// A jump of up to so much in either direction.
fn anywhere(within: u64) -> i64 {
    random(2 * within) as i64 - within as i64
}

/// What a timer's function notes.
#[derive(Default)]
struct Notes {
    due: AtomicU64,
    fired: AtomicU64,
    early: AtomicBool,
}

fn noting() -> (Arc<Notes>, DateTimer) {
    let notes = Arc::new(Notes::default());
    let theirs = notes.clone();
    let timer = DateTimer::new(move || {
        theirs.early.fetch_or(time::realtime() < theirs.due.load(SeqCst), SeqCst);
        theirs.fired.fetch_add(1, SeqCst);
    });
    (notes, timer)
}

/// Several tasks start timers while others set the date to and fro: no timer is early, none is lost.
pub(crate) fn timers_follow() {
    let _restore = RestoreDate::new();
    let setters: Vec<_> = (0..2)
        .map(|_| {
            spawn("setter", |_| {
                for _ in 0..12 {
                    // One at a time goes forth and back, or they drift from where timers are due.
                    let by = anywhere(20 * MILLISECOND);
                    jump(by);
                    dawdle();
                    jump(-by);
                    sched::sleep_for(random(2 * MILLISECOND));
                }
                0
            })
        })
        .collect();
    let users: Vec<_> = (0..2)
        .map(|_| {
            spawn("user", |_| {
                for _ in 0..8 {
                    let (notes, timer) = noting();
                    let due = time::realtime() + random(10 * MILLISECOND);
                    notes.due.store(due, SeqCst);
                    timer.start(Moment::Date(due));
                    if random(4) == 0 {
                        dawdle();
                        let fires = u64::from(!timer.cancel_sync());
                        assert_eq!(notes.fired.load(SeqCst), fires, "cancelled, and fired or not");
                    }
                    // In the end the date is past it. It is no longer pending just before it notes that it fired.
                    while notes.fired.load(SeqCst) == 0 && timer.is_pending() {
                        sched::sleep_for(MILLISECOND);
                    }
                    timer.cancel_sync();
                    assert!(notes.fired.load(SeqCst) <= 1, "a timer fired twice");
                }
                0
            })
        })
        .collect();
    join_all(setters);
    join_all(users);
}

/// One jump beyond the time, and one away from it; a time that only passes does not care.
pub(crate) fn jumps() {
    in_one_of_some_tries(jumps_once);
}

fn jumps_once() -> Result<(), String> {
    let _restore = RestoreDate::new();
    let (notes, timer) = noting();
    let start = |notes: &Notes, moment: Moment| {
        notes.fired.store(0, SeqCst);
        notes.due.store(if let Moment::Date(date) = moment { date } else { 0 }, SeqCst);
        timer.start(moment);
    };
    start(&notes, Moment::Date(time::realtime() + HOUR));
    dawdle();
    jump(HOUR as i64 + 1);
    // It is due at once, on this CPU.
    sched::sleep_for(10 * MILLISECOND);
    ensure!(notes.fired.load(SeqCst) == 1, "it did not follow the date");
    start(&notes, Moment::Date(time::realtime() + 5 * MILLISECOND));
    jump(-(50 * MILLISECOND as i64));
    sched::sleep_for(20 * MILLISECOND);
    ensure!(notes.fired.load(SeqCst) == 0, "it fired by the date before");
    ensure!(timer.is_pending(), "it is not pending");
    jump(HOUR as i64);
    sched::sleep_for(10 * MILLISECOND);
    ensure!(notes.fired.load(SeqCst) == 1, "it did not fire once");
    start(&notes, Moment::Elapsed(time::monotonic() + 40 * MILLISECOND));
    jump(HOUR as i64);
    sched::sleep_for(5 * MILLISECOND);
    ensure!(notes.fired.load(SeqCst) == 0, "a time that passes followed the date");
    jump(-(HOUR as i64));
    sched::sleep_for(60 * MILLISECOND);
    ensure!(notes.fired.load(SeqCst) == 1, "it did not fire once");
    ensure!(!notes.early.load(SeqCst), "a timer fired early");
    // Taken back, it does not come back.
    start(&notes, Moment::Date(time::realtime() + HOUR));
    ensure!(timer.cancel(), "it fired before its time");
    jump(2 * HOUR as i64);
    sched::sleep_for(10 * MILLISECOND);
    ensure!(notes.fired.load(SeqCst) == 0, "it fired although it was taken back");
    Ok(())
}

/// Waits end when the date has come, however it came there, and not before.
pub(crate) fn waits_follow() {
    let _restore = RestoreDate::new();
    let due = time::realtime() + HOUR;
    let sleepers: Vec<_> = (0..3)
        .map(|_| {
            spawn("sleeper", move |_| {
                dawdle();
                let until = Some(Moment::Date(due));
                let waited: Result<(), _> =
                    sched::wait_until_moment(Sleep::Uninterruptible, until, || None);
                assert_eq!(waited, Err(WaitError::TimedOut));
                assert!(time::realtime() >= due, "early");
                0
            })
        })
        .collect();
    sched::sleep_for(random(MILLISECOND));
    for _ in 0..4 {
        jump(random(HOUR / 8) as i64);
        dawdle();
    }
    jump(HOUR as i64);
    join_all(sleepers);
}

/// The date is set back on the CPU whose timer is about to come, between what the date is and what the timer knows of it: it is not early.
pub(crate) fn set_back_at_the_last_moment() {
    let _restore = RestoreDate::new();
    let setter = Builder::new(format_args!("setter")).cpu(0).run(|_| {
        for _ in 0..20 {
            let (notes, timer) = noting();
            let due = time::realtime() + 20_000 + random(20_000);
            notes.due.store(due, SeqCst);
            timer.start(Moment::Date(due));
            while time::realtime() + random(4_000) < due {
                machine::cpu::relax();
            }
            // Nobody else sets the date, so that what the timer's function sees is the date by which it came.
            jump(-(MILLISECOND as i64));
            timer.cancel_sync();
            assert!(!notes.early.load(SeqCst), "a timer fired early");
            jump(MILLISECOND as i64);
        }
        0
    });
    join_all([setter.expect("a thread can be made")].into());
}

/// A timer that starts itself is cancelled from another CPU: it is not pending then, and no date that is set starts it again.
pub(crate) fn cancelled_as_it_starts_itself() {
    let _restore = RestoreDate::new();
    let slot: Arc<Once<DateTimer>> = Arc::new(Once::new());
    let runs = Arc::new(AtomicU64::new(0));
    let (its_slot, counted) = (Arc::downgrade(&slot), runs.clone());
    let fresh = slot.set(DateTimer::new(move || {
        counted.fetch_add(1, SeqCst);
        if let Some(slot) = its_slot.upgrade()
            && let Some(timer) = slot.get()
        {
            timer.start(Moment::Date(time::realtime() + random(3_000)));
        }
    }));
    assert!(fresh.is_ok());
    let timer = slot.get().expect("it was set just now");
    for _ in 0..20 {
        timer.start(Moment::Date(time::realtime() + random(3_000)));
        go_anywhere();
        dawdle();
        timer.cancel_sync();
        let before = runs.load(SeqCst);
        assert!(!timer.is_pending(), "it is pending after cancel_sync");
        jump(MILLISECOND as i64);
        dawdle();
        assert_eq!(runs.load(SeqCst), before, "it fired after cancel_sync");
    }
}

/// A timer is started for a later date, in the moment in which the date is set back: it comes by the one date and not by the other.
pub(crate) fn started_as_the_date_is_set() {
    let _restore = RestoreDate::new();
    let meeting = Arc::new(Meeting::default());
    for turn in 0..20 {
        let (notes, timer) = noting();
        let due = time::realtime() + 20 * MILLISECOND;
        timer.start(Moment::Date(due - 5 * MILLISECOND));
        let theirs = meeting.clone();
        let setter = spawn("setter", move |_| {
            theirs.of_two(turn);
            jump(-(2 * MILLISECOND as i64));
            0
        });
        meeting.of_two(turn);
        timer.start(Moment::Date(due));
        join_all([setter].into());
        while time::realtime() < due || notes.fired.load(SeqCst) == 0 {
            sched::sleep_for(MILLISECOND);
            assert!(time::realtime() < due + SECOND + PATIENCE, "a timer was lost");
        }
    }
}
