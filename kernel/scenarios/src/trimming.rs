//! A clock that is trimmed, and seconds that are put in and left out.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use time::ntp::{self, Change, STA_PLL, STA_UNSYNC};
use time::{DateTimer, HrTimer, MILLISECOND, Moment, SECOND};

use crate::tools::{
    RestoreDate, SLACK, cpus, dawdle, ensure, in_one_of_some_tries, join_all, random, spawn,
};

const STA_INS: u32 = 0x10;
const STA_DEL: u32 = 0x20;
const DAY: u64 = 86_400 * SECOND;

/// As nobody trims it, so that what comes after finds it so.
struct Restore {
    /// Some, until it is dropped.
    date: Option<RestoreDate>,
}

impl Restore {
    fn new() -> Self {
        Self { date: Some(RestoreDate::new()) }
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        let (status, frequency) = (Some(0), Some(0));
        let change =
            Change { status, frequency, tick: Some(10_000), tai: Some(0), ..Change::default() };
        ntp::adjust(&change);
        drop(self.date.take());
        // A leap second is over when nobody wants it any more and another second has begun.
        sched::sleep_for(2 * SECOND);
    }
}

fn set_tick(tick: i64) {
    ntp::adjust(&Change { tick: Some(tick), ..Change::default() });
}

/// What programs are told of the clock that nobody trims, and of the trimmed one at that moment. Whoever is interrupted between the two does not know which moment it
/// was: of several looks the shortest counts.
fn both() -> (u64, u64) {
    let look = |_| {
        let before = time::show(vvar::Clock::Raw);
        let trimmed = time::monotonic();
        (time::show(vvar::Clock::Raw) - before, before, trimmed)
    };
    let (_, raw, trimmed) = (0..5).map(look).min().expect("there are some looks");
    (raw, trimmed)
}

/// Some change how fast the clock goes; others read it on all CPUs, and start timers.
pub(crate) fn never_goes_back() {
    let _restore = Restore::new();
    let (shared, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let trimmer = {
        let over = over.clone();
        spawn("trimmer", move |_| {
            for _ in 0..12 {
                match random(3) {
                    0 => set_tick(9_000 + random(2_001) as i64),
                    1 => {
                        let frequency = Some(random(65_536_000) as i64 - 32_768_000);
                        ntp::adjust(&Change { frequency, ..Change::default() });
                    }
                    _ => {
                        ntp::adjust_time(Some(random(2_000_000) as i64 - 1_000_000));
                    }
                }
                dawdle();
                sched::sleep_for(random(50_000));
            }
            over.store(true, SeqCst);
            0
        })
    };
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (shared, over) = (shared.clone(), over.clone());
            spawn("reader", move |_| {
                while !over.load(SeqCst) {
                    // What another has seen is over by now.
                    let seen = shared.load(SeqCst);
                    let now = time::monotonic();
                    assert!(now >= seen, "the clock went back from {seen} to {now}");
                    shared.fetch_max(now, SeqCst);
                    dawdle();
                }
                0
            })
        })
        .collect();
    let user = spawn("user", |_| {
        for _ in 0..6 {
            let deadline = time::monotonic() + random(300_000);
            let fired = Arc::new(AtomicU64::new(0));
            let noted = fired.clone();
            let timer = HrTimer::new(move || noted.store(time::monotonic(), SeqCst));
            timer.start(deadline);
            while fired.load(SeqCst) == 0 {
                sched::sleep_for(10_000);
            }
            assert!(fired.load(SeqCst) >= deadline, "a timer was early");
            timer.cancel_sync();
        }
        0
    });
    join_all(readers);
    join_all([trimmer, user].into());
}

/// How many timer interrupts there have been.
fn interrupts() -> u64 {
    cpus().into_iter().map(|cpu| machine::irq::counts(cpu).timer).sum()
}

/// A clock that is a tenth too fast, or too slow, is so for timers, and for those who wait.
pub(crate) fn timers_go_by_it() {
    in_one_of_some_tries(go_by_it);
}

fn go_by_it() -> Result<(), String> {
    let _restore = Restore::new();
    for tick in [11_000, 9_000, 10_000] {
        set_tick(tick);
        let (raw, trimmed) = both();
        let fired = Arc::new(AtomicU64::new(0));
        let noted = fired.clone();
        let timer = HrTimer::new(move || noted.store(time::sched_clock(), SeqCst));
        let before = interrupts();
        timer.start(trimmed + 100 * MILLISECOND);
        sched::sleep_for(150 * MILLISECOND);
        let taken = interrupts() - before;
        let now = both();
        let (raw_passed, passed) = (now.0 - raw, now.1 - trimmed);
        let expected = raw_passed as i64 * tick / 10_000;
        ensure!(
            (passed as i64 - expected).abs() <= 3 * MILLISECOND as i64 * SLACK as i64,
            "{tick}: {raw_passed}, {passed}"
        );
        assert!(passed >= 150 * MILLISECOND, "a sleep was cut short");
        let fired = fired.load(SeqCst);
        ensure!(fired != 0, "{tick}: it has not fired in {raw_passed}");
        let took = fired - raw;
        let due = 100 * MILLISECOND * 10_000 / tick as u64;
        // One interrupt that comes for it, and not some time.
        assert!(took + 1_000 >= due, "{tick}: {took} for {due}");
        ensure!(took <= due + 4 * MILLISECOND * SLACK, "{tick}: {took} for {due}");
        ensure!(taken <= 200 * SLACK, "{tick}: {taken} timer interrupts");
    }
    Ok(())
}

/// The monotonic clock is a second behind the scheduler's: the tick goes by the latter, and nobody waits for a second.
#[cfg(not(target_os = "none"))]
pub(crate) fn the_tick_does_not_go_by_it() {
    use kthread::Builder;

    let restore = Restore::new();
    set_tick(9_000);
    sched::sleep_for(9 * SECOND);
    drop(restore);
    assert!(time::monotonic() + SECOND / 2 < time::sched_clock());
    let longest = Arc::new(AtomicU64::new(0));
    let hogs: Vec<_> = (0..2)
        .map(|_| {
            let longest = longest.clone();
            let hog = Builder::new(format_args!("hog")).cpu(0).run(move |_| {
                let begin = time::monotonic();
                let mut last = begin;
                while last < begin + 200 * MILLISECOND {
                    machine::cpu::relax();
                    let now = time::monotonic();
                    longest.fetch_max(now - last, SeqCst);
                    last = now;
                }
                0
            });
            hog.expect("a thread can be made")
        })
        .collect();
    join_all(hogs);
    let longest = longest.load(SeqCst);
    assert!(longest < 50 * MILLISECOND, "one waited {longest} ns for its turn");
}

/// `adjtime` and the phase-locked loop make good for what they are told.
pub(crate) fn offsets_are_made_good_for() {
    let _restore = Restore::new();
    let ahead = || {
        let (raw, trimmed) = both();
        trimmed as i64 - raw as i64
    };
    let since = time::monotonic();
    let seconds = || ((time::monotonic() - since) / SECOND) as i64;
    let (max_error, estimated_error) = (Some(1_000), Some(20));
    ntp::adjust(&Change { max_error, estimated_error, ..Change::default() });
    let before = ahead();
    assert_eq!(ntp::adjust_time(Some(-1_200)).0, 0);
    // 500 µs in each second.
    sched::sleep_for(5 * SECOND);
    assert_eq!(ntp::adjust_time(None).0, 0, "something is left");
    // So much more may the date be wrong by, too.
    let least = seconds() - 1;
    let known = ntp::adjust(&Change::default());
    let worse = (known.max_error - 1_000) / 500;
    assert!((least..=seconds() + 1).contains(&worse), "{worse}, after {least}");
    assert_eq!(known.estimated_error, 20);
    let gained = ahead() - before;
    // What a late second makes good for too much is little.
    assert!((gained + 1_200_000).abs() < 200_000 * SLACK as i64, "{gained} ns");
    let before = ahead();
    let (status, nanoseconds) = (Some(STA_PLL), Some(true));
    let change = Change {
        status,
        nanoseconds,
        constant: Some(0),
        offset: Some(8_000_000),
        ..Change::default()
    };
    assert_eq!(ntp::adjust(&change).offset, 8_000_000);
    sched::sleep_for(30 * SECOND);
    let left = ntp::adjust(&Change::default()).offset;
    // A quarter of what is left in each second.
    assert!((0..20_000).contains(&left), "{left} ns are left");
    let gained = ahead() - before;
    assert!((gained - 8_000_000).abs() < 600_000 * SLACK as i64, "{gained} ns");
    // Of a date that is set nothing is known.
    let (max_error, offset) = (Some(1_000), Some(8_000_000));
    ntp::adjust(&Change { max_error, offset, ..Change::default() });
    time::set_realtime(time::realtime());
    let known = ntp::adjust(&Change::default());
    assert_eq!((known.offset, known.max_error), (0, 16_000_000));
    assert_ne!(known.status & STA_UNSYNC, 0);
}

/// The last second of a day comes twice, or not at all; timers on the date come when it shows what they wait for.
pub(crate) fn leap_seconds() {
    in_one_of_some_tries(put_in_and_left_out);
}

fn put_in_and_left_out() -> Result<(), String> {
    let _restore = Restore::new();
    let midnight = (time::realtime() / DAY + 2) * DAY;
    for (status, moved) in [(STA_INS, -1), (STA_DEL, 1)] {
        // To leave one out takes a second more to be known.
        let seconds = 3 + random(2);
        time::set_realtime(midnight - seconds * SECOND + random(SECOND));
        let offset = time::realtime_offset() as i64;
        let change = Change { status: Some(status), tai: Some(37), ..Change::default() };
        assert_eq!(ntp::adjust(&change).state, 0);
        let fired = Arc::new(AtomicU64::new(0));
        let noted = fired.clone();
        let timer = DateTimer::new(move || noted.store(time::realtime(), SeqCst));
        timer.start(Moment::Date(midnight + SECOND / 2));
        let tai = || time::realtime() as i64 + time::tai_offset();
        let (mut last, mut states) = (tai(), Vec::new());
        for _ in 0..70 {
            sched::sleep_for(SECOND / 10);
            let state = ntp::adjust(&Change::default()).state;
            if states.last() != Some(&state) {
                states.push(state);
            }
            // Atomic time knows of no such seconds.
            let now = tai();
            let passed = now - last;
            let most = SECOND as i64 * SLACK as i64;
            ensure!((SECOND as i64 / 10..most).contains(&passed), "{passed}");
            last = now;
        }
        let expected: &[usize] = if moved < 0 { &[1, 3, 4] } else { &[2, 4] };
        ensure!(states.ends_with(expected), "{states:?}");
        let known = ntp::adjust(&Change::default());
        assert_eq!(i64::from(known.tai), 37 - moved);
        assert_eq!(time::realtime_offset() as i64 - offset, moved * SECOND as i64);
        let fired = fired.load(SeqCst);
        assert!(fired >= midnight + SECOND / 2, "a timer on the date was early");
        ensure!(
            fired < midnight + SECOND / 2 + 200 * MILLISECOND * SLACK,
            "it was late: {}",
            fired - midnight
        );
        timer.cancel_sync();
        ntp::adjust(&Change { status: Some(0), ..Change::default() });
        sched::sleep_for(2 * SECOND);
        assert_eq!(ntp::adjust(&Change::default()).state, 0);
    }
    Ok(())
}

/// The date is set back to just before the end of a day, in the second in which somebody has asked for one more there. What had been
/// counted of the other date is nothing to this one.
pub(crate) fn a_leap_second_of_a_date_that_is_set() {
    let _restore = Restore::new();
    in_one_of_some_tries(|| {
        let midnight = (time::realtime() / DAY + 2) * DAY;
        time::set_realtime(midnight + 10 * SECOND);
        ntp::adjust(&Change { status: Some(STA_INS), ..Change::default() });
        // Nobody asks what is known until then: who asks looks which second it is.
        time::set_realtime(midnight - 3 * SECOND / 2);
        let offset = time::realtime_offset();
        sched::sleep_for(2 * SECOND);
        let moved = time::realtime_offset() as i64 - offset as i64;
        ntp::adjust(&Change { status: Some(0), ..Change::default() });
        sched::sleep_for(2 * SECOND);
        ensure!(moved == -(SECOND as i64), "the date was moved by {moved} ns");
        Ok(())
    });
}

/// A second that is left out is none in which something is done of what `adjtime` wants.
pub(crate) fn a_second_left_out_does_nothing() {
    let _restore = Restore::new();
    in_one_of_some_tries(|| {
        let midnight = (time::realtime() / DAY + 2) * DAY;
        time::set_realtime(midnight - 5 * SECOND / 2);
        let offset = time::realtime_offset();
        ntp::adjust(&Change { status: Some(STA_DEL), ..Change::default() });
        ntp::adjust_time(Some(2_000));
        // The last second but one begins, and midnight, which comes in place of the last.
        sched::sleep_for(2 * SECOND);
        let (left, _) = ntp::adjust_time(None);
        let moved = time::realtime_offset() as i64 - offset as i64;
        ntp::adjust_time(Some(0));
        ntp::adjust(&Change { status: Some(0), ..Change::default() });
        sched::sleep_for(2 * SECOND);
        ensure!(moved == SECOND as i64, "the date was moved by {moved} ns");
        ensure!(left == 1_000, "{left} us are left of 2,000");
        Ok(())
    });
}
