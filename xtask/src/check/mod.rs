//! `cargo xtask check`: everything about the source that can be checked without running it.
//!
//! Format, lints on the host and, where the toolchain has clippy for it, for the bare machine, the audit of unsafe
//! code ([`unsafe_audit`]), the crates' documentation, and the book ([`book`], [`system_calls`], [`locks`]).

mod book;
mod locks;
mod source;
mod system_calls;
mod unsafe_audit;

use crate::build::toolchain::{self, Toolchain};
use crate::build::{kernel, vdso};
use crate::{command, project};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// Check format, lints, unsafe code, documentation and the book.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only the checks with this in their names
    filter: Option<String>,
}

/// A check and its name.
type Check = (&'static str, fn() -> Result<()>);

/// Packages of which a host sees nothing.
const BARE_PACKAGES: [&str; 2] = ["heddle", "machine-x86_64"];

const CHECKS: [Check; 9] = [
    ("format", format),
    ("unsafe code", unsafe_audit::run),
    ("book", book::run),
    ("system calls in the book", system_calls::run),
    ("locks in the book", locks::run),
    ("clippy, host crates", clippy_for_host),
    ("clippy, guest programs", clippy_for_guest),
    ("clippy or rustc, bare machine", lint_bare_machine),
    ("documentation", documentation),
];

/// Runs the command: all checks, whether or not one fails.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let wanted =
        |name: &str| arguments.filter.as_ref().is_none_or(|filter| name.contains(&**filter));
    let mut failed = Vec::new();
    for (name, check) in CHECKS.into_iter().filter(|(name, _)| wanted(name)) {
        tell!("xtask: checking {name}");
        let start = Instant::now();
        match check() {
            Ok(()) => println!("check {name} ... ok ({:.1} s)", start.elapsed().as_secs_f64()),
            Err(error) => {
                println!("check {name} ... FAILED: {error:#}");
                failed.push(name);
            }
        }
    }
    match failed[..] {
        [] => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::FAILURE),
    }
}

/// All Rust files below a directory.
fn rust_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn format() -> Result<()> {
    command::run_aside(command::cargo().args(["fmt", "--all", "--check"]))
        .context("`cargo fmt --all` puts it right")
}

fn clippy_for_host() -> Result<()> {
    let mut clippy = command::cargo();
    clippy.args(["clippy", "--quiet", "--workspace", "--all-targets"]);
    project::exclude_guest_packages(&mut clippy)?;
    command::run_aside(clippy.args(["--", "-D", "warnings"]))
}

fn clippy_for_guest() -> Result<()> {
    let mut clippy = command::cargo();
    clippy.args(["clippy", "--quiet", "--profile", "guest"]);
    for package in [
        "runtime", "init", "fuzz", "faults", "chrt", "measure", "stdprog", "timers", "tracer",
        "vdso", "clocks", "clones", "debuggee", "percpu", "queues", "dogs", "large",
    ] {
        clippy.args(["--package", package]);
    }
    command::run_aside(clippy.args(["--", "-D", "warnings"]))
}

/// The crates as they are compiled for bare metal. Only the active toolchain has a clippy that can read its own
/// precompiled core; with core from source, rustc's own warnings have to do.
fn lint_bare_machine() -> Result<()> {
    let toolchain = Toolchain::find_or_install()?;
    let subcommand = match toolchain {
        Toolchain::Active => "clippy",
        Toolchain::ActiveFromSource | Toolchain::Debian => "check",
    };
    let mut cargo = toolchain.cargo();
    // Profile and features of the image that the tests run; the lint level goes with the other flags, so that cargo
    // does not have to build the library twice.
    cargo
        .args([subcommand, "--quiet", "--package", "heddle", "--profile", "checked"])
        .args(["--features", "scenarios"])
        .args(toolchain.build_options())
        .env("CARGO_ENCODED_RUSTFLAGS", lint_flags(toolchain))
        .env("HEDDLE_VDSO", vdso::build(toolchain)?)
        .env_remove("RUSTFLAGS");
    command::run_aside(&mut cargo)
        .with_context(|| format!("{subcommand} for {}", toolchain::TARGET))
}

fn document(cargo: &mut Command) -> Result<()> {
    let lints = "-D warnings -A rustdoc::private-intra-doc-links";
    cargo.args(["--quiet", "--no-deps", "--document-private-items", "--keep-going"]);
    command::run_aside(cargo.env("RUSTDOCFLAGS", lints))
}

fn lint_flags(toolchain: Toolchain) -> String {
    let mut flags = kernel::flags(toolchain);
    flags.push("-Dwarnings".into());
    flags.join("\x1f")
}

/// Every crate's documentation, of private items too: it is for those who work on the kernel.
fn documentation() -> Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["doc", "--workspace"]);
    project::exclude_guest_packages(&mut cargo)?;
    for package in BARE_PACKAGES {
        cargo.args(["--exclude", package]);
    }
    document(&mut cargo)?;
    // Only the active toolchain has a rustdoc that can read its own precompiled core.
    if Toolchain::find_or_install()? == Toolchain::Active {
        let mut cargo = Toolchain::Active.cargo();
        cargo.arg("doc").args(Toolchain::Active.build_options());
        cargo.env("HEDDLE_VDSO", vdso::build(Toolchain::Active)?);
        for package in BARE_PACKAGES {
            cargo.args(["--package", package]);
        }
        document(&mut cargo)?;
    }
    let Some(mdbook) = command::find("mdbook") else {
        return Ok(());
    };
    let book = project::root().join("docs");
    let output = project::target().join("book");
    command::run_aside(Command::new(mdbook).arg("build").arg(book).arg("-d").arg(output))
}
