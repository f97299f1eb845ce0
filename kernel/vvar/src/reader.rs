//! The vDSO's side.

use contract::Counter;
use core::sync::atomic::{Ordering, fence};

use crate::clock::{Clock, at_tick};
use crate::page::{COUNTER, CPU_NUMBER, Word, Words, word};

/// Reads the page.
#[derive(Clone, Copy)]
pub struct Reader<'a>(&'a Words);

impl<'a> Reader<'a> {
    /// A reader of this page.
    pub const fn new(page: &'a Words) -> Self {
        Self(page)
    }

    /// What a clock shows now, in nanoseconds. `counter` reads the processor's counter, not before what comes before the call in the program.
    /// `None`: the counter is no clock, and the kernel has to be asked.
    #[inline]
    pub fn now(self, clock: Clock, counter: impl Fn() -> u64) -> Option<u64> {
        let load = |place| word(self.0, place).load(Ordering::Relaxed);
        loop {
            // Acquire pairs with the Release by which the writer ends: an even number comes with the words of that write.
            let sequence = word(self.0, Word::Sequence).load(Ordering::Acquire);
            if !sequence.is_multiple_of(2) {
                core::hint::spin_loop();
                continue;
            }
            let usable = load(Word::Abilities) & COUNTER != 0;
            let time = if usable { self.at(clock, counter()) } else { 0 };
            // Pairs with the writer's Release fence: who has loaded a word of a newer write loads at least its odd number here.
            fence(Ordering::Acquire);
            if load(Word::Sequence) == sequence {
                return usable.then_some(time);
            }
        }
    }

    /// What a clock shows when the counter has this value, by words that may be of two writes.
    #[inline]
    fn at(self, clock: Clock, value: u64) -> u64 {
        let load = |place| word(self.0, place).load(Ordering::Relaxed);
        let since = |start, tick_length| {
            Counter { start: load(start), tick_length: load(tick_length) }.time_at(value)
        };
        // A date that somebody has set to the end of time stays there.
        match clock {
            Clock::Raw => since(Word::RawStart, Word::RawTickLength),
            Clock::Realtime | Clock::Monotonic | Clock::Tai => {
                load(clock.base()).saturating_add(since(Word::Start, Word::TickLength))
            }
            Clock::RealtimeCoarse | Clock::MonotonicCoarse => {
                // Both are cut where the monotonic clock has its ticks.
                let base = load(Word::Base);
                let monotonic = base.wrapping_add(since(Word::Start, Word::TickLength));
                load(clock.base()).wrapping_sub(base).saturating_add(at_tick(monotonic))
            }
        }
    }

    /// Whether `RDTSCP` tells the CPU and its node.
    #[inline]
    pub fn knows_cpu(self) -> bool {
        word(self.0, Word::Abilities).load(Ordering::Relaxed) & CPU_NUMBER != 0
    }
}
