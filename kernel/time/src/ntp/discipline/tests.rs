//! What comes of what is told, by numbers that the formulas give by hand.

use super::{Change, Discipline, ERROR_LIMIT, SCALE, STA_FLL, STA_FREQHOLD, STA_MODE};
use crate::ntp::leap::{STA_DEL, STA_INS};
use crate::ntp::{STA_NANO, STA_PLL, STA_UNSYNC};

const SECOND: i64 = 1_000_000_000 << SCALE;
const DAY: i64 = 86_400;

/// Somebody keeps the date, in nanoseconds, since a second of it.
fn kept(status: u32, constant: i64, since: i64) -> Discipline {
    let mut discipline = Discipline::new();
    let (status, constant) = (Some(STA_PLL | status), Some(constant));
    let change = Change { status, constant, nanoseconds: Some(true), ..Change::default() };
    discipline.change(&change, since);
    discipline
}

fn tell(discipline: &mut Discipline, offset: i64, second: i64) {
    discipline.change(&Change { offset: Some(offset), ..Change::default() }, second);
}

#[test]
fn w03_what_is_told_has_limits() {
    let mut discipline = Discipline::new();
    let mut told = |change: Change| {
        discipline.change(&change, 0);
        discipline.known()
    };
    for (given, known) in [(40_000_000, 32_768_000), (-40_000_000, -32_768_000), (7, 7)] {
        assert_eq!(told(Change { frequency: Some(given), ..Change::default() }).frequency, known);
    }
    for (given, known) in [(1, 5), (7, 10), (i64::MAX, 10), (i64::MIN, 0)] {
        assert_eq!(told(Change { constant: Some(given), ..Change::default() }).constant, known);
    }
    for (given, known) in [(37, 37), (-1, 37), (100_001, 37), (100_000, 100_000), (0, 0)] {
        assert_eq!(told(Change { tai: Some(given), ..Change::default() }).tai, known);
    }
    // What only the kernel sets stays as it is.
    let all = Some(0xffff & !STA_PLL);
    assert_eq!(told(Change { status: all, ..Change::default() }).status, 0x00fe);
    let nanoseconds = Some(true);
    assert_eq!(told(Change { nanoseconds, ..Change::default() }).status, 0x00fe | STA_NANO);
    assert_eq!(told(Change { status: Some(0), ..Change::default() }).status, STA_NANO);
    assert_eq!(told(Change { constant: Some(1), ..Change::default() }).constant, 1);
    // Without a loop, an offset is nothing.
    assert_eq!(told(Change { offset: Some(1000), ..Change::default() }).offset, 0);
}

#[test]
fn w03_a_second_is_as_long_as_tick_and_frequency_say() {
    let mut discipline = Discipline::new();
    assert_eq!(discipline.second_length(), SECOND);
    let (tick, frequency) = (Some(11_000), Some(-65_536));
    discipline.change(&Change { tick, frequency, ..Change::default() }, 0);
    // A tenth more, and a millionth less.
    assert_eq!(discipline.second_length(), SECOND / 10 * 11 - (1000 << SCALE));
    assert!(!discipline.needs_seconds());
}

#[test]
fn w03_the_phase_locked_loop() {
    for sign in [1, -1] {
        let mut discipline = kept(0, 4, 1000);
        tell(&mut discipline, sign * 1_000_000, 1016);
        // 1,000,000 ns, 16 s later, by 2^(2 * (2 + 2 + 4)).
        assert_eq!(discipline.known().frequency, sign * 16_000);
        // A second makes good for 1/2^(2 + 4).
        assert!(discipline.needs_seconds());
        let before = discipline.second_length();
        assert_eq!(discipline.second(1017), 0);
        assert_eq!(discipline.second_length() - before, (sign * 15_625) << SCALE);
        assert_eq!(discipline.known().offset, sign * 984_375);
        // No more than 2^(2 + 4 + 1) seconds count.
        tell(&mut discipline, sign * 1_000_000, 2016);
        assert_eq!(discipline.known().frequency, sign * 144_000);
        // Each counts from the one before.
        tell(&mut discipline, sign * 1_000_000, 2017);
        assert_eq!(discipline.known().frequency, sign * 145_000);
        assert_eq!(discipline.known().status & STA_MODE, 0);
        for turn in 1..1000 {
            tell(&mut discipline, sign * 1_000_000_000, 2017 + turn * 100);
        }
        assert_eq!(discipline.known().frequency, sign * 32_768_000);
        // Half a second is the largest.
        assert_eq!(discipline.known().offset, sign * 500_000_000);
    }
}

#[test]
fn w03_ahead_and_behind_are_alike() {
    let mut both = [1, -1].map(|sign| {
        let mut discipline = kept(0, 0, 0);
        tell(&mut discipline, sign * 12_345, 9);
        discipline
    });
    for second in 10..40 {
        let [ahead, behind] = both.each_mut().map(|discipline| {
            discipline.second(second);
            (discipline.known().offset, discipline.second_length() - SECOND - discipline.frequency)
        });
        assert_eq!(ahead, (-behind.0, -behind.1), "in second {second}");
    }
}

#[test]
fn w03_an_offset_in_microseconds() {
    for (given, known) in [(7, 7), (-7, -7), (600_000, 500_000), (i64::MIN, -500_000)] {
        let mut discipline = kept(0, 0, 0);
        let change = Change { nanoseconds: Some(false), offset: Some(given), ..Change::default() };
        discipline.change(&change, 0);
        assert_eq!(discipline.known().offset, known);
    }
}

#[test]
fn w03_the_frequency_is_held() {
    let mut discipline = kept(STA_FREQHOLD | STA_FLL, 0, 0);
    tell(&mut discipline, 1_000_000, 3000);
    assert_eq!((discipline.known().frequency, discipline.known().offset), (0, 1_000_000));
    // What went by until then does not count afterwards.
    let status = Some(STA_PLL);
    discipline.change(&Change { status, ..Change::default() }, 3000);
    tell(&mut discipline, 1_000_000, 3000);
    assert_eq!(discipline.known().frequency, 0);
}

#[test]
fn w03_the_frequency_locked_loop() {
    let mut discipline = kept(STA_FLL, 10, 0);
    tell(&mut discipline, 256_000, 255);
    assert_eq!((discipline.known().status & STA_MODE, discipline.known().frequency), (0, 15));
    let mut discipline = kept(STA_FLL, 10, 0);
    tell(&mut discipline, 256_000, 256);
    // A quarter of 1000 ns a second, and a little of the other loop.
    assert_eq!(discipline.known().status & STA_MODE, STA_MODE);
    assert_eq!(discipline.known().frequency, 16_384 + 16);
    // Who asks too often is told by the other one again.
    tell(&mut discipline, 256_000, 257);
    assert_eq!(discipline.known().status & STA_MODE, 0);
    // After a long time it is used in any case.
    let mut discipline = kept(0, 10, 0);
    tell(&mut discipline, 256_000, 2048);
    assert_eq!((discipline.known().status & STA_MODE, discipline.known().frequency), (0, 128));
    tell(&mut discipline, 256_000, 2048 + 2049);
    assert_eq!(discipline.known().status & STA_MODE, STA_MODE);
    assert_eq!(discipline.known().frequency, 128 + 2047 + 128);
}

#[test]
fn w03_adjtime_takes_some_of_it_each_second() {
    for sign in [1, -1] {
        let mut discipline = Discipline::new();
        assert_eq!(discipline.adjust(Some(sign * 1_200)), 0);
        for (left, done) in [(700, 500), (200, 500), (0, 200), (0, 0)] {
            assert!(discipline.needs_seconds());
            discipline.second(1);
            assert_eq!(discipline.adjust(None), sign * left);
            assert_eq!(discipline.second_length() - SECOND, (sign * done * 1000) << SCALE);
        }
        assert!(!discipline.needs_seconds());
        // Another wish takes the place of what is left, and says so.
        discipline.adjust(Some(5));
        assert_eq!((discipline.adjust(Some(6)), discipline.adjust(Some(0))), (5, 6));
    }
}

#[test]
fn w03_what_nobody_keeps_becomes_worse() {
    let mut discipline = kept(0, 0, 0);
    let (max_error, estimated_error) = (Some(1000), Some(20));
    discipline.change(&Change { max_error, estimated_error, ..Change::default() }, 0);
    discipline.age(0);
    discipline.age(3);
    let known = discipline.known();
    assert_eq!((known.max_error, known.estimated_error), (2500, 20));
    assert_eq!(known.status & STA_UNSYNC, 0);
    discipline.age(u64::MAX);
    let known = discipline.known();
    assert_eq!((known.max_error, known.status & STA_UNSYNC), (ERROR_LIMIT, STA_UNSYNC));
}

#[test]
fn w03_the_date_is_set() {
    let mut discipline = kept(STA_INS, 0, 0);
    let (max_error, estimated_error) = (Some(1000), Some(20));
    let offset = Some(1_000_000);
    discipline.change(&Change { max_error, estimated_error, offset, ..Change::default() }, 0);
    discipline.adjust(Some(1000));
    discipline.second(DAY - 9);
    assert_eq!(discipline.known().state, 1);
    discipline.forget();
    let known = discipline.known();
    assert_eq!((known.offset, discipline.adjust(None)), (0, 0));
    assert_eq!(discipline.second_length(), SECOND);
    assert_eq!((known.max_error, known.estimated_error), (ERROR_LIMIT, ERROR_LIMIT));
    assert_eq!(known.status, STA_PLL | STA_INS | STA_NANO | STA_UNSYNC);
    // The end of the day that it was is none any more.
    assert_eq!((discipline.second(DAY), discipline.known().state), (0, 1));
}

#[test]
fn w03_who_lets_go_of_the_date_keeps_it_no_more() {
    let mut discipline = kept(STA_INS, 0, 0);
    discipline.second(DAY - 9);
    assert_eq!(discipline.known().state, 1);
    discipline.change(&Change { status: Some(STA_INS), ..Change::default() }, 0);
    assert_eq!((discipline.known().status, discipline.known().state), (STA_INS, 0));
    // Who takes it up again later is told of nothing that was before.
    discipline.change(&Change { status: Some(STA_PLL), ..Change::default() }, 5000);
    tell(&mut discipline, 1_000, 5000);
    assert_eq!(discipline.known().frequency, 0);
}

#[test]
fn w03_atomic_time_knows_of_no_leap_seconds() {
    for (status, last, moved) in [(STA_INS, DAY, -1), (STA_DEL, DAY - 1, 1)] {
        let mut discipline = kept(status, 0, 0);
        discipline.change(&Change { tai: Some(37), ..Change::default() }, 0);
        assert!(discipline.needs_seconds());
        assert_eq!(discipline.second(last - 1), 0);
        assert_eq!(discipline.second(last), moved);
        assert_eq!(i64::from(discipline.tai()), 37 - moved);
    }
}
