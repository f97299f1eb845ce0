//! Our own guest programs in `user/`.

use super::show_progress;
use crate::{command, project};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// How a static program is linked that has only itself.
const FREESTANDING: &[&str] = &[
    "-Clink-arg=-nostartfiles",
    "-Clink-arg=-nostdlib",
    "-Clink-arg=-static",
    "-Clink-arg=-no-pie",
    "-Clink-arg=-Wl,--build-id=none",
    "-Clink-arg=-Wl,-z,norelro",
];

/// A program in `user/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    /// PID 1.
    Init,
    /// Random system calls.
    Fuzz,
    /// One way to crash per argument.
    Faults,
    /// Policies, priorities and nice values.
    Chrt,
    /// What programs ask of a kernel, measured.
    Measure,
    /// An ordinary program that uses `std`.
    Stdprog,
    /// Every kind of timer that a program has.
    Timers,
    /// A debugger in small.
    Tracer,
    /// Clones into control groups.
    Clones,
    /// The vDSO's clocks beside those of the system calls.
    Clocks,
    /// A program to debug.
    Debuggee,
    /// Restartable sequences and barriers.
    Percpu,
    /// Message queues and shared memory.
    Queues,
    /// A watchdog's commands, and what is told of devices.
    Dogs,
    /// Futexes with owners.
    Inherit,
    /// Large pages.
    Large,
}

impl Program {
    /// Its package, which is also its file name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Fuzz => "fuzz",
            Self::Faults => "faults",
            Self::Chrt => "chrt",
            Self::Measure => "measure",
            Self::Stdprog => "stdprog",
            Self::Timers => "timers",
            Self::Tracer => "tracer",
            Self::Clones => "clones",
            Self::Clocks => "clocks",
            Self::Percpu => "percpu",
            Self::Queues => "queues",
            Self::Dogs => "dogs",
            Self::Inherit => "inherit",
            Self::Large => "large",
            Self::Debuggee => "debuggee",
        }
    }

    fn profile(self) -> &'static str {
        match self {
            Self::Debuggee => "debuggee",
            _ => "guest",
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            // As anybody would build a static program.
            Self::Stdprog
            | Self::Timers
            | Self::Tracer
            | Self::Clones
            | Self::Debuggee
            | Self::Dogs
            | Self::Inherit
            | Self::Large
            | Self::Queues => &["-Ctarget-feature=+crt-static"],
            // With no C library and no C start-up: `runtime` brings `_start`.
            Self::Init
            | Self::Fuzz
            | Self::Faults
            | Self::Chrt
            | Self::Measure
            | Self::Clocks
            | Self::Percpu => FREESTANDING,
        }
    }
}

/// Builds a program, once in the life of this process, and returns where it is.
pub(crate) fn build(program: Program) -> Result<PathBuf> {
    static BUILT: Mutex<BTreeMap<Program, PathBuf>> = Mutex::new(BTreeMap::new());
    // Locked for as long as it takes: tests ask from several threads.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.get(&program) {
        return Ok(path.clone());
    }
    let path = build_anew(program)?;
    built.insert(program, path.clone());
    Ok(path)
}

fn build_anew(program: Program) -> Result<PathBuf> {
    let mut cargo = command::cargo();
    cargo
        .args(["build", "--profile", program.profile(), "--target", TARGET, "--package"])
        .arg(program.name())
        .env("CARGO_ENCODED_RUSTFLAGS", program.flags().join("\x1f"))
        .env_remove("RUSTFLAGS");
    show_progress(&mut cargo);
    command::run_aside(&mut cargo)
        .with_context(|| format!("the guest program {} does not build", program.name()))?;
    Ok(project::target().join(TARGET).join(program.profile()).join(program.name()))
}
