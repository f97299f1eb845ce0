//! `adjtimex`: what is known of the date's exactness, and moving it.

use crate::calls::{self, TimerFile, adjust, ask};
use libc::{
    ADJ_ESTERROR, ADJ_FREQUENCY, ADJ_MAXERROR, ADJ_MICRO, ADJ_NANO, ADJ_OFFSET,
    ADJ_OFFSET_SINGLESHOT, ADJ_OFFSET_SS_READ, ADJ_SETOFFSET, ADJ_STATUS, ADJ_TAI, ADJ_TICK,
    ADJ_TIMECONST, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME,
    CLOCK_TAI, ECANCELED, EINVAL, EOPNOTSUPP, STA_DEL, STA_INS, STA_NANO, STA_PLL, STA_UNSYNC,
    TFD_NONBLOCK, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET, TIME_DEL, TIME_ERROR, TIME_INS,
    TIME_OK, TIME_OOP, TIME_WAIT,
};

/// The most that the date can be wrong by, in microseconds.
const ERROR_LIMIT: i64 = 16_000_000;
const HOUR: u64 = 3600 * 1_000_000_000;

pub(crate) fn all() {
    exactness();
    moved_dates();
    trimmed();
    offsets();
    leap_seconds();
}

/// Changes something, which succeeds. Returns what is known then.
fn trim(change: impl FnOnce(&mut libc::timex)) -> libc::timex {
    let (state, known) = adjust(change);
    assert!(state.is_ok(), "{state:?}");
    known
}

/// What the hardware's clock shows, and another at that moment.
fn both(clock: libc::clockid_t) -> (u64, u64) {
    loop {
        let before = calls::now(CLOCK_MONOTONIC_RAW);
        let time = calls::now(clock);
        let after = calls::now(CLOCK_MONOTONIC_RAW);
        // Whoever was interrupted for long in between does not know which moment it was.
        if after - before < 1_000_000 {
            return (before, time);
        }
    }
}

/// The clock is made faster and slower.
fn trimmed() {
    // Only who counts: the C library reads it without a system call.
    let by_call = |clock| calls::now_by_call(clock);
    for (tick, frequency) in [(11_000, 0), (9_000, 32_768_000), (10_000, -6_553_600), (10_000, 0)] {
        let (state, known) = adjust(|timex| {
            timex.modes = ADJ_TICK | ADJ_FREQUENCY;
            (timex.tick, timex.freq) = (tick, frequency);
        });
        assert!(state.is_ok());
        assert_eq!((known.tick, known.freq), (tick, frequency));
        let rate = |clock| {
            let before = both(clock);
            std::thread::sleep(std::time::Duration::from_millis(300));
            let after = both(clock);
            (after.1 - before.1) as f64 / (after.0 - before.0) as f64
        };
        let wanted = tick as f64 / 10_000.0 + frequency as f64 / 65_536e6;
        for clock in [CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_TAI] {
            let rate = rate(clock);
            assert!((rate - wanted).abs() < 0.02, "clock {clock}: {rate}, and not {wanted}");
        }
        // By page and by call, it does not go back.
        let mut last = 0;
        for turn in 0..20_000 {
            if turn % 100 == 0 {
                let tick = if turn % 200 == 0 { tick } else { 10_000 };
                trim(|timex| (timex.modes, timex.tick) = (ADJ_TICK, tick));
            }
            for time in [calls::now(CLOCK_MONOTONIC), by_call(CLOCK_MONOTONIC)] {
                assert!(time >= last, "{time} after {last}");
                last = time;
            }
        }
        trim(|timex| (timex.modes, timex.tick) = (ADJ_TICK, tick));
    }
    // As far as a clock can be trimmed.
    for (given, known) in [(40_000_000, 32_768_000), (-40_000_000, -32_768_000), (0, 0)] {
        let (_, told) = adjust(|timex| (timex.modes, timex.freq) = (ADJ_FREQUENCY, given));
        assert_eq!(told.freq, known);
    }
    let (state, _) = adjust(|timex| (timex.modes, timex.freq) = (ADJ_FREQUENCY, i64::MAX));
    assert_eq!(state, Err(EINVAL));
    println!("trimmed clocks");
}

/// What is to be made good for.
fn offsets() {
    let shot = |offset: i64| {
        adjust(|timex| (timex.modes, timex.offset) = (ADJ_OFFSET_SINGLESHOT, offset)).1.offset
    };
    let left = || adjust(|timex| timex.modes = ADJ_OFFSET_SS_READ).1.offset;
    assert_eq!(shot(1_100), 0);
    // 500 microseconds in each second, one of which may begin just now.
    while left() != 1_100 {
        shot(1_100);
    }
    while left() == 1_100 {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!([600, 100, 0].contains(&left()), "{}", left());
    shot(0);
    assert_eq!(left(), 0);
    let (_, known) = adjust(|timex| {
        timex.modes = ADJ_STATUS | ADJ_OFFSET | ADJ_NANO | ADJ_TIMECONST;
        (timex.status, timex.offset, timex.constant) = (STA_PLL, 20_000_000, 1);
    });
    assert_eq!((known.offset, known.constant), (20_000_000, 1));
    let mut last = known.offset;
    while last > 10_000_000 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let (_, known) = adjust(|_| ());
        // An eighth of what is left in each second.
        assert!(known.offset <= last, "{} after {last}", known.offset);
        last = known.offset;
    }
    let (_, known) = adjust(|timex| (timex.modes, timex.status) = (ADJ_STATUS | ADJ_MICRO, 0));
    assert_eq!(known.status, 0);
    // Without a loop, an offset is nothing; setting the date forgets one.
    trim(|timex| (timex.modes, timex.offset) = (ADJ_OFFSET, 5_000));
    calls::set_date(calls::now(CLOCK_REALTIME) + 1).expect("root sets the date");
    assert_eq!(adjust(|_| ()).1.offset, 0);
    trim(|timex| (timex.modes, timex.freq) = (ADJ_FREQUENCY, 0));
    println!("offsets");
}

/// The last second of a day comes twice, or not at all.
fn leap_seconds() {
    const DAY: u64 = 24 * HOUR;
    let midnight = (calls::now(CLOCK_REALTIME) / DAY + 2) * DAY;
    for (status, states, moved) in [
        (STA_INS, [TIME_INS, TIME_OOP, TIME_WAIT], -1i64),
        (STA_DEL, [TIME_DEL, TIME_WAIT, TIME_WAIT], 1),
    ] {
        let (before, other) = loop {
            calls::set_date(midnight - 3_500_000_000).expect("root sets the date");
            let (_, known) = adjust(|timex| {
                // How wrong it is, too: a date that nobody keeps has no other state.
                timex.modes = ADJ_STATUS | ADJ_TAI | ADJ_MAXERROR;
                (timex.status, timex.constant, timex.maxerror) = (status | STA_PLL, 37, 1000);
            });
            assert_eq!(known.tai, 37);
            let (before, seconds) = (ahead(), ahead_of_date());
            // A busy host may have let midnight pass; then it is a day to the next one.
            if calls::now(CLOCK_REALTIME) < midnight - 2_000_000_000 {
                assert_eq!(seconds, 37);
                break before;
            }
            no_leap_second();
        };
        let mut seen = vec![];
        while seen.last() != Some(&TIME_WAIT) {
            let (state, _) = adjust(|_| ());
            let state = state.unwrap();
            if seen.last() != Some(&state) {
                seen.push(state);
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        // A busy machine may miss one of them.
        let is_right = |state: &_| *state == TIME_OK || states.contains(state);
        assert!(seen.iter().all(is_right), "{seen:?}");
        let (after, error) = ahead();
        assert!(
            (after - before - moved * 1_000_000_000).abs() <= error + other,
            "{before}, {after}"
        );
        let (_, known) = adjust(|_| ());
        assert_eq!(i64::from(known.tai), 37 - moved);
        assert_eq!(ahead_of_date(), 37 - moved);
        no_leap_second();
    }
    trim(|timex| (timex.modes, timex.constant) = (ADJ_TAI, 0));
    println!("leap seconds");
}

/// Nobody wants one any more, and the last one is over.
fn no_leap_second() {
    trim(|timex| (timex.modes, timex.status) = (ADJ_STATUS, STA_PLL));
    while adjust(|_| ()).0 != Ok(TIME_OK) {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

fn exactness() {
    // The date has been set: nobody keeps it.
    calls::set_date(calls::now(CLOCK_REALTIME) + 1).expect("root sets the date");
    let (state, known) = adjust(|_| ());
    assert_eq!(state, Ok(TIME_ERROR));
    assert_eq!(known.status & STA_UNSYNC, STA_UNSYNC);
    assert_eq!((known.maxerror, known.esterror), (ERROR_LIMIT, ERROR_LIMIT));
    assert_eq!((known.precision, known.tolerance, known.tick), (1, 500 << 16, 10_000));
    assert_eq!((known.freq, known.offset, known.tai), (0, 0, 0));
    let date = known.time.tv_sec as u64 * 1_000_000 + known.time.tv_usec as u64;
    let now = calls::now(CLOCK_REALTIME) / 1000;
    assert!(date <= now && date + 60_000_000 > now);
    // Somebody does.
    let (state, known) = adjust(|timex| {
        timex.modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR;
        (timex.status, timex.maxerror, timex.esterror) = (STA_PLL, 1000, 20);
    });
    assert_eq!(state, Ok(TIME_OK));
    assert_eq!((known.status, known.maxerror, known.esterror), (STA_PLL, 1000, 20));
    // What is not known grows.
    std::thread::sleep(std::time::Duration::from_millis(2200));
    let (_, known) = adjust(|_| ());
    assert!(known.maxerror >= 2000 && known.maxerror <= 20_000, "{}", known.maxerror);
    assert_eq!(known.esterror, 20);
    let (_, known) = adjust(|timex| timex.modes = ADJ_NANO);
    assert_eq!(known.status, STA_PLL | STA_NANO);
    let (_, known) = adjust(|timex| timex.modes = ADJ_STATUS);
    assert_eq!(known.status, 0);
    // Setting the date forgets all of it.
    calls::set_date(calls::now(CLOCK_REALTIME) + 1).expect("root sets the date");
    let (state, known) = adjust(|_| ());
    assert_eq!((state, known.status, known.maxerror), (Ok(TIME_ERROR), STA_UNSYNC, ERROR_LIMIT));
    for tick in [8_999, 11_001] {
        let (state, _) = adjust(|timex| (timex.modes, timex.tick) = (ADJ_TICK, tick));
        assert_eq!(state, Err(EINVAL));
    }
    assert_eq!(ask(CLOCK_REALTIME), Ok(TIME_ERROR));
    assert_eq!(ask(CLOCK_MONOTONIC), Err(EOPNOTSUPP));
    assert_eq!(ask(CLOCK_PROCESS_CPUTIME_ID), Err(EOPNOTSUPP));
    assert_eq!(ask(1234), Err(EINVAL));
    println!("exactness");
}

/// Moves the date.
fn shift(modes: u32, seconds: i64, fraction: i64) -> Result<i32, i32> {
    let (state, _) = adjust(|timex| {
        timex.modes = ADJ_SETOFFSET | modes;
        (timex.time.tv_sec, timex.time.tv_usec) = (seconds, fraction);
    });
    state
}

/// How many seconds atomic time is ahead of the date.
fn ahead_of_date() -> i64 {
    loop {
        let before = calls::now(CLOCK_REALTIME) as i64;
        let atomic = calls::now(CLOCK_TAI) as i64;
        let after = calls::now(CLOCK_REALTIME) as i64;
        // Whoever was interrupted for long in between does not know which moment it was.
        if (after - before).abs() < 100_000_000 {
            return (atomic - before + 500_000_000) / 1_000_000_000;
        }
    }
}

/// How far the date is ahead of the monotonic clock, and how exactly that is known.
fn ahead() -> (i64, i64) {
    let before = calls::now(CLOCK_MONOTONIC) as i64;
    let date = calls::now(CLOCK_REALTIME) as i64;
    let after = calls::now(CLOCK_MONOTONIC) as i64;
    (date - after, after - before)
}

fn moved_dates() {
    let file = TimerFile::new(CLOCK_REALTIME, TFD_NONBLOCK);
    let later = calls::now(CLOCK_REALTIME) + 8 * HOUR;
    file.set(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, later, 0);
    for (modes, seconds, fraction, moved) in [
        (0, 10, 250_000, 10_250_000_000),
        (ADJ_NANO, -11, 750_000_000, -10_250_000_000),
        (ADJ_NANO, 3600, 0, HOUR as i64),
        (0, -3600, 0, -(HOUR as i64)),
    ] {
        let (before, error) = ahead();
        assert_eq!(shift(modes, seconds, fraction), Ok(TIME_ERROR));
        let (after, other) = ahead();
        let off = after - before - moved;
        assert!(off.abs() <= error + other, "off by {off} ns, known to {error} and {other}");
        assert_eq!(file.expirations(), Err(ECANCELED));
    }
    for (modes, fraction) in [(0, 1_000_000), (0, -1), (ADJ_NANO, 1_000_000_000), (ADJ_NANO, -1)] {
        assert_eq!(shift(modes, 0, fraction), Err(EINVAL));
    }
    // Before the boot, and beyond what can be counted.
    for seconds in [-4_000_000_000, 9_000_000_000, i64::MIN, i64::MAX] {
        assert_eq!(shift(0, seconds, 0), Err(EINVAL), "{seconds}");
    }
    println!("moved dates");
}
