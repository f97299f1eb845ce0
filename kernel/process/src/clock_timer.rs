//! A timer on whatever clock a program may name.

use errno::Errno;
use time::HrTimer;

use crate::cpu_timer::{CpuClock, CpuTimer};

/// The clock that a timer counts on.
#[derive(Clone, Debug)]
pub enum TimeBase {
    /// Time since boot.
    Monotonic,
    /// Somebody's CPU time.
    Cpu(CpuClock),
}

impl TimeBase {
    /// What it shows, in nanoseconds; `None`: whom it belongs to is gone.
    pub fn now(&self) -> Option<u64> {
        match self {
            Self::Monotonic => Some(time::monotonic()),
            Self::Cpu(clock) => clock.now(),
        }
    }
}

/// A function to be called at a time of a clock, in hard-interrupt context. Dropping the timer cancels it.
pub enum ClockTimer {
    /// On the monotonic clock.
    Monotonic(HrTimer),
    /// On CPU time.
    Cpu(CpuTimer),
}

impl ClockTimer {
    /// A timer that is not started. `function` must not sleep, and may start the timer again. In a task.
    ///
    /// # Errors
    /// ESRCH: whose time it should count is gone. ENOMEM.
    pub fn new(base: TimeBase, function: impl Fn() + Send + Sync + 'static) -> Result<Self, Errno> {
        Ok(match base {
            TimeBase::Monotonic => Self::Monotonic(HrTimer::new(function)),
            TimeBase::Cpu(clock) => Self::Cpu(CpuTimer::new(clock, function)?),
        })
    }

    /// What its clock shows.
    pub fn now(&self) -> Option<u64> {
        match self {
            Self::Monotonic(_) => Some(time::monotonic()),
            Self::Cpu(timer) => timer.clock().now(),
        }
    }

    /// Starts the timer for a time of its clock; one that is started is moved. Any context.
    pub fn start(&self, deadline: u64) {
        match self {
            Self::Monotonic(timer) => timer.start(deadline),
            Self::Cpu(timer) => timer.start(deadline),
        }
    }

    /// Takes the timer back and returns whether it was started. The function may still be running. Any context.
    pub fn cancel(&self) -> bool {
        match self {
            Self::Monotonic(timer) => timer.cancel(),
            Self::Cpu(timer) => timer.cancel(),
        }
    }

    /// Takes the timer back and waits, spinning, until its function is not running. In a task.
    pub fn cancel_sync(&self) -> bool {
        match self {
            Self::Monotonic(timer) => timer.cancel_sync(),
            Self::Cpu(timer) => timer.cancel_sync(),
        }
    }
}
