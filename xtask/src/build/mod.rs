//! Building what runs in the guest: the kernel's image ([`kernel`]), the [`vdso`] and the names of functions (`names`) in it, with a
//! toolchain that can build for bare metal ([`toolchain`]), and our own small programs ([`programs`]) with the ordinary one.

pub(crate) mod kernel;
mod names;
pub(crate) mod programs;
pub(crate) mod toolchain;
pub(crate) mod vdso;

use std::io::IsTerminal;
use std::process::Command;

/// Lets cargo show its progress to a person and keeps it quiet otherwise.
fn show_progress(cargo: &mut Command) {
    if !std::io::stderr().is_terminal() {
        cargo.arg("--quiet");
    }
}
