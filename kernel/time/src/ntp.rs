//! How exact the date is: what a daemon that keeps it tells the kernel, and the kernel whoever asks.
//!
//! Nobody trims the clock here. What is kept is what is *known* of it; the most that the date may be wrong by grows with time,
//! and setting the date forgets all of it.

use sync::{LockClass, SpinLock};

use crate::clock::{SECOND, monotonic};

/// A leaf lock.
static STATE_LOCK: LockClass = LockClass::new("ntp");
static STATE: SpinLock<State> = SpinLock::new(&STATE_LOCK, State::new());

/// `STA_PLL`: offsets are for the phase-locked loop.
pub const STA_PLL: u32 = 0x0001;
/// `STA_INS`, `STA_DEL`: a leap second at the end of the day.
pub const STA_LEAP: u32 = 0x0010 | 0x0020;
/// `STA_UNSYNC`: nobody keeps the date.
pub const STA_UNSYNC: u32 = 0x0040;
/// `STA_NANO`: times and offsets are in nanoseconds.
pub const STA_NANO: u32 = 0x2000;
/// What only the kernel sets: signals of an exact clock, its errors, resolution, mode, source.
const STA_READ_ONLY: u32 = 0xff00;

/// The most that the date can be wrong by, in microseconds, and then nobody keeps it.
const ERROR_LIMIT: i64 = 16_000_000;
/// By how much it may become worse in a second, in microseconds: half a thousandth.
const DRIFT: i64 = 500;
/// The largest time constant.
const CONSTANT_MAX: i64 = 10;

/// What is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exactness {
    /// `STA_*`.
    pub status: u32,
    /// The most that the date is wrong by, in microseconds.
    pub max_error: i64,
    /// What it is thought to be wrong by, in microseconds.
    pub estimated_error: i64,
    /// The time constant of a phase-locked loop.
    pub constant: i64,
}

/// What is to change; `None`: nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// The bits of the status that may be set.
    pub status: Option<u32>,
    /// Whether times are in nanoseconds.
    pub nanoseconds: Option<bool>,
    /// See [`Exactness`].
    pub max_error: Option<i64>,
    /// See [`Exactness`].
    pub estimated_error: Option<i64>,
    /// See [`Exactness`]; where times are in microseconds, less by 4.
    pub constant: Option<i64>,
}

struct State {
    known: Exactness,
    /// From when on the largest error has not been counted up yet.
    since: u64,
}

impl State {
    const fn new() -> Self {
        let known = Exactness {
            status: STA_UNSYNC,
            max_error: ERROR_LIMIT,
            estimated_error: ERROR_LIMIT,
            constant: 2,
        };
        Self { known, since: 0 }
    }

    /// Time has gone by.
    fn age(&mut self, now: u64) {
        let seconds = now.saturating_sub(self.since) / SECOND;
        self.since += seconds * SECOND;
        let worse = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(DRIFT);
        let known = &mut self.known;
        if worse == 0 {
            return;
        }
        known.max_error = known.max_error.saturating_add(worse);
        if known.max_error > ERROR_LIMIT {
            known.max_error = ERROR_LIMIT;
            known.status |= STA_UNSYNC;
        }
    }

    fn change(&mut self, change: Change) {
        let known = &mut self.known;
        if let Some(status) = change.status {
            let was_locked = known.status & STA_PLL != 0;
            // Who lets go of the clock keeps it no more.
            let kept = if was_locked && status & STA_PLL == 0 { STA_UNSYNC } else { known.status };
            known.status = kept & STA_READ_ONLY | status & !STA_READ_ONLY;
        }
        match change.nanoseconds {
            Some(true) => known.status |= STA_NANO,
            Some(false) => known.status &= !STA_NANO,
            None => {}
        }
        known.max_error = change.max_error.unwrap_or(known.max_error);
        known.estimated_error = change.estimated_error.unwrap_or(known.estimated_error);
        if let Some(constant) = change.constant {
            let more = if known.status & STA_NANO != 0 { 0 } else { 4 };
            known.constant = constant.saturating_add(more).clamp(0, CONSTANT_MAX);
        }
    }

    /// The date has been set.
    fn forget(&mut self) {
        self.known.status |= STA_UNSYNC;
        self.known.max_error = ERROR_LIMIT;
        self.known.estimated_error = ERROR_LIMIT;
    }
}

/// What is known now, after a change. Any context.
pub fn adjust(change: Change) -> Exactness {
    let mut state = STATE.lock_irq();
    state.age(monotonic());
    state.change(change);
    state.known
}

/// The date has been set: nothing is known of it. Any context.
pub(crate) fn forget() {
    STATE.lock_irq().forget();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_grows_until_nobody_keeps_the_date() {
        let mut state = State::new();
        assert_eq!(state.known.status, STA_UNSYNC);
        state.change(Change {
            status: Some(STA_PLL),
            max_error: Some(1000),
            estimated_error: Some(10),
            ..Change::default()
        });
        assert_eq!((state.known.status, state.known.max_error), (STA_PLL, 1000));
        state.age(SECOND / 2);
        assert_eq!(state.known.max_error, 1000);
        state.age(5 * SECOND / 2);
        assert_eq!(state.known.max_error, 2000);
        // The rest of that second counts.
        state.age(3 * SECOND);
        assert_eq!((state.known.max_error, state.known.status), (2500, STA_PLL));
        state.age(u64::MAX);
        assert_eq!(
            (state.known.max_error, state.known.status),
            (ERROR_LIMIT, STA_PLL | STA_UNSYNC)
        );
        assert_eq!(state.known.estimated_error, 10);
    }

    #[test]
    fn what_the_kernel_alone_says_stays() {
        let mut state = State::new();
        state.change(Change { nanoseconds: Some(true), ..Change::default() });
        state.change(Change { status: Some(STA_PLL | 0x1000), ..Change::default() });
        assert_eq!(state.known.status, STA_PLL | STA_NANO);
        state.change(Change { constant: Some(7), ..Change::default() });
        assert_eq!(state.known.constant, 7);
        // Let go of: nothing stays.
        state.change(Change { status: Some(0), ..Change::default() });
        assert_eq!(state.known.status, 0);
        state.change(Change { constant: Some(7), ..Change::default() });
        assert_eq!(state.known.constant, CONSTANT_MAX);
        state.forget();
        assert_eq!((state.known.status, state.known.max_error), (STA_UNSYNC, ERROR_LIMIT));
    }
}
