//! The vDSO: a shared object that the kernel's image includes.

use super::show_progress;
use super::toolchain::{TARGET, Toolchain};
use crate::{command, project};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// Builds it and returns where it is.
pub(crate) fn build(toolchain: Toolchain) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo();
    cargo
        .args(["build", "--package", "vdso", "--profile", "vdso"])
        .args(toolchain.build_options())
        .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain).join("\x1f"))
        .env_remove("RUSTFLAGS");
    show_progress(&mut cargo);
    command::run_aside(&mut cargo).context("the vDSO does not build")?;
    Ok(project::target().join(TARGET).join("vdso").join("vdso"))
}

/// For rustc it is a program; the linker, which goes by what it is told last, makes a shared object of it.
fn flags(toolchain: Toolchain) -> Vec<String> {
    let script = project::root().join("user/vdso/vdso.ld");
    let mut flags =
        vec!["-Crelocation-model=pic".to_owned(), "-Cforce-unwind-tables=yes".to_owned()];
    let script = format!("-T{}", script.display());
    for argument in [
        &script,
        "-no-pie",
        "-shared",
        "--soname=linux-vdso.so.1",
        "--hash-style=both",
        "--eh-frame-hdr",
        "--no-undefined",
        "-znorelro",
        "-ztext",
        "--build-id=sha1",
    ] {
        flags.push(format!("-Clink-arg={argument}"));
    }
    if let Some(linker) = toolchain.linker() {
        flags.push(format!("-Clinker={}", linker.display()));
    }
    flags
}
