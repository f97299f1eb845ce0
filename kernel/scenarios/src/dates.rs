//! Timers on a date that is set while they wait.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use sched::{Sleep, WaitError};
use time::{DateTimer, MILLISECOND, Moment, SECOND};

use crate::tools::{RestoreDate, dawdle, ensure, in_one_of_some_tries, join_all, random, spawn};

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
