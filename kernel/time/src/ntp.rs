//! Keeping the date: what a daemon that does so tells the kernel, and the kernel whoever asks.
//!
//! | file | idea |
//! |---|---|
//! | `discipline` | by how much the clock is made faster or slower |
//! | `leap` | leap seconds |

mod discipline;
mod leap;

pub(crate) use discipline::Discipline;

/// `STA_PLL`: offsets are for the phase-locked loop.
pub const STA_PLL: u32 = 0x0001;
/// `STA_INS`, `STA_DEL`: a leap second at the end of the day.
pub(crate) const STA_LEAP: u32 = leap::STA_INS | leap::STA_DEL;
/// `STA_UNSYNC`: nobody keeps the date.
pub const STA_UNSYNC: u32 = 0x0040;
/// `STA_NANO`: times and offsets are in nanoseconds.
pub const STA_NANO: u32 = 0x2000;
/// What only the kernel sets: signals of an exact clock, its errors, resolution, mode, source.
const STA_READ_ONLY: u32 = 0xff00;

/// What is known, and what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exactness {
    /// `STA_*`.
    pub status: u32,
    /// The most that the date is wrong by, in microseconds.
    pub max_error: i64,
    /// What it is thought to be wrong by, in microseconds.
    pub estimated_error: i64,
    /// The time constant of the loops.
    pub constant: i64,
    /// What is left of an offset to be made good for, in nanoseconds or microseconds, as the status says.
    pub offset: i64,
    /// By how much the clock is trimmed, in 1/65536 of a millionth.
    pub frequency: i64,
    /// Microseconds in a hundredth of a second.
    pub tick: i64,
    /// How far atomic time is ahead, in seconds.
    pub tai: i32,
    /// `TIME_OK` to `TIME_WAIT`: how far a leap second is.
    pub state: usize,
}

/// What is to change; `None`: nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// The bits of the status that may be set.
    pub status: Option<u32>,
    /// Whether times are in nanoseconds.
    pub nanoseconds: Option<bool>,
    /// See [`Exactness`]; as far as the clock can be trimmed. Times 65,536,000 it is a number.
    pub frequency: Option<i64>,
    /// See [`Exactness`].
    pub max_error: Option<i64>,
    /// See [`Exactness`].
    pub estimated_error: Option<i64>,
    /// See [`Exactness`]; where times are in microseconds, less by 4.
    pub constant: Option<i64>,
    /// See [`Exactness`]; what cannot be is ignored.
    pub tai: Option<i64>,
    /// What a loop is told: how far the date is behind, in nanoseconds or microseconds.
    pub offset: Option<i64>,
    /// See [`Exactness`]; from 9,000 to 11,000.
    pub tick: Option<i64>,
}

/// What is known now, after a change. In a task.
pub fn adjust(change: &Change) -> Exactness {
    crate::keep::adjust(change)
}

/// Has the clock gain or lose so many microseconds by and by (`adjtime`), in place of what is left of an earlier wish; `None`: asks for that.
/// Returns what was left, and what is known. In a task.
pub fn adjust_time(wanted: Option<i64>) -> (i64, Exactness) {
    crate::keep::adjust_time(wanted)
}
