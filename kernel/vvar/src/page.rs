//! The words of the page.

use core::sync::atomic::AtomicU64;

/// The page: words of 64 bits, most of them unused.
pub type Words = [AtomicU64; 512];

/// What is where. Only the kernel that made the page and the vDSO that it maps beside it know this; programs do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Word {
    /// Odd while the page is being written.
    Sequence = 0,
    /// [`COUNTER`], [`CPU_NUMBER`].
    Abilities = 1,
    /// The counter's value when the clock began to go as fast as it does now.
    Start = 2,
    /// Nanoseconds a tick of the counter, with 32 bits of fraction.
    TickLength = 3,
    /// What the monotonic clock showed then, the date, and atomic time: nanoseconds.
    Base = 4,
    DateBase = 5,
    TaiBase = 6,
    /// As [`Start`](Self::Start) and [`TickLength`](Self::TickLength), for the clock that nobody trims, which showed 0 then.
    RawStart = 7,
    RawTickLength = 8,
}

/// Programs may read the counter, and it is a clock.
pub(crate) const COUNTER: u64 = 1 << 0;
/// `RDTSCP` tells which CPU and node it runs on.
pub(crate) const CPU_NUMBER: u64 = 1 << 1;

pub(crate) fn word(page: &Words, word: Word) -> &AtomicU64 {
    &page[word as usize]
}
