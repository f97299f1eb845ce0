//! `struct timex`.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// What `adjtimex` is told and tells.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Timex {
    /// What is to be set: `ADJ_*`.
    pub modes: u32,
    /// Unused.
    pub gap_after_modes: u32,
    /// What the date is still to be moved by.
    pub offset: i64,
    /// By how much the clock is trimmed, in 1/65536 of a millionth.
    pub frequency: i64,
    /// In microseconds.
    pub max_error: i64,
    /// In microseconds.
    pub estimated_error: i64,
    /// `STA_*`.
    pub status: i32,
    /// Unused.
    pub gap_after_status: u32,
    /// The time constant of the loop; what is to be set of the difference to atomic time.
    pub constant: i64,
    /// In microseconds.
    pub precision: i64,
    /// How far the clock can be trimmed.
    pub tolerance: i64,
    /// The date, or what it is to be moved by.
    pub seconds: i64,
    /// Microseconds, or nanoseconds.
    pub fraction: i64,
    /// Microseconds in a tick.
    pub tick: i64,
    /// Of an exact clock that there is none of.
    pub pulses: [i64; 8],
    /// How far atomic time is ahead, in seconds.
    pub tai: i32,
    /// Unused.
    pub unused: [u32; 11],
}

const _: () = assert!(size_of::<Timex>() == 208);
