//! How fast the monotonic clock goes: the processor's counter, trimmed.
//!
//! ```text
//!   time = base + (counter - start) * tick_length
//! ```
//!
//! As long as nobody trims it, `start` and `tick_length` are the machine's and `base` is 0. Whoever changes `tick_length` goes on from
//! where the clock is: `start` is the counter's value at that moment and `base` what the clock shows then.

use contract::Counter;
use core::sync::atomic::{AtomicU64, Ordering, fence};

/// A stretch of time in which the clock goes at one speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Since when, and how fast.
    pub counter: Counter,
    /// What the clock showed then, in nanoseconds.
    pub base: u64,
}

impl Pace {
    /// What the clock shows when the counter has this value. Grows with it.
    #[inline]
    pub const fn time_at(&self, value: u64) -> u64 {
        self.base + self.counter.time_at(value)
    }
}

/// The kernel's own copy of the pace, for who asks by system call, and for itself: four words, a sequence lock like the page.
#[derive(Clone, Copy)]
pub struct PaceCell<'a>(&'a [AtomicU64; 4]);

/// What is where.
const SEQUENCE: usize = 0;
const START: usize = 1;
const TICK_LENGTH: usize = 2;
const BASE: usize = 3;

impl<'a> PaceCell<'a> {
    /// In these words, which are all 0 at first.
    pub const fn new(words: &'a [AtomicU64; 4]) -> Self {
        Self(words)
    }

    /// Whether it has been written, or is being written for the first time: nobody trims the clock before.
    #[inline]
    pub fn is_used(self) -> bool {
        // Acquire: what is read after this is read after this.
        self.0[SEQUENCE].load(Ordering::Acquire) != 0
    }

    /// The pace, and a value of the counter that is read while it is in force.
    pub fn read(self, counter: impl Fn() -> u64) -> (Pace, u64) {
        loop {
            // As in the page's reader.
            let sequence = self.0[SEQUENCE].load(Ordering::Acquire);
            if !sequence.is_multiple_of(2) {
                core::hint::spin_loop();
                continue;
            }
            let load = |word: usize| self.0[word].load(Ordering::Relaxed);
            let counter_now = counter();
            let (start, tick_length) = (load(START), load(TICK_LENGTH));
            let pace = Pace { counter: Counter { start, tick_length }, base: load(BASE) };
            fence(Ordering::Acquire);
            if load(SEQUENCE) == sequence {
                return (pace, counter_now);
            }
        }
    }

    /// Puts another pace in force. One at a time, with interrupts off.
    pub fn write(self, pace: Pace) {
        // As in the page's writer.
        let odd = self.0[SEQUENCE].load(Ordering::Relaxed) + 1;
        self.0[SEQUENCE].store(odd, Ordering::Relaxed);
        fence(Ordering::Release);
        self.0[START].store(pace.counter.start, Ordering::Relaxed);
        self.0[TICK_LENGTH].store(pace.counter.tick_length, Ordering::Relaxed);
        self.0[BASE].store(pace.base, Ordering::Relaxed);
        self.0[SEQUENCE].store(odd + 1, Ordering::Release);
    }
}
