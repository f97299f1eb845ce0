//! What the functions fill in.

use core::ffi::{c_int, c_long};

const SECOND: u64 = 1_000_000_000;
const MICROSECOND: u64 = 1_000;

/// `struct timespec`
#[repr(C)]
pub(crate) struct Timespec {
    pub(crate) seconds: c_long,
    nanoseconds: c_long,
}

impl Timespec {
    pub(crate) fn from_nanoseconds(time: u64) -> Self {
        Self { seconds: (time / SECOND) as c_long, nanoseconds: (time % SECOND) as c_long }
    }
}

/// `struct timeval`
#[repr(C)]
pub(crate) struct Timeval {
    seconds: c_long,
    microseconds: c_long,
}

impl Timeval {
    pub(crate) fn from_nanoseconds(time: u64) -> Self {
        let Timespec { seconds, nanoseconds } = Timespec::from_nanoseconds(time);
        Self { seconds, microseconds: nanoseconds / MICROSECOND as c_long }
    }
}

/// `struct timezone`
#[repr(C)]
pub(crate) struct Timezone {
    minutes_west: c_int,
    summer_time: c_int,
}

impl Timezone {
    /// There is none.
    pub(crate) const NONE: Self = Self { minutes_west: 0, summer_time: 0 };
}

/// Stores a result that the caller may not want.
///
/// # Safety
/// `place` is null or may be stored to.
#[inline]
pub(crate) unsafe fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: the caller's promise. Like a store by the kernel it needs no alignment.
        unsafe { place.write_unaligned(value) };
    }
}
