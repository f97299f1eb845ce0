//! The kernel's image.

use super::show_progress;
use super::toolchain::{TARGET, Toolchain};
use super::vdso;
use crate::{command, project};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// Which image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The one that users run.
    Fast,
    /// The one that tests run: with the lock checker, all assertions, and the in-kernel scenarios.
    Checked,
    /// The one that users run, and the in-kernel benchmarks.
    Measured,
}

impl Kind {
    fn profile(self) -> &'static str {
        match self {
            Self::Fast | Self::Measured => "kernel",
            Self::Checked => "checked",
        }
    }

    /// How much room there is for the names of functions, in bytes.
    fn room_for_names(self) -> usize {
        match self {
            Self::Fast | Self::Measured => 64 << 10,
            Self::Checked => 160 << 10,
        }
    }

    fn features(self) -> &'static [&'static str] {
        match self {
            Self::Fast => &[],
            Self::Checked => &["--features", "scenarios"],
            Self::Measured => &["--features", "benchmarks"],
        }
    }
}

/// Builds the image and returns where it is.
pub(crate) fn build(kind: Kind) -> Result<PathBuf> {
    let toolchain = Toolchain::find_or_install()?;
    let mut flags = flags(toolchain);
    flags.push(format!("-Clink-arg=--defsym=SYMBOLS_SIZE={}", kind.room_for_names()));
    let mut cargo = toolchain.cargo();
    cargo
        .args(["build", "--package", "heddle", "--profile", kind.profile()])
        .args(kind.features())
        .args(toolchain.build_options())
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("HEDDLE_VDSO", vdso::build(toolchain)?)
        .env_remove("RUSTFLAGS");
    show_progress(&mut cargo);
    command::run_aside(&mut cargo).context("the kernel does not build")?;
    let image = project::target().join(TARGET).join(kind.profile()).join("heddle");
    super::names::embed(&image).context("the names of the kernel's functions")?;
    Ok(image)
}

/// How the whole image, `core` included where it is built here, is compiled and linked.
pub(crate) fn flags(toolchain: Toolchain) -> Vec<String> {
    let script = project::root().join("kernel/heddle/link-x86_64.ld");
    let mut flags = vec![
        "-Crelocation-model=static".into(),
        "-Ccode-model=kernel".into(),
        "-Cforce-frame-pointers=yes".into(),
        // With the types in them: a closure that is called through a table says whose it is.
        "-Csymbol-mangling-version=v0".into(),
        format!("-Clink-arg=-T{}", script.display()),
    ];
    if let Some(linker) = toolchain.linker() {
        flags.push(format!("-Clinker={}", linker.display()));
    }
    flags
}
