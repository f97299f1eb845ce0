//! Interval timers: `alarm`, `setitimer`.

use errno::{Errno, Result};
use process::{IntervalTimer, TimerSetting};
use time::{MICROSECOND, SECOND};

use crate::abi::time::{IntervalTimeval, Timeval};
use crate::user::UserPtr;

/// `alarm`: seconds that were left of the last one.
pub(crate) fn alarm(seconds: u32) -> Result<usize> {
    let new = TimerSetting { value: u64::from(seconds) * SECOND, interval: 0 };
    let old = process::set_interval_timer(IntervalTimer::Real, new)?;
    let whole = old.value / SECOND;
    // An alarm that is still on never shows as 0.
    let rounded =
        whole + u64::from(whole == 0 && old.value > 0 || old.value % SECOND >= SECOND / 2);
    Ok(rounded as usize)
}

fn show(setting: TimerSetting) -> IntervalTimeval {
    let rounded_up = setting.value.next_multiple_of(MICROSECOND);
    IntervalTimeval {
        interval: Timeval::from_nanoseconds(setting.interval),
        value: Timeval::from_nanoseconds(rounded_up),
    }
}

fn timer_of(which: u32) -> Result<IntervalTimer> {
    IntervalTimer::from_number(which).ok_or(Errno::EINVAL)
}

/// `setitimer`.
pub(crate) fn setitimer(
    which: u32,
    new: UserPtr<IntervalTimeval>,
    old: UserPtr<IntervalTimeval>,
) -> Result<usize> {
    let which = timer_of(which)?;
    let new = match new.non_null() {
        // As in Linux, nothing means off.
        None => TimerSetting::default(),
        Some(new) => {
            let given = new.read()?;
            TimerSetting {
                value: given.value.to_nanoseconds()?,
                interval: given.interval.to_nanoseconds()?,
            }
        }
    };
    let before = process::set_interval_timer(which, new)?;
    old.write_unless_null(&show(before))?;
    Ok(0)
}

/// `getitimer`.
pub(crate) fn getitimer(which: u32, result: UserPtr<IntervalTimeval>) -> Result<usize> {
    let which = timer_of(which)?;
    result.write(&show(process::interval_timer(which)))?;
    Ok(0)
}
