//! Restartable sequences and barriers, as a program uses them: what is refused, and whether they keep their promises.
//!
//! ```text
//! percpu CPUS          all of it
//! percpu after-exec    what a program finds that was executed by a registered one
//! ```
//!
//! Prints a line for each thing that is as it should be, and ends with status 1 at the first that is not.
#![no_std]
#![no_main]

mod barrier;
mod counters;
mod family;
mod refused;
mod sequence;

use core::ffi::CStr;

use runtime::checks::{self, Outcome};
use runtime::{Arguments, eprintln};

runtime::program!(main);

/// Most CPUs.
const CPUS: usize = 8;

fn main(arguments: Arguments) -> i32 {
    let word = arguments.skip(1).map(CStr::to_bytes).next().unwrap_or_default();
    if word == b"after-exec" {
        return family::after_exec();
    }
    let Some(cpus @ 2..=8) = runtime::string::number(word) else {
        eprintln!("usage: percpu CPUS, from 2 to {CPUS}");
        return 2;
    };
    let cpus = cpus as usize;
    checks::run(&[
        ("rseq refused", &refused::registrations),
        ("rseq damaged", &refused::descriptors),
        ("rseq cpu", &|| counters::number_of_cpu(cpus)),
        ("rseq counters", &|| counters::counters(cpus)),
        ("rseq signal", &counters::signal_ends_a_sequence),
        ("rseq family", &family::registrations),
        ("membarrier refused", &barrier::refused),
        ("membarrier rseq", &barrier::sequence_starts_over),
        ("membarrier interrupts", &barrier::interrupts_who_runs),
    ])
}
