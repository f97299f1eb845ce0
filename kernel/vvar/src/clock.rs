//! The clocks that the page serves.

use crate::page::Word;

/// How fine the clocks count, in nanoseconds.
pub const RESOLUTION: u64 = 1;
/// How fine the coarse clocks count: the time between ticks.
pub const COARSE_RESOLUTION: u64 = 4_000_000;

/// Which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The date.
    Realtime,
    /// Time since boot, as somebody trims it.
    Monotonic,
    /// Atomic time.
    Tai,
    /// The date as it was at the last tick.
    RealtimeCoarse,
    /// Time since boot until the last tick.
    MonotonicCoarse,
    /// Time since boot, as the hardware counts it.
    Raw,
}

impl Clock {
    /// From the number that system calls use; `None`: none that the page serves.
    pub const fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            0 => Self::Realtime,
            // CLOCK_BOOTTIME: the machine never sleeps.
            1 | 7 => Self::Monotonic,
            4 => Self::Raw,
            5 => Self::RealtimeCoarse,
            6 => Self::MonotonicCoarse,
            11 => Self::Tai,
            _ => return None,
        })
    }

    /// How fine it counts, in nanoseconds.
    pub const fn resolution(self) -> u64 {
        match self {
            Self::RealtimeCoarse | Self::MonotonicCoarse => COARSE_RESOLUTION,
            _ => RESOLUTION,
        }
    }

    /// The word of the page with what it showed when the counter had its value of [`Word::Start`].
    pub(crate) const fn base(self) -> Word {
        match self {
            Self::Realtime | Self::RealtimeCoarse => Word::DateBase,
            Self::Tai => Word::TaiBase,
            _ => Word::Base,
        }
    }
}

/// A time of the monotonic clock as it was at the last tick.
pub const fn at_tick(monotonic: u64) -> u64 {
    monotonic - monotonic % COARSE_RESOLUTION
}
