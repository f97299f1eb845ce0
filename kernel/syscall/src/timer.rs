//! Interval timers: `alarm`, `setitimer`.

use errno::{Errno, Result};
use process::TimerSetting;
use time::{MICROSECOND, SECOND};

use crate::abi::time::{IntervalTimeval, Timeval};
use crate::user::UserPtr;

/// `alarm`: seconds that were left of the last one.
pub fn alarm(seconds: u32) -> Result<usize> {
    let new = TimerSetting { value: u64::from(seconds) * SECOND, interval: 0 };
    let old = process::set_real_timer(new);
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

/// Only `ITIMER_REAL` is there: the others count CPU time.
fn require_real(which: u32) -> Result<()> {
    if which == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

/// `setitimer`.
pub fn setitimer(
    which: u32,
    new: UserPtr<IntervalTimeval>,
    old: UserPtr<IntervalTimeval>,
) -> Result<usize> {
    require_real(which)?;
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
    let before = process::set_real_timer(new);
    old.write_unless_null(&show(before))?;
    Ok(0)
}

/// `getitimer`.
pub fn getitimer(which: u32, result: UserPtr<IntervalTimeval>) -> Result<usize> {
    require_real(which)?;
    result.write(&show(process::real_timer()))?;
    Ok(0)
}
