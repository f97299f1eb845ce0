//! Building what runs in the guest: the kernel's image ([`kernel`]), the [`vdso`] and the names of functions (`names`) in it, with a
//! toolchain that can build for bare metal ([`toolchain`]), and our own small programs ([`programs`]) with the ordinary one.

pub mod kernel;
mod names;
pub mod programs;
pub mod toolchain;
pub mod vdso;

use std::io::IsTerminal;
use std::process::Command;

/// Lets cargo show its progress to a person and keeps it quiet otherwise.
fn show_progress(cargo: &mut Command) {
    if !std::io::stderr().is_terminal() {
        cargo.arg("--quiet");
    }
}
