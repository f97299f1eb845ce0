//! `adjtimex`: what is known of the date's exactness, and moving it.

use crate::calls::{self, TimerFile, adjust, ask};
use libc::{
    ADJ_ESTERROR, ADJ_MAXERROR, ADJ_NANO, ADJ_SETOFFSET, ADJ_STATUS, ADJ_TICK, CLOCK_MONOTONIC,
    CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, ECANCELED, EINVAL, EOPNOTSUPP, STA_NANO, STA_PLL,
    STA_UNSYNC, TFD_NONBLOCK, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET, TIME_ERROR, TIME_OK,
};

/// The most that the date can be wrong by, in microseconds.
const ERROR_LIMIT: i64 = 16_000_000;
const HOUR: u64 = 3600 * 1_000_000_000;

pub(crate) fn all() {
    exactness();
    moved_dates();
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
