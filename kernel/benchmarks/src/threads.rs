//! The lives of threads.

use alloc::sync::Arc;
use alloc::vec::Vec;

use kthread::{Builder, Exit, Handle, This};
use sched::{Completion, CpuMask};

use crate::{Workload, average, report};

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload::turn("create_wake_stop", create_wake_stop),
    Workload::turn("create_stop_unwoken", create_stop_unwoken),
    Workload::whole("thousand_threads", 1, thousand_threads),
    Workload::whole("park_unpark", 1, park_unpark),
];

fn sleep_until_stopped(this: &This) -> i32 {
    while !this.should_stop() {
        this.sleep(u64::MAX);
    }
    0
}

fn create_wake_stop() {
    let thread = Builder::new(format_args!("bench")).run(sleep_until_stopped);
    let exit = thread.map(Handle::stop);
    assert!(matches!(exit, Ok(Exit::Returned(0) | Exit::NeverRan)), "a thread cannot be made");
}

fn create_stop_unwoken() {
    let created = Builder::new(format_args!("bench")).create(|_| 0);
    let exit = created.map(kthread::Created::stop);
    assert!(matches!(exit, Ok(Exit::NeverRan)), "a thread cannot be made");
}

/// A thousand threads alive and asleep at once: what it takes to make one, the bytes that it occupies, what it takes to stop it.
fn thousand_threads() -> u64 {
    const MANY: u64 = 1000;
    let free = || memory::statistics().free as u64;
    let mut threads = Vec::with_capacity(MANY as usize);
    let before = free();
    let start = time::monotonic();
    for number in 0..MANY {
        let thread = Builder::new(format_args!("bench/{number}")).run(sleep_until_stopped);
        threads.push(thread.expect("a thread can be made"));
    }
    let figure = (time::monotonic() - start) / MANY;
    // Until all of them sleep.
    sched::sleep_for(20 * time::MILLISECOND);
    report("thousand_threads_bytes", (before - free()) / MANY);
    let start = time::monotonic();
    while let Some(thread) = threads.pop() {
        thread.stop();
    }
    report("thousand_threads_stop", (time::monotonic() - start) / MANY);
    figure
}

/// A thread is asked to park, does, is let go on, and says that it is back.
fn park_unpark() -> u64 {
    let back = Arc::new(Completion::new());
    let theirs = back.clone();
    let thread = Builder::new(format_args!("bench"))
        .bound_to(CpuMask::of(0))
        .run(move |this| {
            // A thread that is asked to park before its function runs does not come here to do so.
            theirs.complete();
            while !this.should_stop() {
                if this.should_park() {
                    this.parkme();
                    theirs.complete();
                }
                this.sleep(u64::MAX);
            }
            0
        })
        .expect("a thread can be made");
    back.wait();
    let figure = average(|| {
        thread.park().expect("it has not ended");
        thread.unpark();
        back.wait();
    });
    thread.stop();
    figure
}
