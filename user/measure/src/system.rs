//! Into the kernel and out again: system calls, signals.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use runtime::vdso::Vdso;
use runtime::{Result, clock, process, signal};

use crate::{Workload, average};

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload { name: "getppid", measure: getppid },
    Workload { name: "clock_gettime", measure: clock_gettime },
    Workload { name: "signal_delivery", measure: signal_delivery },
];

fn getppid() -> Result<u64> {
    average(2000, || {
        process::parent();
        Ok(())
    })
}

/// By the vDSO where there is one, and by the system call where not.
fn clock_gettime() -> Result<u64> {
    const MONOTONIC: i32 = 1;
    match Vdso::find() {
        Some(vdso) => {
            average(2000, || vdso.clock_gettime(MONOTONIC).map(drop).map_err(clock::error_of))
        }
        None => average(2000, || clock::gettime(MONOTONIC).map(drop)),
    }
}

/// The process sends itself a signal, its handler runs, and it goes on.
fn signal_delivery() -> Result<u64> {
    const SIGUSR1: i32 = 10;
    static CAUGHT: AtomicU64 = AtomicU64::new(0);
    extern "C" fn catch(_: i32) {
        CAUGHT.fetch_add(1, Relaxed);
    }
    signal::handle(SIGUSR1, catch)?;
    let me = process::id();
    let figure = average(500, || process::kill(me, SIGUSR1));
    assert_eq!(CAUGHT.load(Relaxed), 551, "a signal was lost");
    figure
}
