//! The kernel's side.

use contract::Counter;
use core::sync::atomic::{Ordering, fence};

use crate::pace::Pace;
use crate::page::{COUNTER, CPU_NUMBER, Word, Words, word};

/// Writes the page. There is one for a page, and who holds it holds a lock with interrupts off, so that no reader
/// waits for a writer that does not run.
pub struct Writer<'a>(&'a Words);

/// What the clocks go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The monotonic clock.
    pub pace: Pace,
    /// How far the date is ahead of it, in nanoseconds.
    pub realtime_offset: u64,
    /// How far atomic time is ahead of it, in nanoseconds.
    pub tai_offset: u64,
}

impl<'a> Writer<'a> {
    /// The writer of a page that nobody reads yet. `raw`: how programs read the clock that nobody trims, if they can; `knows_cpu`: whether
    /// they can find out where they run.
    pub fn new(page: &'a Words, raw: Option<Counter>, knows_cpu: bool, clocks: &Clocks) -> Self {
        let store = |place, value| word(page, place).store(value, Ordering::Relaxed);
        let mut abilities = if knows_cpu { CPU_NUMBER } else { 0 };
        if let Some(raw) = raw {
            abilities |= COUNTER;
            store(Word::RawStart, raw.start);
            store(Word::RawTickLength, raw.tick_length);
        }
        store(Word::Abilities, abilities);
        store_clocks(page, clocks);
        // Release: a reader that finds this number finds the words, however it came by the page.
        word(page, Word::Sequence).store(2, Ordering::Release);
        Self(page)
    }

    /// Sets what the clocks go by. `meanwhile` runs while readers wait, for what is to change in the same moment.
    pub fn set(&mut self, clocks: &Clocks, meanwhile: impl FnOnce()) {
        let sequence = word(self.0, Word::Sequence);
        let odd = sequence.load(Ordering::Relaxed) + 1;
        sequence.store(odd, Ordering::Relaxed);
        // Pairs with the reader's Acquire fence: no word of this write is seen by who does not see the odd number after it.
        fence(Ordering::Release);
        meanwhile();
        store_clocks(self.0, clocks);
        // Release: whoever sees the even number sees all of this.
        sequence.store(odd + 1, Ordering::Release);
    }
}

fn store_clocks(page: &Words, clocks: &Clocks) {
    let Clocks { pace, realtime_offset, tai_offset } = clocks;
    let store = |place, value| word(page, place).store(value, Ordering::Relaxed);
    store(Word::Start, pace.counter.start);
    store(Word::TickLength, pace.counter.tick_length);
    store(Word::Base, pace.base);
    store(Word::DateBase, realtime_offset.saturating_add(pace.base));
    store(Word::TaiBase, tai_offset.saturating_add(pace.base));
}
