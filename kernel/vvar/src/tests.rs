//! The protocol, with real threads on the host.

extern crate std;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::boxed::Box;
use std::thread;

use contract::Counter;

use crate::page::{Word, word};
use crate::{Clock, Reader, Words, Writer};

const COUNTER: Counter = Counter { start: 1000, tick_length: 1 << 32 };

fn page() -> Box<Words> {
    Box::new([const { AtomicU64::new(0) }; 512])
}

#[test]
fn c7_vdso_clocks_are_what_system_calls_make_of_them() {
    let page = page();
    let _writer = Writer::new(&page, Some(COUNTER), true, 1_700_000_000_000_000_000);
    let reader = Reader::new(&page);
    let times = reader.now(|| 1000 + 123_456_789).unwrap();
    assert_eq!(times.of(Clock::Monotonic), 123_456_789);
    assert_eq!(times.of(Clock::Realtime), 1_700_000_000_123_456_789);
    assert_eq!(times.of(Clock::MonotonicCoarse), 120_000_000);
    assert_eq!(times.of(Clock::RealtimeCoarse), 1_700_000_000_120_000_000);
    // A counter that was behind when the clock started: time 0, and not the end of time.
    assert_eq!(reader.now(|| 900).unwrap().monotonic, 0);
    assert!(reader.knows_cpu());
    for number in [-1, 2, 3, 8, 9, 10, 12] {
        assert_eq!(Clock::from_number(number), None, "clock {number}");
    }
}

#[test]
fn c7_vdso_asks_the_kernel_where_the_counter_is_no_clock() {
    let page = page();
    let mut writer = Writer::new(&page, None, false, 5);
    let reader = Reader::new(&page);
    assert_eq!(reader.now(|| unreachable!("the counter is not to be read")), None);
    writer.set_realtime_offset(6, || ());
    assert_eq!(reader.now(|| unreachable!("the counter is not to be read")), None);
    assert!(!reader.knows_cpu());
}

#[test]
fn c7_vdso_reader_waits_while_the_page_is_written() {
    let page = page();
    let mut writer = Writer::new(&page, Some(COUNTER), false, 5);
    let before = word(&page, Word::Sequence).load(Ordering::Relaxed);
    writer.set_realtime_offset(6, || {
        assert!(!word(&page, Word::Sequence).load(Ordering::Relaxed).is_multiple_of(2));
    });
    assert_eq!(word(&page, Word::Sequence).load(Ordering::Relaxed), before + 2);
    // A write that begins while a reader reads makes it start over.
    let mut turns = 0;
    let writer = core::cell::RefCell::new(writer);
    let turn = core::cell::RefCell::new(&mut turns);
    let times = Reader::new(&page).now(|| {
        **turn.borrow_mut() += 1;
        if **turn.borrow() == 1 {
            writer.borrow_mut().set_realtime_offset(7, || ());
        }
        2000
    });
    assert_eq!((times.unwrap().realtime_offset, turns), (7, 2));
}

/// One sets the date on and on, always forward, keeping a copy as the kernel does; others read the page and the copy in turn,
/// and never see the date go back.
#[test]
fn c7_vdso_date_does_not_go_back_between_page_and_system_call() {
    const STEPS: u64 = 200_000;
    let (page, copy, over) = (page(), AtomicU64::new(1), AtomicBool::new(false));
    let mut writer = Writer::new(&page, Some(COUNTER), false, 1);
    let by_page = || Reader::new(&page).now(|| 1000).unwrap().realtime_offset;
    let by_call = || copy.load(Ordering::Acquire);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !over.load(Ordering::Relaxed) {
                    for (way, date) in [("page", by_page()), ("call", by_call())] {
                        assert!(date >= last, "{date} by the {way}, after {last}");
                        last = date;
                    }
                }
            });
        }
        for date in 2..STEPS {
            writer.set_realtime_offset(date, || copy.store(date, Ordering::Release));
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!((by_page(), by_call()), (STEPS - 1, STEPS - 1));
}
