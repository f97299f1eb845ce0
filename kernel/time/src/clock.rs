//! Reading the clocks.
//!
//! ```text
//!   the machine's counter ── fixed factor ───────────────> sched_clock, CLOCK_MONOTONIC_RAW
//!            └────────────── a factor that is trimmed ───> monotonic ── + an offset ──> realtime, CLOCK_TAI
//! ```
//!
//! The machine counts, and says what it thinks a tick is worth. What it is worth to those who keep the date is decided here
//! (`keep`), for the kernel and for programs by the same words, so that both read the same to the nanosecond. As long as nobody trims the clock, the two
//! are one, and reading it is reading the machine's, between two looks at a word that says so.

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use vvar::{Clock, PaceCell, Precise};

/// Nanoseconds in a microsecond.
pub const MICROSECOND: u64 = 1_000;
/// Nanoseconds in a millisecond.
pub const MILLISECOND: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;
/// The unit in which [`Timer`](crate::Timer)s count, and the time between ticks: nanoseconds.
pub const JIFFY: u64 = 4 * MILLISECOND;

const _: () = assert!(JIFFY == vvar::COARSE_RESOLUTION, "the coarse clocks count in ticks");

/// Whether the counter is a clock only as far as the kernel knows.
static DISTRUSTED: AtomicBool = AtomicBool::new(false);

/// The pace of the monotonic clock, once somebody has trimmed it.
static PACE_WORDS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
pub(crate) const PACE: PaceCell<'static> = PaceCell::new(&PACE_WORDS);

/// How far `realtime` is ahead of `monotonic`, in nanoseconds, once somebody has set it; 0: use the machine's date.
static OFFSET: AtomicU64 = AtomicU64::new(0);
/// How far atomic time is ahead of `realtime`, in seconds.
static TAI: AtomicI32 = AtomicI32::new(0);

/// Nanoseconds since boot, as the hardware counts them; never goes back. For the scheduler, which measures: a time of this clock is none that a timer waits
/// for. Any context.
#[inline]
pub fn sched_clock() -> u64 {
    machine::time::now()
}

/// Nanoseconds since boot, as long as whoever keeps the date thinks they are; never goes back. Any context but a non-maskable interrupt.
#[inline]
pub fn monotonic() -> u64 {
    if !PACE.is_used() {
        let now = machine::time::now();
        // Once it is trimmed, what the counter shows is another time.
        if !PACE.is_used() {
            return now;
        }
    }
    trimmed()
}

#[cold]
#[inline(never)]
fn trimmed() -> u64 {
    let (pace, value) = PACE.read(machine::time::counter);
    pace.time_at(value)
}

/// The time of the monotonic clock when `sched_clock` shows this, if nobody changes its pace until then. Any context but a non-maskable interrupt.
pub fn from_sched_clock(time: u64) -> u64 {
    if !PACE.is_used() {
        return time;
    }
    let (here, there) = (sched_clock(), monotonic());
    there.saturating_add_signed(time.wrapping_sub(here).cast_signed())
}

/// When the machine's timer has to come for a time of the monotonic clock: not before it, at the pace of now.
#[inline]
pub(crate) fn on_hardware(deadline: u64) -> u64 {
    if PACE.is_used() { trimmed_on_hardware(deadline) } else { deadline }
}

#[cold]
fn trimmed_on_hardware(deadline: u64) -> u64 {
    let (pace, _) = PACE.read(|| 0);
    let Some(left) = deadline.checked_sub(pace.base) else { return 0 };
    if left > i64::MAX as u64 {
        return u64::MAX;
    }
    let ticks = (u128::from(left) << 32).div_ceil(u128::from(pace.counter.tick_length));
    let value = u128::from(pace.counter.start) + ticks;
    machine::time::rate().time_at(value as u64).saturating_add(1)
}

/// How far the date is ahead of the monotonic clock, in nanoseconds.
pub fn realtime_offset() -> u64 {
    // Acquire pairs with `set_offset`: who has seen a new date finds the clock page changed, or being changed.
    match OFFSET.load(Ordering::Acquire) {
        0 => machine::time::boot_date() * SECOND,
        offset => offset,
    }
}

/// How far atomic time is ahead of the date, in nanoseconds.
pub fn tai_offset() -> i64 {
    i64::from(TAI.load(Ordering::Acquire)) * SECOND as i64
}

/// Within the odd stretch of the page.
pub(crate) fn set_offsets(offset: u64, tai: i32) {
    OFFSET.store(offset, Ordering::Release);
    TAI.store(tai, Ordering::Release);
}

/// The date: nanoseconds since 1970. Any context.
pub fn realtime() -> u64 {
    // A date that somebody has set to the end of time stays there.
    realtime_offset().saturating_add(monotonic())
}

/// What a clock shows that programs can read without asking, for those that ask. Any context.
pub fn show(clock: Clock) -> u64 {
    // A date that somebody has set to the end of time stays there.
    let ahead = |clock| match clock {
        Precise::Realtime => realtime_offset(),
        Precise::Monotonic => 0,
        Precise::Tai => realtime_offset().saturating_add_signed(tai_offset()),
    };
    match clock {
        Clock::Raw => sched_clock(),
        Clock::Precise(clock) => ahead(clock).saturating_add(monotonic()),
        Clock::Coarse(clock) => ahead(clock).saturating_add(vvar::at_tick(monotonic())),
    }
}

/// Programs are not to read the counter themselves: to be said before [`publish`](crate::publish).
pub fn distrust_counter() {
    DISTRUSTED.store(true, Ordering::Relaxed);
}

pub(crate) fn counter_is_trusted() -> bool {
    !DISTRUSTED.load(Ordering::Relaxed)
}
