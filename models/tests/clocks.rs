//! The page of the clocks, read while it is written.

use contract::Counter;
use models::page::Words;
use models::reader::Reader;
use models::writer::Writer;
use std::sync::Arc;
use weak::sync::atomic::{AtomicU64, Ordering};
use weak::{model, thread};

const COUNTER: Counter = Counter { start: 1000, tick_length: 1 << 32 };

struct Clocks {
    page: Box<Words>,
    /// What a system call answers with.
    copy: AtomicU64,
}

fn clocks() -> Arc<Clocks> {
    // A thread of a model has a small stack.
    let page: Vec<_> = (0..512).map(|_| AtomicU64::new(0)).collect();
    let page = page.try_into().unwrap_or_else(|_| unreachable!("so many words are a page"));
    let clocks = Clocks { page, copy: AtomicU64::new(0) };
    clocks.copy.store(1, Ordering::Relaxed);
    Arc::new(clocks)
}

#[test]
fn c7_vdso_date_does_not_go_back_between_page_and_system_call() {
    model(|| {
        let clocks = clocks();
        let mut writer = Writer::new(&clocks.page, Some(COUNTER), false, 1);
        let read = clocks.clone();
        let reader = thread::spawn(move || {
            let by_page = || Reader::new(&read.page).now(|| 1000).unwrap().realtime_offset;
            let first = by_page();
            let second = read.copy.load(Ordering::Acquire);
            let third = by_page();
            assert!(first <= second && second <= third, "{first}, {second}, {third}");
        });
        writer.set_realtime_offset(2, || clocks.copy.store(2, Ordering::Release));
        reader.join().unwrap();
    });
}

#[test]
fn c7_vdso_page_is_read_as_it_was_written() {
    model(|| {
        let clocks = clocks();
        // The reader comes by the page in some other way than by the number.
        let read = clocks.clone();
        let reader = Reader::new(&clocks.page);
        assert!(!reader.knows_cpu());
        for (place, word) in clocks.page[..5].iter().enumerate() {
            // The number first: odd.
            word.store(u64::from(place == 0), Ordering::Relaxed);
        }
        let thread = thread::spawn(move || Reader::new(&read.page).now(|| 1500));
        Writer::new(&clocks.page, Some(COUNTER), false, 7);
        let seen = thread.join().unwrap();
        assert!(seen.is_none_or(|seen| (seen.monotonic, seen.realtime_offset) == (500, 7)));
    });
}
