//! The clocks: reading and setting them.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::Capabilities;
use process::{CpuClock, TimeBase, Usage};
use time::SECOND;

use crate::abi::time::{Timespec, Timeval};
use crate::current;
use crate::user::UserPtr;

/// Which clock a system call names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The date.
    Realtime,
    /// Time since boot.
    Monotonic,
    /// The same, as the hardware counts it. To be read only.
    Raw,
    /// Atomic time.
    Tai,
    /// CPU time of the calling process.
    Process,
    /// CPU time of the calling thread.
    Thread,
    /// CPU time of a process, by its number.
    ProcessOf(i32),
    /// CPU time in user mode of a process, by its number.
    UserOf(i32),
    /// CPU time of a thread of the calling process, by its number.
    ThreadOf(i32),
}

impl Clock {
    /// From its number.
    ///
    /// # Errors
    /// EINVAL: no clock has it.
    pub(crate) fn from_number(number: i32) -> Result<Self> {
        Ok(match number {
            // CLOCK_REALTIME, _COARSE, _ALARM.
            0 | 5 | 8 => Self::Realtime,
            // CLOCK_MONOTONIC, _COARSE, CLOCK_BOOTTIME, _ALARM: the machine never sleeps.
            1 | 6 | 7 | 9 => Self::Monotonic,
            4 => Self::Raw,
            11 => Self::Tai,
            2 => Self::Process,
            3 => Self::Thread,
            // Somebody's CPU time: the number inverted, whether it is a thread's, and which part of the time.
            number if number < 0 => {
                let id = !(number >> 3);
                match (number & 4 != 0, number & 3) {
                    (false, 0 | 2) => Self::ProcessOf(id),
                    (false, 1) => Self::UserOf(id),
                    (true, 0 | 2) => Self::ThreadOf(id),
                    _ => return Err(Errno::EINVAL),
                }
            }
            _ => return Err(Errno::EINVAL),
        })
    }

    /// From the number of one that can be waited for.
    ///
    /// # Errors
    /// As [`Self::from_number`]. EOPNOTSUPP: it can only be read.
    pub(crate) fn waitable(number: i32) -> Result<Self> {
        match number {
            // CLOCK_MONOTONIC_RAW, and the coarse ones.
            4..=6 => Err(Errno::EOPNOTSUPP),
            _ => Self::from_number(number),
        }
    }

    /// A time of atomic time as a date, by the difference of now. A time of another clock stays.
    pub(crate) fn on_date(self, time: u64) -> u64 {
        match self {
            Self::Tai => time.saturating_add_signed(-time::tai_offset()),
            _ => time,
        }
    }

    /// What timers on it count by.
    ///
    /// # Errors
    /// EINVAL: nobody has the number, or the thread is another process's.
    pub(crate) fn base(self) -> Result<TimeBase> {
        let found = |id| current::find_task(id).map_err(|_| Errno::EINVAL);
        let process = |id| found(id).map(|task| Arc::downgrade(process::process_of(&task)));
        Ok(TimeBase::Cpu(match self {
            Self::Realtime | Self::Tai => return Ok(TimeBase::Date),
            Self::Monotonic | Self::Raw => return Ok(TimeBase::Monotonic),
            Self::Process => CpuClock::Process(process(0)?),
            Self::ProcessOf(id) => CpuClock::Process(process(id)?),
            Self::UserOf(id) => CpuClock::ProcessUser(process(id)?),
            Self::Thread => CpuClock::Thread(Arc::downgrade(&sched::current_ref())),
            Self::ThreadOf(id) => {
                let task = found(id)?;
                if !Arc::ptr_eq(process::process_of(&task), &current::process()) {
                    return Err(Errno::EINVAL);
                }
                CpuClock::Thread(Arc::downgrade(&task))
            }
        }))
    }

    /// What it shows, in nanoseconds.
    ///
    /// # Errors
    /// EINVAL: whose time it is has gone.
    pub(crate) fn now(self) -> Result<u64> {
        match self {
            Self::Realtime => Ok(time::realtime()),
            Self::Monotonic => Ok(time::monotonic()),
            Self::Raw => Ok(time::sched_clock()),
            Self::Tai => Ok(time::show(vvar::Clock::Precise(vvar::Precise::Tai))),
            Self::Thread => Ok(Usage::of_task(&sched::current()).total()),
            _ => self.base()?.now().ok_or(Errno::EINVAL),
        }
    }
}

/// `clock_gettime`.
pub(crate) fn clock_gettime(clock: i32, result: UserPtr<Timespec>) -> Result<usize> {
    // What the vDSO shows, too, is read in the same way.
    let now = match vvar::Clock::from_number(clock) {
        Some(clock) => time::show(clock),
        None => Clock::from_number(clock)?.now()?,
    };
    result.write(&Timespec::from_nanoseconds(now))?;
    Ok(0)
}

/// `clock_getres`.
pub(crate) fn clock_getres(clock: i32, result: UserPtr<Timespec>) -> Result<usize> {
    let resolution = match vvar::Clock::from_number(clock) {
        Some(clock) => clock.resolution(),
        None => Clock::from_number(clock)?.now().map(|_| vvar::RESOLUTION)?,
    };
    result.write_unless_null(&Timespec::from_nanoseconds(resolution))?;
    Ok(0)
}

/// `clock_settime`.
pub(crate) fn clock_settime(clock: i32, value: UserPtr<Timespec>) -> Result<usize> {
    let value = value.read()?.to_nanoseconds()?;
    if clock != 0 {
        return Err(Errno::EINVAL);
    }
    set_date(value)
}

/// The latest date that can be set: thirty years before nanoseconds run out in a signed number.
const LAST_DATE: u64 = i64::MAX as u64 - 30 * 365 * 24 * 3600 * SECOND;

fn set_date(value: u64) -> Result<usize> {
    // Nor can the machine have started before 1970.
    if !(time::monotonic()..LAST_DATE).contains(&value) {
        return Err(Errno::EINVAL);
    }
    process::credentials().require(Capabilities::SYS_TIME)?;
    time::set_realtime(value);
    Ok(0)
}

/// `gettimeofday`; there is no time zone.
pub(crate) fn gettimeofday(value: UserPtr<Timeval>, zone: UserPtr<[i32; 2]>) -> Result<usize> {
    value.write_unless_null(&Timeval::from_nanoseconds(time::realtime()))?;
    zone.write_unless_null(&[0, 0])?;
    Ok(0)
}

/// `settimeofday`; a time zone is taken and forgotten.
pub(crate) fn settimeofday(value: UserPtr<Timeval>, zone: UserPtr<[i32; 2]>) -> Result<usize> {
    if let Some(zone) = zone.non_null() {
        zone.read()?;
    }
    match value.non_null() {
        Some(value) => set_date(value.read()?.to_nanoseconds()?),
        None => Ok(0),
    }
}

/// `time`.
pub(crate) fn time(result: UserPtr<i64>) -> Result<usize> {
    let now = time::realtime() / SECOND;
    result.write_unless_null(&(now as i64))?;
    Ok(now as usize)
}
