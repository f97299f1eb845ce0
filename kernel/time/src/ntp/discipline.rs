//! The kernel's part in keeping the date: by how much the clock is made faster or slower (RFC 5905's clock discipline, as Linux counts it).
//!
//! How much the clock gains in a second is a sum:
//!
//! | | set by | lasts |
//! |---|---|---|
//! | the tick: 10,000 µs are a hundredth of a second | `ADJ_TICK` | until it is set again |
//! | the frequency | `ADJ_FREQUENCY`, and the loops, from the offsets that they are told | until then |
//! | a part of the offset that is left | `ADJ_OFFSET` | a second; each takes the same part of what is left |
//! | at most 500 µs of what `adjtime` wants | `ADJ_OFFSET_SINGLESHOT` | a second |
//!
//! Amounts are nanoseconds a second with 32 bits of fraction. Nothing here knows what time it is: the caller says when a second of the date begins.

use super::leap::Leap;
use super::{Change, Exactness, STA_NANO, STA_PLL, STA_READ_ONLY, STA_UNSYNC};

/// Bits of fraction.
const SCALE: u32 = 32;
/// The most that the date can be wrong by, in microseconds, and then nobody keeps it.
const ERROR_LIMIT: i64 = 16_000_000;
/// By how much it may become worse in a second, in microseconds: half a thousandth.
const DRIFT: i64 = 500;
/// The largest time constant.
const CONSTANT_MAX: i64 = 10;
/// The most that the frequency can be: 500 millionths.
const FREQUENCY_MAX: i64 = 500_000 << SCALE;
/// The largest offset that a loop takes, in nanoseconds.
const OFFSET_MAX: i64 = 500_000_000;
/// What `adjtime` gets done in a second, in microseconds.
const ADJUST_MAX: i64 = 500;
/// The frequency in the interface: 1/65536 of a millionth is so much here.
const FREQUENCY_UNIT: i64 = 1000 << (SCALE - 16);
/// The largest difference to atomic time.
const TAI_MAX: i64 = 100_000;
/// How the phase-locked and the frequency-locked loop take what they are told, as powers of two.
const PLL_SHIFT: u32 = 2;
const FLL_SHIFT: u32 = 2;
/// Between two offsets, in seconds: the frequency-locked loop needs so many at least, and is used in any case beyond the second.
const FLL_MIN: i64 = 256;
const FLL_MAX: i64 = 2048;

/// `STA_FLL`: offsets are for the frequency-locked loop.
const STA_FLL: u32 = 0x0008;
/// `STA_FREQHOLD`: they leave the frequency as it is.
const STA_FREQHOLD: u32 = 0x0080;
/// `STA_MODE`: the frequency-locked loop is in use.
const STA_MODE: u32 = 0x4000;

/// How the clock is kept.
pub(crate) struct Discipline {
    status: u32,
    max_error: i64,
    estimated_error: i64,
    constant: i64,
    /// Microseconds in a hundredth of a second.
    tick: i64,
    frequency: i64,
    /// What is left to be made good for: nanoseconds with a fraction.
    offset: i64,
    /// The second of the date in which a loop was told an offset last.
    told: i64,
    /// What is left of what `adjtime` wants, in microseconds.
    adjust: i64,
    /// What is done of both in this second.
    extra: i64,
    tai: i32,
    leap: Leap,
}

/// A shift that rounds to 0, for either sign.
fn shift_right(value: i64, bits: u32) -> i64 {
    if value < 0 { -(-value >> bits) } else { value >> bits }
}

impl Discipline {
    pub(crate) const fn new() -> Self {
        Self {
            status: STA_UNSYNC,
            max_error: ERROR_LIMIT,
            estimated_error: ERROR_LIMIT,
            constant: 2,
            tick: 10_000,
            frequency: 0,
            offset: 0,
            told: 0,
            adjust: 0,
            extra: 0,
            tai: 0,
            leap: Leap::Ok,
        }
    }

    /// By how much atomic time is ahead of the date, in seconds.
    pub(crate) fn tai(&self) -> i32 {
        self.tai
    }

    /// How long a second of the hardware is on the clock: nanoseconds with a fraction.
    pub(crate) fn second_length(&self) -> i64 {
        ((self.tick * 100_000) << SCALE) + self.frequency + self.extra
    }

    /// Whether something happens when the next second begins.
    pub(crate) fn needs_seconds(&self) -> bool {
        self.extra != 0
            || self.adjust != 0
            || self.chunk() != 0
            || self.status & super::STA_LEAP != 0
            || self.leap != Leap::Ok
    }

    /// What a second makes good for of the offset.
    fn chunk(&self) -> i64 {
        shift_right(self.offset, PLL_SHIFT + self.constant as u32)
    }

    /// A second of the date begins. Returns by how many seconds the date is to be moved.
    pub(crate) fn second(&mut self, second: i64) -> i64 {
        let (leap, moved) = self.leap.second(self.status, second);
        self.leap = leap;
        self.tai -= moved as i32;
        let chunk = self.chunk();
        self.offset -= chunk;
        let step = self.adjust.clamp(-ADJUST_MAX, ADJUST_MAX);
        self.adjust -= step;
        self.extra = chunk + ((step * 1000) << SCALE);
        moved
    }

    /// So many seconds have gone by: what is known of the date becomes worse.
    pub(crate) fn age(&mut self, seconds: u64) {
        let worse = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(DRIFT);
        self.max_error = self.max_error.saturating_add(worse);
        if worse != 0 && self.max_error > ERROR_LIMIT {
            self.max_error = ERROR_LIMIT;
            self.status |= STA_UNSYNC;
        }
    }

    /// What `adjtime` wants, in microseconds, in place of what is left. Returns that.
    pub(crate) fn adjust(&mut self, wanted: Option<i64>) -> i64 {
        let left = self.adjust;
        self.adjust = wanted.unwrap_or(left);
        left
    }

    /// Changes what somebody wants changed; `second` is that of the date.
    pub(crate) fn change(&mut self, change: &Change, second: i64) {
        if let Some(status) = change.status {
            self.set_status(status, second);
        }
        match change.nanoseconds {
            Some(true) => self.status |= STA_NANO,
            Some(false) => self.status &= !STA_NANO,
            None => {}
        }
        if let Some(frequency) = change.frequency {
            self.frequency = (frequency * FREQUENCY_UNIT).clamp(-FREQUENCY_MAX, FREQUENCY_MAX);
        }
        self.max_error = change.max_error.unwrap_or(self.max_error);
        self.estimated_error = change.estimated_error.unwrap_or(self.estimated_error);
        if let Some(constant) = change.constant {
            let more = if self.status & STA_NANO != 0 { 0 } else { 4 };
            self.constant = constant.saturating_add(more).clamp(0, CONSTANT_MAX);
        }
        if let Some(tai) = change.tai.filter(|tai| (0..=TAI_MAX).contains(tai)) {
            self.tai = tai as i32;
        }
        if let Some(offset) = change.offset {
            self.take_offset(offset, second);
        }
        self.tick = change.tick.unwrap_or(self.tick);
    }

    fn set_status(&mut self, status: u32, second: i64) {
        let (was_locked, is_locked) = (self.status & STA_PLL != 0, status & STA_PLL != 0);
        if was_locked && !is_locked {
            // Who lets go of the clock keeps it no more.
            self.status = STA_UNSYNC;
            self.leap = Leap::Ok;
        }
        if !was_locked && is_locked {
            self.told = second;
        }
        self.status = self.status & STA_READ_ONLY | status & !STA_READ_ONLY;
    }

    /// A loop is told how far the date is off.
    fn take_offset(&mut self, offset: i64, second: i64) {
        if self.status & STA_PLL == 0 {
            return;
        }
        let offset = if self.status & STA_NANO != 0 {
            offset
        } else {
            offset.clamp(-1_000_000, 1_000_000) * 1000
        };
        let offset = offset.clamp(-OFFSET_MAX, OFFSET_MAX);
        let seconds = if self.status & STA_FREQHOLD != 0 { 0 } else { second - self.told };
        self.told = second;
        let by_frequency = self.frequency_locked(offset, seconds);
        let by_phase = {
            let shift = PLL_SHIFT + self.constant as u32;
            let seconds = seconds.min(1 << (shift + 1));
            ((i128::from(offset) * i128::from(seconds)) << SCALE) >> (2 * (shift + 2))
        };
        let frequency = i128::from(self.frequency) + i128::from(by_frequency) + by_phase;
        let most = i128::from(FREQUENCY_MAX);
        self.frequency = frequency.clamp(-most, most) as i64;
        self.offset = offset << SCALE;
    }

    /// What the frequency-locked loop makes of an offset that has come up in so many seconds.
    fn frequency_locked(&mut self, offset: i64, seconds: i64) -> i64 {
        self.status &= !STA_MODE;
        if seconds < FLL_MIN || self.status & STA_FLL == 0 && seconds <= FLL_MAX {
            return 0;
        }
        self.status |= STA_MODE;
        (offset << (SCALE - FLL_SHIFT)) / seconds
    }

    /// The date has been set: nothing is known of it, and there is nothing left to make good for.
    pub(crate) fn forget(&mut self) {
        self.status |= STA_UNSYNC;
        (self.max_error, self.estimated_error) = (ERROR_LIMIT, ERROR_LIMIT);
        (self.offset, self.adjust, self.extra) = (0, 0, 0);
        self.leap = self.leap.forget();
    }

    /// What is known.
    pub(crate) fn known(&self) -> Exactness {
        let nanoseconds = shift_right(self.offset, SCALE);
        Exactness {
            status: self.status,
            max_error: self.max_error,
            estimated_error: self.estimated_error,
            constant: self.constant,
            offset: if self.status & STA_NANO != 0 { nanoseconds } else { nanoseconds / 1000 },
            frequency: self.frequency / FREQUENCY_UNIT,
            tick: self.tick,
            tai: self.tai,
            state: self.leap.number(),
        }
    }
}

#[cfg(test)]
mod tests;
