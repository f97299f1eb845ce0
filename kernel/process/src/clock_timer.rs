//! A timer on whatever clock a program may name.

use errno::Errno;
use time::{DateTimer, HrTimer, Moment};

use crate::cpu_timer::{CpuClock, CpuTimer};

/// The clock that a timer counts on.
#[derive(Clone, Debug)]
pub enum TimeBase {
    /// Time since boot.
    Monotonic,
    /// The date.
    Date,
    /// Somebody's CPU time.
    Cpu(CpuClock),
}

impl TimeBase {
    /// What it shows, in nanoseconds; `None`: whom it belongs to is gone.
    pub fn now(&self) -> Option<u64> {
        match self {
            Self::Monotonic => Some(time::monotonic()),
            Self::Date => Some(time::realtime()),
            Self::Cpu(clock) => clock.now(),
        }
    }
}

/// A function to be called at a time of a clock, in hard-interrupt context. Dropping the timer cancels it.
pub enum ClockTimer {
    /// On the monotonic clock.
    Monotonic(HrTimer),
    /// On the date, or, for times that are to pass whatever is set, on the monotonic clock.
    Date(DateTimer),
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
            TimeBase::Date => Self::Date(DateTimer::new(function)),
            TimeBase::Cpu(clock) => Self::Cpu(CpuTimer::new(clock, function)?),
        })
    }

    /// What its clock shows; where that is the date, what the monotonic clock shows.
    pub fn now(&self) -> Option<u64> {
        match self {
            Self::Monotonic(_) | Self::Date(_) => Some(time::monotonic()),
            Self::Cpu(timer) => timer.clock().now(),
        }
    }

    /// What the clock of a moment shows.
    pub fn now_for(&self, moment: Moment) -> Option<u64> {
        match moment {
            Moment::Elapsed(_) => self.now(),
            Moment::Date(_) => Some(moment.now()),
        }
    }

    /// Makes the timer wait for what is wanted of it, or for nothing. `wanted` says what that is now; whoever changes it calls this
    /// afterwards, and so does the timer's function when it has used it up. Any context.
    ///
    /// Several may be here at once, a program that sets the timer and an interrupt in which it has just expired: who comes late with
    /// what was wanted before must not have the last word. So whoever has started the timer looks again.
    pub fn follow(&self, wanted: impl Fn() -> Option<Moment>) {
        let mut next = wanted();
        loop {
            match next {
                Some(moment) => self.start_for(moment),
                None => drop(self.cancel()),
            }
            let now = wanted();
            if now == next {
                return;
            }
            next = now;
        }
    }

    /// Starts the timer for a moment; one that is started is moved. A timer that is not on the date takes all for times of its own
    /// clock.
    fn start_for(&self, moment: Moment) {
        match self {
            Self::Monotonic(timer) => timer.start(moment.value()),
            Self::Date(timer) => timer.start(moment),
            Self::Cpu(timer) => timer.start(moment.value()),
        }
    }

    /// Takes the timer back and returns whether it was started. The function may still be running. Any context.
    pub fn cancel(&self) -> bool {
        match self {
            Self::Monotonic(timer) => timer.cancel(),
            Self::Date(timer) => timer.cancel(),
            Self::Cpu(timer) => timer.cancel(),
        }
    }

    /// Takes the timer back and waits, spinning, until its function is not running. In a task.
    pub fn cancel_sync(&self) -> bool {
        match self {
            Self::Monotonic(timer) => timer.cancel_sync(),
            Self::Date(timer) => timer.cancel_sync(),
            Self::Cpu(timer) => timer.cancel_sync(),
        }
    }
}
