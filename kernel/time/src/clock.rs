//! The clocks.

use core::sync::atomic::{AtomicU64, Ordering};

/// Nanoseconds in a microsecond.
pub const MICROSECOND: u64 = 1_000;
/// Nanoseconds in a millisecond.
pub const MILLISECOND: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;
/// The unit in which [`Timer`](crate::Timer)s count, and the time between ticks: nanoseconds.
pub const JIFFY: u64 = 4 * MILLISECOND;

/// How far `realtime` is ahead of `monotonic`, in nanoseconds, once somebody has set it; 0: use the machine's date.
static OFFSET: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds since boot; never goes back. Any context.
#[inline]
pub fn monotonic() -> u64 {
    machine::time::now()
}

/// How far the date is ahead of the monotonic clock, in nanoseconds.
pub fn realtime_offset() -> u64 {
    match OFFSET.load(Ordering::Relaxed) {
        0 => machine::time::boot_date() * SECOND,
        offset => offset,
    }
}

/// The date: nanoseconds since 1970. Any context.
pub fn realtime() -> u64 {
    // A date that somebody has set to the end of time stays there.
    realtime_offset().saturating_add(monotonic())
}

/// Sets the date. Dates before the boot of the machine are moved up to it.
pub fn set_realtime(nanoseconds: u64) {
    OFFSET.store(nanoseconds.saturating_sub(monotonic()).max(1), Ordering::Relaxed);
}
