//! The clocks that the page serves.

/// How fine the clocks count, in nanoseconds.
pub const RESOLUTION: u64 = 1;
/// How fine the coarse clocks count: the time between ticks.
pub const COARSE_RESOLUTION: u64 = 4_000_000;

/// Which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The date.
    Realtime,
    /// Time since boot.
    Monotonic,
    /// The date as it was at the last tick.
    RealtimeCoarse,
    /// Time since boot until the last tick.
    MonotonicCoarse,
}

impl Clock {
    /// From the number that system calls use; `None`: none that the page serves.
    pub const fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            // CLOCK_REALTIME, CLOCK_TAI: leap seconds are not known here.
            0 | 11 => Self::Realtime,
            // CLOCK_MONOTONIC, _RAW, CLOCK_BOOTTIME: nobody trims the clock, and the machine never sleeps.
            1 | 4 | 7 => Self::Monotonic,
            5 => Self::RealtimeCoarse,
            6 => Self::MonotonicCoarse,
            _ => return None,
        })
    }

    /// What it shows when the monotonic clock shows `monotonic` and the date is so far ahead; nanoseconds.
    pub const fn show(self, monotonic: u64, realtime_offset: u64) -> u64 {
        let at_tick = monotonic - monotonic % COARSE_RESOLUTION;
        // A date that somebody has set to the end of time stays there.
        match self {
            Self::Realtime => realtime_offset.saturating_add(monotonic),
            Self::Monotonic => monotonic,
            Self::RealtimeCoarse => realtime_offset.saturating_add(at_tick),
            Self::MonotonicCoarse => at_tick,
        }
    }

    /// How fine it counts, in nanoseconds.
    pub const fn resolution(self) -> u64 {
        match self {
            Self::Realtime | Self::Monotonic => RESOLUTION,
            Self::RealtimeCoarse | Self::MonotonicCoarse => COARSE_RESOLUTION,
        }
    }
}
