//! Work that is put off.

use crate::{Workload, average};

pub(crate) const WORKLOADS: &[Workload] =
    &[Workload::whole("hrtimer_arm_cancel", 1, hrtimer_arm_cancel)];

/// A precise timer that is cancelled long before its time.
fn hrtimer_arm_cancel() -> u64 {
    let timer = time::Timer::new(|| ());
    average(|| {
        timer.start(time::monotonic() + time::SECOND);
        timer.cancel_sync();
    })
}
