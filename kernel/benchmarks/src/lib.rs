//! The paths that kernel threads live on, measured in the kernel.
//!
//! On a machine with one CPU that counts instructions, a nanosecond is an instruction, and the figures are exact; on any other
//! they are times. A figure is the average over many turns after some to warm up, and goes to the log as `bench NAME N`.
//! Each workload has a twin of the same name in `bench/linux`, a module for Linux; `cargo xtask bench --linux` lays them side by
//! side. What a workload does is said here, once.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod deferred;
mod switches;
mod threads;
mod work;

const WARM_UP: u64 = 20;
const TURNS: u64 = 200;

/// How long the machine rests before each workload, so that nobody measures what the one before has left to do.
const REST: u64 = 20 * time::MILLISECOND;

/// How a workload is measured.
#[derive(Clone, Copy)]
enum Measure {
    /// Goes the path once; called many times.
    Turn(fn()),
    /// Does all turns by itself and returns the figure.
    Whole(fn() -> u64),
}

/// A path to measure.
struct Workload {
    name: &'static str,
    /// Not run on fewer CPUs.
    cpus: u32,
    measure: Measure,
}

impl Workload {
    const fn turn(name: &'static str, turn: fn()) -> Self {
        Self { name, cpus: 1, measure: Measure::Turn(turn) }
    }

    const fn whole(name: &'static str, cpus: u32, measure: fn() -> u64) -> Self {
        Self { name, cpus, measure: Measure::Whole(measure) }
    }

    fn figure(&self) -> u64 {
        match self.measure {
            Measure::Turn(turn) => average(turn),
            Measure::Whole(measure) => measure(),
        }
    }
}

/// Runs all workloads whose name contains `filter`. From a task that may sleep.
pub fn run(filter: &str) {
    let cpus = sched::online().iter().count() as u32;
    let all = [threads::WORKLOADS, switches::WORKLOADS, deferred::WORKLOADS, work::WORKLOADS]
        .into_iter()
        .flatten();
    for workload in all.filter(|workload| workload.name.contains(filter) && workload.cpus <= cpus) {
        sched::sleep_for(REST);
        report(workload.name, workload.figure());
    }
}

/// Says a figure; a workload that has more than one says the others itself.
fn report(name: &str, figure: u64) {
    log::info!("bench {name} {figure}");
}

/// What a turn takes.
fn average(turn: impl Fn()) -> u64 {
    repeat(&turn, WARM_UP);
    let start = time::monotonic();
    repeat(&turn, TURNS);
    (time::monotonic() - start) / TURNS
}

/// Not inlined, so that what is measured is the code that has been warmed up, and not a copy of it: an emulator translates each on its first run.
#[inline(never)]
fn repeat(turn: &impl Fn(), times: u64) {
    (0..times).for_each(|_| turn());
}
