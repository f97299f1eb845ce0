//! The clocks that the page serves.

use crate::page::Word;

/// How fine the clocks count, in nanoseconds.
pub const RESOLUTION: u64 = 1;
/// How fine the coarse clocks count: the time between ticks.
pub const COARSE_RESOLUTION: u64 = 4_000_000;

/// A clock that shows all of what it counts, at the pace in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precise {
    /// The date.
    Realtime = Word::DateBase as isize,
    /// Time since boot, as somebody trims it.
    Monotonic = Word::Base as isize,
    /// Atomic time.
    Tai = Word::TaiBase as isize,
}

impl Precise {
    /// From the number that system calls use.
    #[inline]
    pub const fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            0 => Self::Realtime,
            // CLOCK_BOOTTIME: the machine never sleeps.
            1 | 7 => Self::Monotonic,
            11 => Self::Tai,
            _ => return None,
        })
    }

    /// The word of the page with what it showed when the counter had its value of [`Word::Start`].
    #[inline]
    pub(crate) const fn base(self) -> Word {
        match self {
            Self::Realtime => Word::DateBase,
            Self::Monotonic => Word::Base,
            Self::Tai => Word::TaiBase,
        }
    }
}

/// Which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// One at the pace in force.
    Precise(Precise),
    /// One of these as it was at the last tick.
    Coarse(Precise),
    /// Time since boot, as the hardware counts it.
    Raw,
}

impl Clock {
    /// From the number that system calls use; `None`: none that the page serves.
    pub const fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            4 => Self::Raw,
            5 => Self::Coarse(Precise::Realtime),
            6 => Self::Coarse(Precise::Monotonic),
            _ => match Precise::from_number(number) {
                Some(clock) => Self::Precise(clock),
                None => return None,
            },
        })
    }

    /// How fine it counts, in nanoseconds.
    pub const fn resolution(self) -> u64 {
        match self {
            Self::Coarse(_) => COARSE_RESOLUTION,
            Self::Precise(_) | Self::Raw => RESOLUTION,
        }
    }
}

/// A time of the monotonic clock as it was at the last tick.
pub const fn at_tick(monotonic: u64) -> u64 {
    monotonic - monotonic % COARSE_RESOLUTION
}
