//! The hot paths of kernel threads, measured in the kernel.
//!
//! On a machine with one CPU that counts instructions, a nanosecond is an instruction, and the figures are exact; on any other they are
//! times. Each figure is the average over many turns after some to warm up, and goes to the log as `bench NAME N`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use kthread::{Builder, Exit};
use sched::{Completion, CpuMask};

const WARM_UP: u64 = 20;
const TURNS: u64 = 200;

/// A path to measure.
pub struct Benchmark {
    /// Its name.
    pub name: &'static str,
    /// Goes the path once.
    pub turn: fn(),
}

/// All paths that are measured one turn at a time.
static BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "create_wake_stop", turn: create_wake_stop },
    Benchmark { name: "create_stop_unwoken", turn: create_stop_unwoken },
    Benchmark { name: "yield_to_nobody", turn: sched::yield_now },
];

fn create_wake_stop() {
    let thread = Builder::new(format_args!("bench")).run(|this| {
        while !this.should_stop() {
            this.sleep(time::SECOND);
        }
        0
    });
    let exit = thread.map(kthread::Handle::stop);
    assert!(matches!(exit, Ok(Exit::Returned(0) | Exit::NeverRan)), "a thread cannot be made");
}

fn create_stop_unwoken() {
    let created = Builder::new(format_args!("bench")).create(|_| 0);
    let exit = created.map(kthread::Created::stop);
    assert!(matches!(exit, Ok(Exit::NeverRan)), "a thread cannot be made");
}

/// Two threads on one CPU that wake each other by completions; the figure is a round trip.
fn completion_ping_pong() -> u64 {
    let (ping, pong) = (Arc::new(Completion::new()), Arc::new(Completion::new()));
    let (their_ping, their_pong) = (ping.clone(), pong.clone());
    let partner = Builder::new(format_args!("bench"))
        .bound_to(CpuMask::of(0))
        .run(move |_| {
            for _ in 0..WARM_UP + TURNS {
                their_ping.wait();
                their_pong.complete();
            }
            0
        })
        .expect("a thread can be made");
    let caller = Builder::new(format_args!("bench"))
        .bound_to(CpuMask::of(0))
        .run(move |_| {
            let round = || {
                ping.complete();
                pong.wait();
            };
            (0..WARM_UP).for_each(|_| round());
            let start = time::monotonic();
            (0..TURNS).for_each(|_| round());
            ((time::monotonic() - start) / TURNS) as i32
        })
        .expect("a thread can be made");
    assert_eq!(partner.join(), Exit::Returned(0));
    match caller.join() {
        Exit::Returned(figure) => figure.unsigned_abs().into(),
        other => panic!("the benchmark's thread ended with {other:?}"),
    }
}

/// Runs all benchmarks whose name contains `filter`. From a task that may sleep.
pub fn run(filter: &str) {
    for benchmark in BENCHMARKS.iter().filter(|benchmark| benchmark.name.contains(filter)) {
        (0..WARM_UP).for_each(|_| (benchmark.turn)());
        let start = time::monotonic();
        (0..TURNS).for_each(|_| (benchmark.turn)());
        report(benchmark.name, (time::monotonic() - start) / TURNS);
    }
    if "completion_ping_pong".contains(filter) {
        report("completion_ping_pong", completion_ping_pong());
    }
}

fn report(name: &str, figure: u64) {
    log::info!("bench {name} {figure}");
}
