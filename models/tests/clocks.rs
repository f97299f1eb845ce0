//! The page of the clocks, and the kernel's own copy, read while they are written.

use contract::Counter;
use models::clock::{Clock, Precise};
use models::pace::{Pace, PaceCell};
use models::page::Words;
use models::reader::Reader;
use models::writer::{Clocks, Writer};
use std::sync::Arc;
use weak::sync::atomic::{AtomicU64, Ordering};
use weak::{model, model_with_switches, thread};

const COUNTER: Counter = Counter { start: 1000, tick_length: 1 << 32 };
const PACE: Pace = Pace { counter: COUNTER, base: 0 };

struct Kept {
    page: Box<Words>,
    /// What a system call answers with.
    copy: AtomicU64,
}

fn page() -> Box<Words> {
    // A thread of a model has a small stack.
    let page: Vec<_> = (0..512).map(|_| AtomicU64::new(0)).collect();
    page.try_into().unwrap_or_else(|_| unreachable!("so many words are a page"))
}

fn kept() -> Arc<Kept> {
    let kept = Kept { page: page(), copy: AtomicU64::new(0) };
    kept.copy.store(1, Ordering::Relaxed);
    Arc::new(kept)
}

fn date(realtime_offset: u64) -> Clocks {
    Clocks { pace: PACE, realtime_offset, tai_offset: 0 }
}

#[test]
fn c7_vdso_date_does_not_go_back_between_page_and_system_call() {
    model(|| {
        let kept = kept();
        let mut writer = Writer::new(&kept.page, Some(COUNTER), false, &date(1));
        let read = kept.clone();
        let reader = thread::spawn(move || {
            let by_page =
                || Reader::new(&read.page).now(Clock::Precise(Precise::Realtime), || 1000).unwrap();
            let first = by_page();
            let second = read.copy.load(Ordering::Acquire);
            let third = by_page();
            assert!(first <= second && second <= third, "{first}, {second}, {third}");
        });
        writer.set(&date(2), || kept.copy.store(2, Ordering::Release));
        reader.join().unwrap();
    });
}

/// The clock becomes faster at 1500; the counter shows 2000 all the time, so what a reader finds shows by which pace it went.
#[test]
fn c7_vdso_pace_is_read_as_it_was_written() {
    model(|| {
        let words: Arc<[AtomicU64; 4]> = Arc::new(std::array::from_fn(|_| AtomicU64::new(0)));
        PaceCell::new(&words).write(PACE);
        let read = words.clone();
        let reader = thread::spawn(move || {
            let (pace, value) = PaceCell::new(&read).read(|| 2000);
            let time = pace.time_at(value);
            assert!([1000, 1500].contains(&time), "{time}");
        });
        let counter = Counter { start: 1500, tick_length: 2 << 32 };
        PaceCell::new(&words).write(Pace { counter, base: 500 });
        reader.join().unwrap();
    });
}

/// The page and the kernel's own pace.
struct Both {
    page: Box<Words>,
    pace: [AtomicU64; 4],
}

impl Both {
    fn by_page(&self) -> u64 {
        Reader::new(&self.page).now(Clock::Precise(Precise::Monotonic), || 2000).unwrap()
    }

    fn by_system_call(&self) -> u64 {
        let (pace, value) = PaceCell::new(&self.pace).read(|| 2000);
        pace.time_at(value)
    }
}

/// The clock becomes faster at 1500, as in `time::keep`, while somebody reads it twice at 2000. In few turns: without a limit it
/// takes too long.
fn while_the_clock_becomes_faster(read_twice: fn(&Both) -> (u64, u64)) {
    const SWITCHES: usize = 2;
    model_with_switches(SWITCHES, move || {
        let both =
            Arc::new(Both { page: page(), pace: std::array::from_fn(|_| AtomicU64::new(0)) });
        let mut writer = Writer::new(&both.page, Some(COUNTER), false, &date(0));
        PaceCell::new(&both.pace).write(PACE);
        let read = both.clone();
        let reader = thread::spawn(move || {
            let (first, second) = read_twice(&read);
            assert!(first <= second, "{first}, {second}");
            assert!([first, second].iter().all(|time| [1000, 1500].contains(time)));
        });
        let faster = Pace { counter: Counter { start: 1500, tick_length: 2 << 32 }, base: 500 };
        let clocks = Clocks { pace: faster, ..date(0) };
        writer.set(&clocks, || PaceCell::new(&both.pace).write(faster));
        reader.join().unwrap();
    });
}

#[test]
fn c7_vdso_clock_does_not_go_back_from_system_call_to_page() {
    while_the_clock_becomes_faster(|both| (both.by_system_call(), both.by_page()));
}

#[test]
fn c7_vdso_clock_does_not_go_back_from_page_to_system_call() {
    while_the_clock_becomes_faster(|both| (both.by_page(), both.by_system_call()));
}

#[test]
fn c7_vdso_page_is_read_as_it_was_written() {
    model(|| {
        let kept = kept();
        // The reader comes by the page in some other way than by the number.
        let read = kept.clone();
        let reader = Reader::new(&kept.page);
        assert!(!reader.knows_cpu());
        for (place, word) in kept.page[..9].iter().enumerate() {
            // The number first: odd.
            word.store(u64::from(place == 0), Ordering::Relaxed);
        }
        let thread = thread::spawn(move || {
            Reader::new(&read.page).now(Clock::Precise(Precise::Realtime), || 1500)
        });
        Writer::new(&kept.page, Some(COUNTER), false, &date(7));
        let seen = thread.join().unwrap();
        assert!(seen.is_none_or(|seen| seen == 507));
    });
}
