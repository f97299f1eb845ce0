//! What programs ask of a kernel, measured: one static program that runs unchanged on Heddle and on Linux.
//!
//! ```text
//! measure [PART]...                  run the workloads with one of these in their names; each prints `bench NAME TICKS`
//! measure time NAME PROGRAM [ARG]... run a program and print what it took, its output thrown away
//! measure exit                       end at once: what the others execute
//! ```
//!
//! As PID 1 it prints how long the machine took to get there, and ends it.
//!
//! A tick is one of the processor's counter: an instruction where QEMU counts these. A figure is the average of a turn
//! over many, after some to warm up.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod boot;
mod files;
mod memory;
mod processes;
mod system;
mod talk;

use core::ffi::CStr;

use runtime::clock::ticks;
use runtime::process::{self, Fork, Strings};
use runtime::{Arguments, Errno, Result, eprintln, file, println};

runtime::program!(main);

/// A path to measure. Its function gives the ticks of a turn.
struct Workload {
    name: &'static str,
    measure: fn() -> Result<u64>,
}

/// Room for the words of a program that is timed.
const WORDS: usize = 32;

fn main(mut arguments: Arguments) -> i32 {
    let start = ticks();
    if process::id() == 1 {
        return boot::report(start);
    }
    let mut parts: [&[u8]; WORDS] = [b""; WORDS];
    let mut count = 0;
    let mut next = arguments.by_ref().skip(1);
    while let Some(word) = next.next() {
        match word.to_bytes() {
            b"exit" => return 0,
            b"time" => return time(next),
            word if count < WORDS => parts[count] = word,
            _ => return usage(),
        }
        count += 1;
    }
    run(&parts[..count.max(1)])
}

fn usage() -> i32 {
    eprintln!("usage: measure [PART]... | measure time NAME PROGRAM [ARG]... | measure exit");
    2
}

/// Runs the workloads whose names contain one of the parts.
fn run(parts: &[&[u8]]) -> i32 {
    let all = [
        system::WORKLOADS,
        memory::WORKLOADS,
        processes::WORKLOADS,
        talk::WORKLOADS,
        files::WORKLOADS,
    ];
    let mut status = 0;
    for workload in all.into_iter().flatten() {
        if !parts.iter().any(|part| contains(workload.name.as_bytes(), part)) {
            continue;
        }
        match (workload.measure)() {
            Ok(figure) => report(workload.name, figure),
            Err(Errno(error)) => {
                println!("bench-error {} {error}", workload.name);
                status = 1;
            }
        }
    }
    status
}

fn contains(name: &[u8], part: &[u8]) -> bool {
    part.is_empty() || name.windows(part.len()).any(|window| window == part)
}

/// Says a figure; a workload that has more than one says the others itself.
fn report(name: &str, figure: u64) {
    println!("bench {name} {figure}");
}

/// What a turn takes.
fn average(turns: u64, mut turn: impl FnMut() -> Result<()>) -> Result<u64> {
    for _ in 0..turns / 10 + 1 {
        turn()?;
    }
    let start = ticks();
    for _ in 0..turns {
        turn()?;
    }
    Ok((ticks() - start) / turns)
}

/// Runs a program and says how long that took.
fn time(mut words: impl Iterator<Item = &'static CStr>) -> i32 {
    let (Some(name), Some(program)) = (words.next(), words.next()) else { return usage() };
    let mut arguments = Strings::<WORDS>::new();
    let mut fits = arguments.push(program);
    for word in words {
        fits &= arguments.push(word);
    }
    let mut environment = Strings::<2>::new();
    fits &= environment.push(c"PATH=/bin");
    if !fits {
        return usage();
    }
    let start = ticks();
    match execute(program, &arguments, &environment) {
        Ok(0) => {
            println!("bench {} {}", name.to_str().unwrap_or("?"), ticks() - start);
            0
        }
        Ok(status) => {
            println!("bench-error {} {status}", name.to_str().unwrap_or("?"));
            1
        }
        Err(error) => error.0,
    }
}

fn execute(program: &CStr, arguments: &Strings<WORDS>, environment: &Strings<2>) -> Result<u8> {
    match process::fork()? {
        Fork::Child => {
            if let Ok(nowhere) = file::open(c"/dev/null", file::O_WRONLY) {
                let _ = file::dup2(nowhere, 1);
            }
            process::execute(program, arguments, environment);
            process::exit(127)
        }
        Fork::Parent(pid) => process::wait(Some(pid)).map(|(_, status)| status.code()),
    }
}
