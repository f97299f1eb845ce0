//! What a task asks for, and what may be asked for.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use errno::Errno;

/// The smallest runtime, in nanoseconds: less is lost in the arithmetic of bandwidths.
const LEAST_RUNTIME: u64 = 1024;

/// The shortest period that may be asked for, in microseconds.
static PERIOD_MIN: AtomicU32 = AtomicU32::new(100);
/// The longest.
static PERIOD_MAX: AtomicU32 = AtomicU32::new(1 << 22);

/// The bounds of periods in microseconds: the shortest, the longest.
pub fn deadline_period_bounds() -> (u32, u32) {
    (PERIOD_MIN.load(Relaxed), PERIOD_MAX.load(Relaxed))
}

/// Sets the bounds of periods in microseconds. What has been admitted stays.
///
/// # Errors
/// EINVAL: the shortest is longer than the longest.
pub fn set_deadline_period_bounds(shortest: u32, longest: u32) -> Result<(), Errno> {
    if shortest > longest {
        return Err(Errno::EINVAL);
    }
    PERIOD_MIN.store(shortest, Relaxed);
    PERIOD_MAX.store(longest, Relaxed);
    Ok(())
}

/// The size of a bandwidth's fraction: 1 is a whole CPU.
const BANDWIDTH_BITS: u32 = 20;

/// A share of CPUs' time, as a multiple of 2^-20 CPUs, rounded down.
pub(crate) fn bandwidth(runtime: u64, period: u64) -> u64 {
    ((u128::from(runtime) << BANDWIDTH_BITS) / u128::from(period.max(1))) as u64
}

/// What a task of the deadline class asks for: `runtime` in each `period`, to be had by `deadline` after the period's begin. All in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadlineParameters {
    /// How long it runs in each period at most.
    pub runtime: u64,
    /// By when, counted from the period's begin.
    pub deadline: u64,
    /// 0: the same as the deadline.
    pub period: u64,
    /// The task's process gets SIGXCPU when the runtime is used up.
    pub signals_overrun: bool,
}

impl DeadlineParameters {
    /// With the period written out.
    ///
    /// # Errors
    /// EINVAL: a runtime below 1024 ns; not runtime <= deadline <= period; a period out of the [bounds](deadline_period_bounds); a highest bit set.
    pub fn checked(self) -> Result<Self, Errno> {
        let period = if self.period == 0 { self.deadline } else { self.period };
        let (shortest, longest) = deadline_period_bounds();
        let in_order = LEAST_RUNTIME <= self.runtime
            && self.runtime <= self.deadline
            && self.deadline <= period
            && period >> 63 == 0;
        let in_bounds = (u64::from(shortest) * time::MICROSECOND
            ..=u64::from(longest) * time::MICROSECOND)
            .contains(&period);
        if in_order && in_bounds { Ok(Self { period, ..self }) } else { Err(Errno::EINVAL) }
    }

    /// Its share of a CPU.
    pub(crate) fn bandwidth(&self) -> u64 {
        bandwidth(self.runtime, self.period)
    }
}

/// Parameters in a place that is shared. A lock, which the owner names, keeps them together; that the fields are atomic only spares `unsafe`.
#[derive(Debug, Default)]
pub(crate) struct SharedParameters {
    runtime: AtomicU64,
    deadline: AtomicU64,
    period: AtomicU64,
    signals_overrun: AtomicBool,
}

impl SharedParameters {
    pub(crate) fn load(&self) -> DeadlineParameters {
        DeadlineParameters {
            runtime: self.runtime.load(Relaxed),
            deadline: self.deadline.load(Relaxed),
            period: self.period.load(Relaxed),
            signals_overrun: self.signals_overrun.load(Relaxed),
        }
    }

    pub(crate) fn store(&self, parameters: &DeadlineParameters) {
        self.runtime.store(parameters.runtime, Relaxed);
        self.deadline.store(parameters.deadline, Relaxed);
        self.period.store(parameters.period, Relaxed);
        self.signals_overrun.store(parameters.signals_overrun, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_asked_for() {
        let asked = |runtime, deadline, period| {
            DeadlineParameters { runtime, deadline, period, signals_overrun: false }.checked()
        };
        assert_eq!(asked(10_000, 100_000, 0).map(|checked| checked.period), Ok(100_000));
        assert!(asked(1024, 100_000, 100_000).is_ok());
        for (runtime, deadline, period) in [
            (0, 0, 0),
            (1023, 100_000, 100_000),
            (100_001, 100_000, 200_000),
            (10_000, 200_000, 100_000),
            (10_000, 99_999, 0),
            (10_000, 100_000, (1 << 22) * 1000 + 1),
            (10_000, 100_000, 1 << 63 | 100_000),
            (10_000, 1 << 63 | 100_000, 0),
        ] {
            assert_eq!(asked(runtime, deadline, period), Err(Errno::EINVAL));
        }
    }
}
