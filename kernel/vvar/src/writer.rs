//! The kernel's side.

use contract::Counter;
use core::sync::atomic::{Ordering, fence};

use crate::page::{COUNTER, CPU_NUMBER, Word, Words, word};

/// Writes the page. There is one for a page, and who holds it holds a lock with interrupts off, so that no reader
/// waits for a writer that does not run.
pub struct Writer<'a>(&'a Words);

impl<'a> Writer<'a> {
    /// The writer of a page that nobody reads yet. `counter`: how programs read the clock, if they can; `knows_cpu`: whether
    /// they can find out where they run.
    pub fn new(
        page: &'a Words,
        counter: Option<Counter>,
        knows_cpu: bool,
        realtime_offset: u64,
    ) -> Self {
        let store = |place, value| word(page, place).store(value, Ordering::Relaxed);
        let mut abilities = if knows_cpu { CPU_NUMBER } else { 0 };
        if let Some(counter) = counter {
            abilities |= COUNTER;
            store(Word::Start, counter.start);
            store(Word::TickLength, counter.tick_length);
        }
        store(Word::Abilities, abilities);
        store(Word::RealtimeOffset, realtime_offset);
        // Release: a reader that finds this number finds the words, however it came by the page.
        word(page, Word::Sequence).store(2, Ordering::Release);
        Self(page)
    }

    /// Sets how far the date is ahead. `meanwhile` runs while readers wait, for what is to change in the same moment.
    pub fn set_realtime_offset(&mut self, offset: u64, meanwhile: impl FnOnce()) {
        let sequence = word(self.0, Word::Sequence);
        let odd = sequence.load(Ordering::Relaxed) + 1;
        sequence.store(odd, Ordering::Relaxed);
        // Pairs with the reader's Acquire fence: no word of this write is seen by who does not see the odd number after it.
        fence(Ordering::Release);
        meanwhile();
        word(self.0, Word::RealtimeOffset).store(offset, Ordering::Relaxed);
        // Release: whoever sees the even number sees all of this.
        sequence.store(odd + 1, Ordering::Release);
    }
}
