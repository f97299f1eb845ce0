//! The words of the page.

use core::sync::atomic::AtomicU64;

/// The page: words of 64 bits, most of them unused.
pub type Words = [AtomicU64; 512];

/// What is where. Only the kernel that made the page and the vDSO that it maps beside it know this; programs do not.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(crate) enum Word {
    /// Odd while the page is being written.
    Sequence = 0,
    /// [`COUNTER`], [`CPU_NUMBER`].
    Abilities = 1,
    /// See `contract::Counter`.
    Start = 2,
    /// See `contract::Counter`.
    TickLength = 3,
    /// How far the date is ahead of the monotonic clock, in nanoseconds.
    RealtimeOffset = 4,
}

/// Programs may read the counter, and it is a clock.
pub(crate) const COUNTER: u64 = 1 << 0;
/// `RDTSCP` tells which CPU and node it runs on.
pub(crate) const CPU_NUMBER: u64 = 1 << 1;

pub(crate) fn word(page: &Words, word: Word) -> &AtomicU64 {
    &page[word as usize]
}
