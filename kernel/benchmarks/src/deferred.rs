//! Work that is put off.

use alloc::sync::Arc;

use kthread::{Builder, Exit};
use sched::{Completion, CpuMask};
use softirq::Tasklet;
use sync::IrqGuard;
use time::{HrTimer, Timer};

use crate::{Workload, average};

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload::whole("tasklet_round_trip", 1, || tasklet_round_trip(Tasklet::schedule)),
    Workload::whole("tasklet_by_ksoftirqd", 1, || tasklet_round_trip(schedule_for_ksoftirqd)),
    Workload::whole("timer_arm_cancel", 1, timer_arm_cancel),
    Workload::whole("hrtimer_arm_cancel", 1, hrtimer_arm_cancel),
];

/// A tasklet is scheduled by a task, and completes what the task waits for.
fn tasklet_round_trip(schedule: fn(&Tasklet) -> bool) -> u64 {
    let thread = Builder::new(format_args!("bench"))
        .bound_to(CpuMask::of(0))
        .run(move |_| {
            let ran = Arc::new(Completion::new());
            let complete = ran.clone();
            let tasklet = Tasklet::new(move || complete.complete());
            average(|| {
                schedule(&tasklet);
                ran.wait();
            }) as i32
        })
        .expect("a thread can be made");
    match thread.join() {
        Exit::Returned(figure) => figure.unsigned_abs().into(),
        other => panic!("the workload's thread ended with {other:?}"),
    }
}

/// Where softirqs cannot be served: the thread for that does it.
fn schedule_for_ksoftirqd(tasklet: &Tasklet) -> bool {
    let _irqs_off = IrqGuard::new();
    tasklet.schedule()
}

/// A time-out that is cancelled long before its time.
fn timer_arm_cancel() -> u64 {
    let timer = Timer::new(|| ());
    average(|| {
        timer.start(time::monotonic() + time::SECOND);
        timer.cancel();
    })
}

/// A precise timer that is cancelled long before its time.
fn hrtimer_arm_cancel() -> u64 {
    let timer = HrTimer::new(|| ());
    average(|| {
        timer.start(time::monotonic() + time::SECOND);
        timer.cancel_sync();
    })
}
