//! `cargo xtask bench`: numbers that do not depend on how fast the host is.
//!
//! The machine has one CPU and counts its instructions, each of which takes one nanosecond of guest time; so the
//! time stamps of the kernel's log are instructions since the start, and the same in every run.

use crate::build::kernel::{self, Kind};
use crate::machine::log;
use crate::test::{Lab, Outcome};
use anyhow::{Context, Result};
use std::fs;
use std::process::ExitCode;

/// Measure the image's size, the instructions from start to user space, the memory in use, and the kernel's hot paths.
#[derive(clap::Args)]
pub struct Arguments {}

/// What the kernel logs when it hands over to the init program.
const HAND_OVER: &str = "Run /init as init process";

/// Runs the command.
pub fn run(_: &Arguments) -> Result<ExitCode> {
    measure_boot()?;
    measure_paths()?;
    Ok(ExitCode::SUCCESS)
}

/// The image that users run, up to its first program.
fn measure_boot() -> Result<()> {
    let image = kernel::build(Kind::Fast)?;
    print("image, with symbols", fs::metadata(&image)?.len() >> 10, "KiB");
    let lab = Lab::of(image)?;
    let guest = lab.guest().cpus(1).counting_instructions();
    let outcome = guest.run(&["cat", "/proc/meminfo"])?.status(0)?;
    match instructions(&outcome) {
        Some(count) => print("start to /init", count / 1000, "thousand instructions"),
        None => eprintln!("xtask: the log has no line {HAND_OVER:?}"),
    }
    let memory = memory_in_use(outcome.output()).context("/proc/meminfo is not as expected")?;
    print("memory in use by kernel and one small program", memory, "KiB");
    Ok(())
}

/// The kernel's hot paths, measured from within.
fn measure_paths() -> Result<()> {
    let image = kernel::build(Kind::Measured)?;
    let lab = Lab::of(image)?;
    let guest = lab.guest().cpus(1).counting_instructions();
    let outcome = guest.append("heddle.bench=all").run(&[])?.status(0)?;
    for (name, figure) in outcome.log().iter().filter_map(|line| figure(line)) {
        print(name, figure, "instructions");
    }
    Ok(())
}

/// Name and figure in `bench NAME N`.
fn figure(line: &str) -> Option<(&str, u64)> {
    let (name, figure) = log::message(line).strip_prefix("bench ")?.split_once(' ')?;
    Some((name, figure.parse().ok()?))
}

fn print(what: &str, number: u64, unit: &str) {
    println!("{what:48} {number:>10} {unit}");
}

/// Nanoseconds, and so instructions, at which the kernel handed over.
fn instructions(outcome: &Outcome) -> Option<u64> {
    let line = outcome.log().iter().find(|line| line.contains(HAND_OVER))?;
    log::time_stamp(line)
}

/// What is neither free nor lost to reading files ahead, in KiB.
fn memory_in_use(meminfo: &str) -> Option<u64> {
    let field = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    Some(field("MemTotal")? - field("MemFree")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_the_log() {
        assert_eq!(figure("[    0.5] bench wake_up 1234"), Some(("wake_up", 1234)));
        assert_eq!(figure("[    0.5] benchmark"), None);
    }

    #[test]
    fn memory_is_read_from_meminfo() {
        let text = "MemTotal:         250000 kB\nMemFree:          240000 kB\n";
        assert_eq!(memory_in_use(text), Some(10_000));
        assert_eq!(memory_in_use(""), None);
    }
}
