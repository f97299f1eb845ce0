//! Who is admitted: all deadline tasks together may be promised no more than the machine has.
//!
//! There is one root domain, all active CPUs. Each of them gives as much of its time as `sched_rt_runtime_us` of each `sched_rt_period_us`.

use errno::Errno;
use machine::CpuId;
use smallvec::SmallVec;
use sync::{LockClass, SpinIrqGuard, SpinLock};

use super::parameters::bandwidth;
use crate::affinity;

/// Taken with interrupts off, inside a run queue's lock; takes nothing.
static ADMISSION_LOCK: LockClass = LockClass::new("deadline_bandwidth");

static ADMISSION: SpinLock<Admission> = SpinLock::new(&ADMISSION_LOCK, Admission::new());

/// Departures that are kept apart; what there is more of is given back together.
const DEPARTURES: usize = 32;

/// Bandwidth that comes back later.
struct Departure {
    /// On the monotonic clock.
    at: u64,
    bandwidth: u64,
}

/// What has been promised. Also the lock under which what is wanted of deadline tasks changes, the CPUs on which they may run, and the limits.
pub(crate) struct Admission {
    /// Of all tasks that are wanted to be of the class.
    given: u64,
    /// Of those that have left, and have had more than their rate so far.
    departures: SmallVec<[Departure; DEPARTURES]>,
    /// How much real-time and deadline tasks may run in each period, both in nanoseconds; None: without limit.
    runtime: Option<u64>,
    period: u64,
}

/// Locks the admission. Any context that holds no lock but a run queue's.
pub(crate) fn lock() -> SpinIrqGuard<'static, Admission> {
    ADMISSION.lock_irq()
}

impl Admission {
    const fn new() -> Self {
        Self {
            given: 0,
            departures: SmallVec::new_const(),
            runtime: Some(950 * time::MILLISECOND),
            period: time::SECOND,
        }
    }

    /// Whether there is a limit, and with it a reason to look where tasks may run.
    pub(super) fn is_limited(&self) -> bool {
        self.runtime.is_some()
    }

    /// Whether no task can be admitted at all.
    pub(super) fn admits_nobody(&self) -> bool {
        self.runtime == Some(0)
    }

    /// What so many CPUs can promise; None: anything.
    fn limit(&self, cpus: usize) -> Option<u64> {
        Some(bandwidth(self.runtime?, self.period) * cpus as u64)
    }

    /// What is promised, and what is still on its way back.
    fn promised(&mut self) -> u64 {
        let now = time::sched_clock();
        self.departures.retain(|departure| departure.at > now);
        self.given + self.departures.iter().map(|departure| departure.bandwidth).sum::<u64>()
    }

    /// Promises `new` where `old` was promised.
    ///
    /// # Errors
    /// EBUSY: there is not so much.
    pub(super) fn admit(&mut self, old: u64, new: u64) -> Result<(), Errno> {
        let limit = self.limit(affinity::active().count());
        if new > old && limit.is_some_and(|limit| self.promised() - old + new > limit) {
            return Err(Errno::EBUSY);
        }
        self.given = self.given - old + new;
        Ok(())
    }

    /// A task gives its bandwidth back at its zero-lag time.
    pub(super) fn leave(&mut self, bandwidth: u64, at: u64) {
        self.given -= bandwidth;
        if at <= time::sched_clock() {
            return;
        }
        if self.departures.len() == DEPARTURES {
            self.merge_closest();
        }
        let place = self.departures.partition_point(|other| other.at <= at);
        self.departures.insert(place, Departure { at, bandwidth });
    }

    /// The two that are closest in time go together at the later one.
    fn merge_closest(&mut self) {
        let gap = |first: usize| self.departures[first + 1].at - self.departures[first].at;
        let Some(first) = (0..self.departures.len() - 1).min_by_key(|&first| gap(first)) else {
            return;
        };
        let merged = self.departures.remove(first).bandwidth;
        self.departures[first].bandwidth += merged;
    }

    /// Changes the limits.
    ///
    /// # Errors
    /// EBUSY: more has been promised.
    pub(crate) fn set_limits(&mut self, period: u64, runtime: Option<u64>) -> Result<(), Errno> {
        let (old_period, old_runtime) = (self.period, self.runtime);
        (self.period, self.runtime) = (period, runtime);
        let limit = self.limit(affinity::active().count());
        if limit.is_some_and(|limit| self.promised() > limit) {
            (self.period, self.runtime) = (old_period, old_runtime);
            return Err(Errno::EBUSY);
        }
        Ok(())
    }

    pub(crate) fn limits(&self) -> (u64, Option<u64>) {
        (self.period, self.runtime)
    }
}

/// For CPU hotplug: the CPU takes no tasks any more but those bound to it, if the others can keep what has been promised.
///
/// # Errors
/// EBUSY: they cannot.
pub fn set_inactive(cpu: CpuId) -> Result<(), Errno> {
    let mut admission = lock();
    let promised = admission.promised();
    let limit = admission.limit(affinity::active().without(cpu).count());
    // Without a promise there is nothing to keep, and nothing that rounding could take away.
    if promised > 0 && limit.is_some_and(|limit| promised > limit) {
        return Err(Errno::EBUSY);
    }
    affinity::set_active(cpu, false);
    Ok(())
}

/// How much has been promised to deadline tasks, in 2^-20 CPUs: given, and on its way back.
pub fn deadline_bandwidth() -> (u64, u64) {
    let mut admission = lock();
    let promised = admission.promised();
    (admission.given, promised - admission.given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn departures_are_never_forgotten_and_never_early() {
        let mut admission = Admission::new();
        let far = time::sched_clock() + 1000 * time::SECOND;
        admission.given = 1000;
        for number in 0..100 {
            admission.leave(10, far + number % 7 * time::SECOND);
        }
        assert_eq!(admission.given, 0);
        assert_eq!(admission.promised(), 1000);
        assert!(admission.departures.len() <= DEPARTURES);
        assert!(admission.departures.is_sorted_by_key(|departure| departure.at));
        assert!(admission.departures.iter().all(|departure| departure.at >= far));
    }

    #[test]
    fn limits_are_linuxs() {
        let mut admission = Admission::new();
        let (half, limit) = (bandwidth(475, 1000), bandwidth(950, 1000));
        assert_eq!(limit, 996_147);
        assert_eq!(admission.limit(2), Some(2 * limit));
        assert!(2 * half <= limit);
        admission.runtime = None;
        assert_eq!(admission.limit(1), None);
        assert!(!admission.is_limited());
    }
}
