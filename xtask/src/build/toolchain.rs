//! Which Rust builds for bare metal.
//!
//! The kernel needs `core` and `alloc` for a target without an operating system. They come, in this order,
//! precompiled with the active toolchain, from rustup, from the active toolchain's library sources, or from
//! Debian's packages, which have the sources. What is there already goes before what would have to be
//! installed.

use crate::{command, packages, project};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target of the kernel.
pub(crate) const TARGET: &str = "x86_64-unknown-none";

/// Debian's packages with a Rust that is new enough, its library sources, and a linker.
const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld"];

/// The oldest Rust that builds the kernel, as in `rust-version` of the workspace.
const OLDEST: (u32, u32) = (1, 95);

/// A way to build for bare metal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The active toolchain has the target.
    Active,
    /// The active toolchain has the library's sources and builds `core` itself.
    ActiveFromSource,
    /// Debian's packages, which build `core` from source.
    Debian,
}

impl Toolchain {
    /// The first that is there.
    pub(crate) fn find() -> Option<Self> {
        [Self::Active, Self::ActiveFromSource, Self::Debian]
            .into_iter()
            .find(|toolchain| toolchain.is_present())
    }

    /// The first that is there, or else the first that can be installed.
    pub(crate) fn find_or_install() -> Result<Self> {
        if let Some(toolchain) = Self::find() {
            return Ok(toolchain);
        }
        let mut reasons = Vec::new();
        for (install, gives) in
            [(add_target as fn() -> Result<()>, Self::Active), (install_packages, Self::Debian)]
        {
            match install() {
                Ok(()) if gives.is_present() => return Ok(gives),
                Ok(()) => reasons.push(format!("installed, and still not usable: {gives}")),
                Err(error) => reasons.push(format!("{error:#}")),
            }
        }
        bail!(
            "no Rust toolchain that builds for {TARGET}. {}. Tried: {}",
            Self::advice(),
            reasons.join("; ")
        );
    }

    /// What a person can do to get one.
    pub(crate) fn advice() -> String {
        format!(
            "Install one with `rustup target add {TARGET}`, or `rustup component add rust-src`, \
             or on Debian `apt-get install {}`",
            PACKAGES.join(" ")
        )
    }

    fn is_present(self) -> bool {
        match self {
            Self::Active => sysroot().is_some_and(|sysroot| {
                let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
                libraries.read_dir().is_ok_and(|mut files| files.next().is_some())
            }),
            Self::ActiveFromSource => {
                sysroot().is_some_and(|sysroot| has_sources(&sysroot)) && linker().is_some()
            }
            Self::Debian => {
                Path::new("/usr/bin/cargo").exists()
                    && has_sources(Path::new("/usr"))
                    && is_new_enough(Path::new("/usr/bin/rustc"))
                    && linker().is_some()
            }
        }
    }

    /// A cargo of this toolchain; the subcommand comes first, then [`Toolchain::build_options`].
    pub(crate) fn cargo(self) -> Command {
        match self {
            Self::Active => command::cargo(),
            Self::ActiveFromSource => {
                let mut cargo = command::cargo();
                cargo.env("RUSTC_BOOTSTRAP", "1");
                cargo
            }
            Self::Debian => {
                let mut cargo = Command::new("/usr/bin/cargo");
                cargo
                    .current_dir(project::root())
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("RUSTC_BOOTSTRAP", "1");
                // What rustup's cargo told this process about itself.
                for variable in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTDOC"] {
                    cargo.env_remove(variable);
                }
                cargo
            }
        }
    }

    /// What this toolchain's cargo needs to be told to build for the target.
    pub(crate) fn build_options(self) -> &'static [&'static str] {
        match self {
            Self::Active => &["--target", TARGET],
            Self::ActiveFromSource | Self::Debian => &[
                "--target",
                TARGET,
                "-Zbuild-std=core,alloc,compiler_builtins",
                "-Zbuild-std-features=compiler-builtins-mem",
            ],
        }
    }

    /// The linker that rustc is to call, if not its own.
    pub(crate) fn linker(self) -> Option<PathBuf> {
        match self {
            Self::Active => None,
            Self::ActiveFromSource | Self::Debian => linker(),
        }
    }
}

impl std::fmt::Display for Toolchain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Active => "the active toolchain, with its own core",
            Self::ActiveFromSource => "the active toolchain, with core from source",
            Self::Debian => "Debian's rustc-web, with core from source",
        })
    }
}

fn linker() -> Option<PathBuf> {
    command::find("ld.lld")
}

fn sysroot() -> Option<PathBuf> {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "sysroot"]).current_dir(project::root());
    Some(command::output(&mut rustc).ok()?.trim_end().into())
}

fn has_sources(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").exists()
}

fn is_new_enough(rustc: &Path) -> bool {
    command::output(Command::new(rustc).arg("--version"))
        .is_ok_and(|version| parse_version(&version).is_some_and(|version| version >= OLDEST))
}

/// The version in `rustc 1.95.0 (…)`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn add_target() -> Result<()> {
    if !packages::may_install() {
        bail!("not allowed to install");
    }
    let Some(rustup) = command::find("rustup") else {
        bail!("there is no rustup");
    };
    tell!("xtask: rustup target add {TARGET}");
    let mut rustup = Command::new(rustup);
    rustup.args(["target", "add", TARGET]).current_dir(project::root());
    command::output(&mut rustup).map(drop)
}

fn install_packages() -> Result<()> {
    packages::install(&PACKAGES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let version = parse_version("rustc 1.100.0 (59807616e 2026-04-14)").unwrap();
        assert!(version >= OLDEST);
        assert!(parse_version("rustc 1.85.1").unwrap() < OLDEST);
        assert_eq!(parse_version("no version here"), None);
    }
}
