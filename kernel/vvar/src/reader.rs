//! The vDSO's side.

use contract::Counter;
use core::sync::atomic::{Ordering, fence};

use crate::clock::Clock;
use crate::page::{COUNTER, CPU_NUMBER, Word, Words, word};

/// Reads the page.
#[derive(Clone, Copy)]
pub struct Reader<'a>(&'a Words);

/// What the clocks showed at one moment, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Time since boot.
    pub monotonic: u64,
    /// How far the date was ahead.
    pub realtime_offset: u64,
}

impl Times {
    /// What a clock showed then.
    pub const fn of(&self, clock: Clock) -> u64 {
        clock.show(self.monotonic, self.realtime_offset)
    }
}

impl<'a> Reader<'a> {
    /// A reader of this page.
    pub const fn new(page: &'a Words) -> Self {
        Self(page)
    }

    /// The time now. `counter` reads the processor's counter, not before what comes before the call in the program. `None`:
    /// the counter is no clock, and the kernel has to be asked.
    #[inline]
    pub fn now(self, counter: impl Fn() -> u64) -> Option<Times> {
        let load = |place| word(self.0, place).load(Ordering::Relaxed);
        loop {
            // Acquire pairs with the Release by which the writer ends: an even number comes with the words of that write.
            let sequence = word(self.0, Word::Sequence).load(Ordering::Acquire);
            if !sequence.is_multiple_of(2) {
                core::hint::spin_loop();
                continue;
            }
            let usable = load(Word::Abilities) & COUNTER != 0;
            let clock = Counter { start: load(Word::Start), tick_length: load(Word::TickLength) };
            let times = Times {
                monotonic: if usable { clock.time_at(counter()) } else { 0 },
                realtime_offset: load(Word::RealtimeOffset),
            };
            // Pairs with the writer's Release fence: who has loaded a word of a newer write loads at least its odd number here.
            fence(Ordering::Acquire);
            if load(Word::Sequence) == sequence {
                return usable.then_some(times);
            }
        }
    }

    /// Whether `RDTSCP` tells the CPU and its node.
    #[inline]
    pub fn knows_cpu(self) -> bool {
        word(self.0, Word::Abilities).load(Ordering::Relaxed) & CPU_NUMBER != 0
    }
}
