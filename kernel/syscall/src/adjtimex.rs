//! `adjtimex`, `clock_adjtime`: asking and telling how exact the date is, moving it, and trimming the clock.

use ::time::SECOND;
use ::time::ntp::{self, Change, Exactness};
use errno::{Errno, Result};
use fs::Capabilities;

use crate::abi::timex::Timex;
use crate::clock::Clock;
use crate::user::UserPtr;

const ADJ_OFFSET: u32 = 0x0001;
const ADJ_FREQUENCY: u32 = 0x0002;
const ADJ_MAXERROR: u32 = 0x0004;
const ADJ_ESTERROR: u32 = 0x0008;
const ADJ_STATUS: u32 = 0x0010;
const ADJ_TIMECONST: u32 = 0x0020;
const ADJ_TAI: u32 = 0x0080;
const ADJ_SETOFFSET: u32 = 0x0100;
const ADJ_MICRO: u32 = 0x1000;
const ADJ_NANO: u32 = 0x2000;
const ADJ_TICK: u32 = 0x4000;
/// `adjtime` of the C library: nothing but these bits and the next two.
const ADJ_ADJTIME: u32 = 0x8000;
const ADJ_SINGLESHOT: u32 = ADJ_OFFSET;
const ADJ_READONLY: u32 = ADJ_NANO;

/// The least and the most that may be asked for of the microseconds in a tick, as this interface counts them.
const TICK_MIN: i64 = 9_000;
const TICK_MAX: i64 = 11_000;
/// What the frequency is counted in: this is a millionth.
const PPM: i64 = 1 << 16;
/// By how many millionths a clock may be trimmed.
const TOLERANCE: i64 = 500 * PPM;
/// The largest frequency that Linux's own arithmetic takes.
const FREQUENCY_MAX: i64 = i64::MAX / 65_536_000;

const STA_CLOCKERR: u32 = 0x1000;
const TIME_ERROR: usize = 5;

/// `adjtimex`.
pub(crate) fn adjtimex(place: UserPtr<Timex>) -> Result<usize> {
    let mut timex = place.read()?;
    let state = adjust(&mut timex)?;
    place.write(&timex)?;
    Ok(state)
}

/// `clock_adjtime`.
pub(crate) fn clock_adjtime(clock: i32, place: UserPtr<Timex>) -> Result<usize> {
    const CLOCK_REALTIME: i32 = 0;
    place.read()?;
    Clock::from_number(clock)?;
    if clock != CLOCK_REALTIME {
        return Err(Errno::EOPNOTSUPP);
    }
    adjtimex(place)
}

fn adjust(timex: &mut Timex) -> Result<usize> {
    check(timex)?;
    let wants = |mode| timex.modes & mode != 0;
    if wants(ADJ_ADJTIME) {
        let wanted = (!wants(ADJ_READONLY)).then_some(timex.offset);
        let (left, known) = ntp::adjust_time(wanted);
        return Ok(show(timex, Exactness { offset: left, ..known }));
    }
    if wants(ADJ_SETOFFSET) {
        ::time::move_realtime(offset(timex)?)?;
    }
    let given = |mode, value| wants(mode).then_some(value);
    let change = Change {
        status: wants(ADJ_STATUS).then_some(timex.status as u32),
        nanoseconds: if wants(ADJ_MICRO) { Some(false) } else { wants(ADJ_NANO).then_some(true) },
        frequency: given(ADJ_FREQUENCY, timex.frequency),
        max_error: given(ADJ_MAXERROR, timex.max_error),
        estimated_error: given(ADJ_ESTERROR, timex.estimated_error),
        constant: given(ADJ_TIMECONST, timex.constant),
        tai: given(ADJ_TAI, timex.constant),
        offset: given(ADJ_OFFSET, timex.offset),
        tick: given(ADJ_TICK, timex.tick),
    };
    Ok(show(timex, ntp::adjust(&change)))
}

fn check(timex: &Timex) -> Result<()> {
    let wants = |mode| timex.modes & mode != 0;
    let may_set = || process::credentials().require(Capabilities::SYS_TIME);
    if wants(ADJ_ADJTIME) {
        if !wants(ADJ_SINGLESHOT) {
            return Err(Errno::EINVAL);
        }
        if !wants(ADJ_READONLY) {
            may_set()?;
        }
        return Ok(());
    }
    if timex.modes != 0 {
        may_set()?;
    }
    let bad_tick = wants(ADJ_TICK) && !(TICK_MIN..=TICK_MAX).contains(&timex.tick);
    let bad_frequency =
        wants(ADJ_FREQUENCY) && !(-FREQUENCY_MAX..=FREQUENCY_MAX).contains(&timex.frequency);
    if bad_tick || bad_frequency {
        return Err(Errno::EINVAL);
    }
    if wants(ADJ_SETOFFSET) { offset(timex).map(drop) } else { Ok(()) }
}

/// By how much the date is to be moved, in nanoseconds.
fn offset(timex: &Timex) -> Result<i64> {
    let (unit, scale) =
        if timex.modes & ADJ_NANO != 0 { (SECOND, 1) } else { (SECOND / 1000, 1000) };
    let fraction = u64::try_from(timex.fraction).ok().filter(|&fraction| fraction < unit);
    let fraction = fraction.ok_or(Errno::EINVAL)? as i64 * scale;
    let seconds = timex.seconds.checked_mul(SECOND as i64).ok_or(Errno::EINVAL)?;
    seconds.checked_add(fraction).ok_or(Errno::EINVAL)
}

/// Fills in what is known, and gives the clock's state.
fn show(timex: &mut Timex, known: Exactness) -> usize {
    let now = ::time::realtime();
    let fraction = (now % SECOND) as i64;
    let in_nanoseconds = known.status & ntp::STA_NANO != 0;
    *timex = Timex {
        modes: timex.modes,
        status: known.status as i32,
        max_error: known.max_error,
        estimated_error: known.estimated_error,
        constant: known.constant,
        precision: 1,
        tolerance: TOLERANCE,
        offset: known.offset,
        frequency: known.frequency,
        tick: known.tick,
        tai: known.tai,
        seconds: (now / SECOND) as i64,
        fraction: if in_nanoseconds { fraction } else { fraction / 1000 },
        ..Timex::default()
    };
    if known.status & (ntp::STA_UNSYNC | STA_CLOCKERR) != 0 { TIME_ERROR } else { known.state }
}
