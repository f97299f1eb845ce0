//! The vDSO's side.

use contract::Counter;
use core::sync::atomic::{Ordering, fence};

use crate::clock::{Clock, Precise, at_tick};
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
        match clock {
            Clock::Precise(clock) => self.now_precise(clock, counter),
            Clock::Raw => self.settled(counter, |value| self.raw(value)),
            Clock::Coarse(clock) => self.settled(counter, |value| self.coarse(clock, value)),
        }
    }

    /// The same of the clocks that most programs read, without a look at which it is.
    #[inline(always)]
    pub fn now_precise(self, clock: Precise, counter: impl Fn() -> u64) -> Option<u64> {
        self.settled(counter, |value| {
            // A date that somebody has set to the end of time stays there.
            self.load(clock.base()).saturating_add(self.since(Word::Start, Word::TickLength, value))
        })
    }

    /// What `at` makes of a value of the counter and of words that are all of one write.
    #[inline(always)]
    fn settled(self, counter: impl Fn() -> u64, at: impl Fn(u64) -> u64) -> Option<u64> {
        loop {
            // Acquire pairs with the Release by which the writer ends: an even number comes with the words of that write.
            let sequence = word(self.0, Word::Sequence).load(Ordering::Acquire);
            if !sequence.is_multiple_of(2) {
                core::hint::spin_loop();
                continue;
            }
            let usable = self.load(Word::Abilities) & COUNTER != 0;
            let time = if usable { at(counter()) } else { 0 };
            // Pairs with the writer's Release fence: who has loaded a word of a newer write loads at least its odd number here.
            fence(Ordering::Acquire);
            if self.load(Word::Sequence) == sequence {
                return usable.then_some(time);
            }
        }
    }

    /// Words may be of two writes, in this and in what follows.
    #[inline(always)]
    fn load(self, place: Word) -> u64 {
        word(self.0, place).load(Ordering::Relaxed)
    }

    /// The clock that nobody trims.
    fn raw(self, value: u64) -> u64 {
        self.since(Word::RawStart, Word::RawTickLength, value)
    }

    /// A clock as it was at the last tick: all are cut where the monotonic clock has its ticks.
    fn coarse(self, clock: Precise, value: u64) -> u64 {
        let monotonic_base = self.load(Word::Base);
        let since = self.since(Word::Start, Word::TickLength, value);
        let monotonic = monotonic_base.wrapping_add(since);
        self.load(clock.base()).wrapping_sub(monotonic_base).saturating_add(at_tick(monotonic))
    }

    #[inline(always)]
    fn since(self, start: Word, tick_length: Word, value: u64) -> u64 {
        Counter { start: self.load(start), tick_length: self.load(tick_length) }.time_at(value)
    }

    /// Whether `RDTSCP` tells the CPU and its node.
    #[inline]
    pub fn knows_cpu(self) -> bool {
        word(self.0, Word::Abilities).load(Ordering::Relaxed) & CPU_NUMBER != 0
    }
}
