//! Our own guest programs in `user/`.

use super::show_progress;
use crate::{command, project};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::sync::Mutex;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A program in `user/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// PID 1.
    Init,
    /// Random system calls.
    Fuzz,
    /// One way to crash per argument.
    Faults,
    /// An ordinary program that uses `std`.
    Stdprog,
}

impl Program {
    /// Its package, which is also its file name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Fuzz => "fuzz",
            Self::Faults => "faults",
            Self::Stdprog => "stdprog",
        }
    }

    fn flags(self) -> &'static str {
        match self {
            // As anybody would build a static program.
            Self::Stdprog => "-Ctarget-feature=+crt-static",
            Self::Init | Self::Fuzz | Self::Faults => "",
        }
    }
}

/// Builds a program and returns where it is.
pub fn build(program: Program) -> Result<PathBuf> {
    // One at a time: tests ask from several threads, and cargo would only make them wait with more noise.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock();
    let mut cargo = command::cargo();
    cargo
        .args(["build", "--profile", "guest", "--target", TARGET, "--package"])
        .arg(program.name())
        .env("CARGO_ENCODED_RUSTFLAGS", program.flags())
        .env_remove("RUSTFLAGS");
    show_progress(&mut cargo);
    command::run_aside(&mut cargo)
        .with_context(|| format!("the guest program {} does not build", program.name()))?;
    Ok(project::target().join(TARGET).join("guest").join(program.name()))
}
