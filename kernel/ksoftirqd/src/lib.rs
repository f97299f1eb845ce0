//! `ksoftirqd/N`: the softirqs that nobody else serves.
//!
//! Softirqs are served where an interrupt ends, but not without end: what is still pending after ten rounds, two
//! milliseconds, or when a task should run, is left to this thread, of nice 0 like any other, and so is what a task raises where it
//! cannot be served. While the thread is awake, the ends of interrupts leave all to it but tasklets.
//!
//! ```text
//!            softirq wakes it                   nothing is pending
//!   asleep ──────────────────> serves a round ─────────────────────> asleep
//!                                ^         │ pending again: others of its class have their turn in between
//!                                └─────────┘
//! ```
//!
//! There is one for each CPU, which parks when the CPU goes. What is pending on the CPU then moves with
//! [`softirq::take_over`], which crate `hotplug` calls.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use errno::Errno;
use kthread::smpboot::{self, PerCpuThread};
use machine::CpuId;
use sched::{Attributes, TaskRef, state};
use softirq::Daemon;
use sync::{Once, PerCpu, per_cpu};

static KSOFTIRQD: PerCpuThread = PerCpuThread {
    name: "ksoftirqd",
    attributes: Attributes::NORMAL,
    should_run: softirq::is_pending,
    work: |_| softirq::serve_in_daemon(),
    online: |_| {},
    offline: |_| {},
    created,
    kept_apart: false,
};

/// The thread of each CPU; a CPU that comes back has the same again.
static THREADS: PerCpu<Once<TaskRef>> = per_cpu!(Once::new());

fn created(cpu: CpuId, thread: &TaskRef) {
    let fresh = THREADS.of(cpu).set(thread.clone()).is_ok();
    debug_assert!(fresh, "ksoftirqd/{cpu} was made twice");
}

/// Not through `smpboot::wake`, which wakes all threads of the CPU.
fn wake(cpu: CpuId) {
    if let Some(thread) = THREADS.of(cpu).get() {
        sched::wake_up(thread);
    }
}

fn is_awake(cpu: CpuId) -> bool {
    THREADS.of(cpu).get().is_some_and(|thread| thread.state() == state::RUNNING)
}

/// Makes the threads of all CPUs that are there. Once, when kthreadd is. May sleep.
///
/// # Errors
/// As [`kthread::Builder::create`].
pub fn start() -> Result<(), Errno> {
    smpboot::register(&KSOFTIRQD)?;
    softirq::set_daemon(Daemon { wake, is_awake });
    Ok(())
}
