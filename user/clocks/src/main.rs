//! Compares the clocks of the vDSO with those of the system calls, on all CPUs at once, and while the date is being set. Also what
//! a program can do to the vDSO's pages.
//!
//! ```text
//! clocks CPUS TURNS
//! ```
//!
//! Prints a line for each thing that is as it should be, and ends with status 1 at the first that is not.
#![no_std]
#![no_main]

mod pages;
mod race;
mod same;

use core::ffi::CStr;

use runtime::checks::{self, Outcome};
use runtime::vdso::Vdso;
use runtime::{Arguments, eprintln, println};

runtime::program!(main);

/// Most CPUs.
const CPUS: usize = 8;

fn main(arguments: Arguments) -> i32 {
    let mut numbers = arguments.skip(1).map(CStr::to_bytes).map(runtime::string::number);
    let (Some(Some(cpus @ 1..=8)), Some(Some(turns))) = (numbers.next(), numbers.next()) else {
        eprintln!("usage: clocks CPUS TURNS, at most {CPUS} CPUs");
        return 2;
    };
    let Some(vdso) = Vdso::find() else {
        println!("no vDSO");
        return 3;
    };
    checks::run(&[
        ("resolutions and errors", &|| same::resolutions_and_errors(vdso)),
        ("between two system calls", &|| same::between_two_calls(vdso)),
        ("getcpu", &|| same::getcpu(vdso, cpus as usize)),
        ("never back", &|| race::never_back(cpus as usize, turns)),
        ("pages", &pages::protected),
    ])
}
