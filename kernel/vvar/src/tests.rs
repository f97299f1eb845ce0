//! The protocol, with real threads on the host.

extern crate std;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::boxed::Box;
use std::thread;

use contract::Counter;

use crate::page::{Word, word};
use crate::{Clock, Clocks, Pace, PaceCell, Precise, Reader, Words, Writer};

const COUNTER: Counter = Counter { start: 1000, tick_length: 1 << 32 };
const PACE: Pace = Pace { counter: COUNTER, base: 0 };

fn page() -> Box<Words> {
    Box::new([const { AtomicU64::new(0) }; 512])
}

fn date(realtime_offset: u64) -> Clocks {
    Clocks { pace: PACE, realtime_offset, tai_offset: realtime_offset + 37_000_000_000 }
}

#[test]
fn c7_vdso_clocks_are_what_system_calls_make_of_them() {
    let page = page();
    let mut writer = Writer::new(&page, Some(COUNTER), true, &date(1_700_000_000_000_000_000));
    let reader = Reader::new(&page);
    let at = |value, clock| reader.now(clock, || value).unwrap();
    let now = |clock| at(1000 + 123_456_789, clock);
    assert_eq!(now(Clock::Precise(Precise::Monotonic)), 123_456_789);
    assert_eq!(now(Clock::Raw), 123_456_789);
    assert_eq!(now(Clock::Precise(Precise::Realtime)), 1_700_000_000_123_456_789);
    assert_eq!(now(Clock::Precise(Precise::Tai)), 1_700_000_037_123_456_789);
    assert_eq!(now(Clock::Coarse(Precise::Monotonic)), 120_000_000);
    assert_eq!(now(Clock::Coarse(Precise::Realtime)), 1_700_000_000_120_000_000);
    // A counter that was behind when the clock started: time 0, and not the end of time.
    assert_eq!(at(900, Clock::Precise(Precise::Monotonic)), 0);
    assert!(reader.knows_cpu());
    for (number, clock) in [
        (0, Clock::Precise(Precise::Realtime)),
        (1, Clock::Precise(Precise::Monotonic)),
        (4, Clock::Raw),
        (5, Clock::Coarse(Precise::Realtime)),
        (6, Clock::Coarse(Precise::Monotonic)),
        (7, Clock::Precise(Precise::Monotonic)),
        (11, Clock::Precise(Precise::Tai)),
    ] {
        assert_eq!(Clock::from_number(number), Some(clock), "clock {number}");
    }
    for number in [-1, 2, 3, 8, 9, 10, 12] {
        assert_eq!(Clock::from_number(number), None, "clock {number}");
    }
    // From a second on, twice as fast; the coarse clocks have their ticks where the monotonic one has.
    let counter = Counter { start: 1_000_001_000, tick_length: 2 << 32 };
    let pace = Pace { counter, base: 1_000_000_000 };
    writer.set(&Clocks { pace, ..date(5_000_000_001) }, || ());
    let now = |clock| at(2_000_001_000 + 1_000_003, clock);
    assert_eq!(now(Clock::Precise(Precise::Monotonic)), 3_002_000_006);
    assert_eq!(now(Clock::Raw), 2_001_000_003);
    assert_eq!(now(Clock::Precise(Precise::Realtime)), 8_002_000_007);
    assert_eq!(now(Clock::Precise(Precise::Tai)), 45_002_000_007);
    assert_eq!(now(Clock::Coarse(Precise::Monotonic)), 3_000_000_000);
    assert_eq!(now(Clock::Coarse(Precise::Realtime)), 8_000_000_001);
    // At the end of time it stays.
    writer.set(&Clocks { realtime_offset: u64::MAX - 5, ..date(0) }, || ());
    assert_eq!(at(2000, Clock::Precise(Precise::Realtime)), u64::MAX);
}

#[test]
fn c7_vdso_asks_the_kernel_where_the_counter_is_no_clock() {
    let page = page();
    let mut writer = Writer::new(&page, None, false, &date(5));
    let reader = Reader::new(&page);
    let now = || {
        reader.now(Clock::Precise(Precise::Realtime), || {
            unreachable!("the counter is not to be read")
        })
    };
    assert_eq!(now(), None);
    writer.set(&date(6), || ());
    assert_eq!(now(), None);
    assert!(!reader.knows_cpu());
}

#[test]
fn c7_vdso_reader_waits_while_the_page_is_written() {
    let page = page();
    let mut writer = Writer::new(&page, Some(COUNTER), false, &date(5));
    let before = word(&page, Word::Sequence).load(Ordering::Relaxed);
    writer.set(&date(6), || {
        assert!(!word(&page, Word::Sequence).load(Ordering::Relaxed).is_multiple_of(2));
    });
    assert_eq!(word(&page, Word::Sequence).load(Ordering::Relaxed), before + 2);
    // A write that begins while a reader reads makes it start over.
    let mut turns = 0;
    let writer = core::cell::RefCell::new(writer);
    let turn = core::cell::RefCell::new(&mut turns);
    let time = Reader::new(&page).now(Clock::Precise(Precise::Realtime), || {
        **turn.borrow_mut() += 1;
        if **turn.borrow() == 1 {
            writer.borrow_mut().set(&date(7), || ());
        }
        2000
    });
    assert_eq!((time, turns), (Some(1007), 2));
}

/// One sets the date on and on, always forward, and trims the clock with it, keeping a copy of both as the kernel does; others read the page and the copies
/// in turn, and never see a clock go back.
#[test]
fn c7_vdso_date_does_not_go_back_between_page_and_system_call() {
    const STEPS: u64 = 200_000;
    let (page, copy, over) = (page(), AtomicU64::new(1), AtomicBool::new(false));
    let words = [const { AtomicU64::new(0) }; 4];
    let (cell, value) = (PaceCell::new(&words), AtomicU64::new(1000));
    cell.write(PACE);
    let mut writer = Writer::new(&page, Some(COUNTER), false, &date(1));
    // The counter stands but for the writer, who moves it before each change.
    let counter = || value.load(Ordering::SeqCst);
    let by_page = || Reader::new(&page).now(Clock::Precise(Precise::Monotonic), counter).unwrap();
    let by_call = || {
        let (pace, value) = cell.read(counter);
        pace.time_at(value)
    };
    let date_by_page = || Reader::new(&page).now(Clock::Precise(Precise::Realtime), || 0).unwrap();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let (mut last, mut last_date) = (0, 0);
                while !over.load(Ordering::Relaxed) {
                    for (way, time) in [("page", by_page()), ("call", by_call())] {
                        assert!(time >= last, "{time} by the {way}, after {last}");
                        last = time;
                    }
                    let dates = [("page", date_by_page()), ("call", copy.load(Ordering::Acquire))];
                    for (way, date) in dates {
                        assert!(date >= last_date, "{date} by the {way}, after {last_date}");
                        last_date = date;
                    }
                }
            });
        }
        let mut pace = PACE;
        for step in 2..STEPS {
            let now = value.load(Ordering::SeqCst) + 3;
            value.store(now, Ordering::SeqCst);
            let base = pace.time_at(now);
            // Once faster, once slower.
            let tick_length = (1 << 32) + (step % 2) * (1 << 31);
            pace = Pace { counter: Counter { start: now, tick_length }, base };
            // So that what the page shows with a counter that stands is the number of the step.
            let clocks = Clocks { pace, realtime_offset: step - base.min(step), tai_offset: 0 };
            let shown = clocks.realtime_offset + base;
            writer.set(&clocks, || {
                copy.store(shown, Ordering::Release);
                cell.write(pace);
            });
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(by_page(), by_call());
}
