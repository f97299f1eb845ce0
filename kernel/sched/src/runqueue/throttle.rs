//! Real-time throttling: real-time tasks that never sleep leave some of each period to the others.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use errno::Errno;

use super::RunQueue;
use crate::attributes::Class;
use crate::class::Queue;
use crate::deadline::admission;

/// How long real-time tasks may run in each period, as `/proc/sys/kernel/sched_rt_*` says; changed with the admission of deadline tasks locked.
static RT_PERIOD: AtomicU64 = AtomicU64::new(time::SECOND);
/// `u64::MAX`: no limit.
static RT_RUNTIME: AtomicU64 = AtomicU64::new(950 * time::MILLISECOND);

impl RunQueue {
    /// At a tick. Returns whether the throttle was lifted.
    pub(super) fn renew_rt_period(&mut self) -> bool {
        let now = self.clock;
        let mut lifted = false;
        if now >= self.rt_period_end {
            self.rt_period_end = now + RT_PERIOD.load(Relaxed);
            self.rt_time = 0;
            lifted =
                core::mem::replace(&mut self.rt_throttled, false) && self.real_time.waiting() != 0;
        }
        if self.rt_time >= RT_RUNTIME.load(Relaxed) && !self.rt_throttled {
            self.rt_throttled = true;
            // Deadline tasks count, and are not held back.
            self.throttling_is_news =
                self.running == Class::RealTime || self.real_time.waiting() != 0;
        }
        lifted
    }

    /// Whether real-time tasks are held back, and nobody has been told yet.
    pub(crate) fn take_news_of_throttling(&mut self) -> bool {
        core::mem::take(&mut self.throttling_is_news)
    }
}

/// Sets how long real-time tasks may run in each period, in nanoseconds; None: without limit.
///
/// # Errors
/// EINVAL: a period of 0, or a run time longer than the period. EBUSY: deadline tasks have been promised more.
pub fn set_rt_bandwidth(period: u64, runtime: Option<u64>) -> Result<(), Errno> {
    if period == 0 || runtime.is_some_and(|runtime| runtime > period) {
        return Err(Errno::EINVAL);
    }
    let mut admission = admission::lock();
    admission.set_limits(period, runtime)?;
    RT_PERIOD.store(period, Relaxed);
    RT_RUNTIME.store(runtime.unwrap_or(u64::MAX), Relaxed);
    Ok(())
}

/// Period and run time of real-time tasks in nanoseconds; no run time: without limit.
pub fn rt_bandwidth() -> (u64, Option<u64>) {
    admission::lock().limits()
}
