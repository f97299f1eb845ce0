//! The clocks.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use errno::Errno;
use sync::{LockClass, SpinLock};
use vvar::{Words, Writer};

use crate::{date, ntp};

/// Nanoseconds in a microsecond.
pub const MICROSECOND: u64 = 1_000;
/// Nanoseconds in a millisecond.
pub const MILLISECOND: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;
/// The unit in which [`Timer`](crate::Timer)s count, and the time between ticks: nanoseconds.
pub const JIFFY: u64 = 4 * MILLISECOND;

const _: () = assert!(JIFFY == vvar::COARSE_RESOLUTION, "the coarse clocks count in ticks");

/// Innermost: nothing is taken inside it.
static DATE: LockClass = LockClass::new("date");
/// Held by who sets the date. What programs read, once there is such a page.
static PAGE: SpinLock<Option<Writer<'static>>> = SpinLock::new(&DATE, None);
/// Whether the counter is a clock only as far as the kernel knows.
static DISTRUSTED: AtomicBool = AtomicBool::new(false);

/// How far `realtime` is ahead of `monotonic`, in nanoseconds, once somebody has set it; 0: use the machine's date.
static OFFSET: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds since boot; never goes back. Any context.
#[inline]
pub fn monotonic() -> u64 {
    machine::time::now()
}

/// How far the date is ahead of the monotonic clock, in nanoseconds.
pub fn realtime_offset() -> u64 {
    // Acquire pairs with `set_realtime`: who has seen a new date finds the clock page changed, or being changed.
    match OFFSET.load(Ordering::Acquire) {
        0 => machine::time::boot_date() * SECOND,
        offset => offset,
    }
}

/// The date: nanoseconds since 1970. Any context.
pub fn realtime() -> u64 {
    // A date that somebody has set to the end of time stays there.
    realtime_offset().saturating_add(monotonic())
}

/// Sets the date, and tells all timers on it. Dates before the boot of the machine are moved up to it. In a task, with nothing locked.
pub fn set_realtime(nanoseconds: u64) {
    let set = change_offset(|_| Ok(nanoseconds.saturating_sub(monotonic()).max(1)));
    debug_assert!(set.is_ok(), "any date will do");
}

/// Moves the date by so many nanoseconds, and tells all timers on it. In a task, with nothing locked.
///
/// # Errors
/// EINVAL: to before the boot of the machine, or out of what a date can be.
pub fn move_realtime(by: i64) -> Result<(), Errno> {
    change_offset(|offset| {
        let moved = offset.checked_add_signed(by).filter(|&moved| moved != 0);
        let is_date = |&moved: &u64| moved.saturating_add(monotonic()) / SECOND < LAST_SECOND;
        moved.filter(is_date).ok_or(Errno::EINVAL)
    })
}

/// The first second that no date can be set to: with 30 years to go, the count of nanoseconds ends.
const LAST_SECOND: u64 = i64::MAX as u64 / SECOND - 30 * 365 * 24 * 3600;

fn change_offset(change: impl FnOnce(u64) -> Result<u64, Errno>) -> Result<(), Errno> {
    {
        let mut page = PAGE.lock_irq();
        let offset = change(realtime_offset())?;
        let set = || OFFSET.store(offset, Ordering::Release);
        match &mut *page {
            Some(page) => page.set_realtime_offset(offset, set),
            None => set(),
        }
    }
    ntp::forget();
    date::follow();
    Ok(())
}

/// Programs are not to read the counter themselves: to be said before [`publish`].
pub fn distrust_counter() {
    DISTRUSTED.store(true, Ordering::Relaxed);
}

/// Keeps programs told of the clocks in a page that nobody reads yet; once.
pub fn publish(page: &'static Words) {
    let counter = machine::time::user_counter().filter(|_| !DISTRUSTED.load(Ordering::Relaxed));
    let mut writer = PAGE.lock_irq();
    let knows_cpu = machine::cpu::user_number();
    *writer = Some(Writer::new(page, counter, knows_cpu, realtime_offset()));
}
