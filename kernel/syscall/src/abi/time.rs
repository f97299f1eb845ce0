//! Times.

use errno::{Errno, Result};
use time::{MICROSECOND, SECOND};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct timespec`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Timespec {
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds, below a second.
    pub nanoseconds: i64,
}

/// `struct timeval`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Timeval {
    /// Seconds.
    pub seconds: i64,
    /// Microseconds, below a second.
    pub microseconds: i64,
}

/// `struct itimerval`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct IntervalTimeval {
    /// What to start again with.
    pub interval: Timeval,
    /// What is left.
    pub value: Timeval,
}

/// `struct itimerspec`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct IntervalTimespec {
    /// What to start again with.
    pub interval: Timespec,
    /// What is left, or when.
    pub value: Timespec,
}

/// `struct tms`, in clock ticks of a hundredth of a second.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Tms {
    /// In user mode.
    pub user: i64,
    /// In the kernel.
    pub system: i64,
    /// In user mode, children that were waited for.
    pub children_user: i64,
    /// In the kernel, children that were waited for.
    pub children_system: i64,
}

/// The longest time, in nanoseconds: programs see it where they ask what is left of an endless one.
const LONGEST: u64 = i64::MAX as u64;

impl Timespec {
    /// From nanoseconds.
    pub const fn from_nanoseconds(time: u64) -> Self {
        Self { seconds: (time / SECOND) as i64, nanoseconds: (time % SECOND) as i64 }
    }

    /// As nanoseconds; what is longer than Linux can count them, 292 years, is as long as that.
    ///
    /// # Errors
    /// EINVAL: negative, or the nanoseconds make a second or more.
    pub fn to_nanoseconds(self) -> Result<u64> {
        let nanoseconds = u64::try_from(self.nanoseconds).ok().filter(|&part| part < SECOND);
        match (u64::try_from(self.seconds), nanoseconds) {
            (Ok(seconds), Some(part)) => {
                Ok(seconds.saturating_mul(SECOND).saturating_add(part).min(LONGEST))
            }
            _ => Err(Errno::EINVAL),
        }
    }
}

impl Timeval {
    /// From nanoseconds; what is less than a microsecond is cut.
    pub const fn from_nanoseconds(time: u64) -> Self {
        Self { seconds: (time / SECOND) as i64, microseconds: (time % SECOND / MICROSECOND) as i64 }
    }

    /// As nanoseconds; what is too long is as long as [`Timespec::to_nanoseconds`] has it.
    ///
    /// # Errors
    /// EINVAL: negative, or the microseconds make a second or more.
    pub fn to_nanoseconds(self) -> Result<u64> {
        let nanoseconds = self.microseconds.checked_mul(MICROSECOND as i64).ok_or(Errno::EINVAL)?;
        Timespec { seconds: self.seconds, nanoseconds }.to_nanoseconds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_out_of_range_are_refused_and_long_ones_saturate() {
        let time = |seconds, nanoseconds| Timespec { seconds, nanoseconds }.to_nanoseconds();
        assert_eq!(time(1, 5), Ok(SECOND + 5));
        assert_eq!(time(i64::MAX, 999_999_999), Ok(LONGEST));
        assert_eq!(time(9_223_372_036, 854_775_806), Ok(LONGEST - 1));
        assert_eq!(time(9_223_372_036, 854_775_808), Ok(LONGEST));
        assert_eq!(time(-1, 0), Err(Errno::EINVAL));
        assert_eq!(time(0, 1_000_000_000), Err(Errno::EINVAL));
        assert_eq!(time(0, -1), Err(Errno::EINVAL));
        let hostile = Timeval { seconds: 0, microseconds: i64::MAX };
        assert_eq!(hostile.to_nanoseconds(), Err(Errno::EINVAL));
    }
}
