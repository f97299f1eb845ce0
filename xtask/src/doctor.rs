//! `cargo xtask doctor`: what is there, what is missing, and how to get it.

use crate::build::toolchain::Toolchain;
use crate::guest::busybox;
use crate::machine::qemu;
use crate::{command, packages};
use anyhow::Result;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Say what is there, what is missing, and how to get it.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// Something that is looked for.
struct Item {
    name: &'static str,
    /// What was found.
    found: Option<String>,
    /// How to get it.
    advice: String,
    needed: bool,
}

/// Runs the command; a failure if something that is needed is missing.
pub(crate) fn run(_: &Arguments) -> Result<ExitCode> {
    let items = items();
    for Item { name, found, advice, needed } in &items {
        match (found, needed) {
            (Some(found), _) => println!("ok        {name}: {found}"),
            (None, true) => println!("MISSING   {name}. {advice}"),
            (None, false) => println!("optional  {name}. {advice}"),
        }
    }
    let missing = items.iter().any(|item| item.needed && item.found.is_none());
    println!("{}", summary(missing));
    Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn summary(missing: bool) -> &'static str {
    match (missing, packages::is_debian()) {
        (false, _) => "Everything that is needed is there: cargo xtask run",
        (true, true) => "`cargo xtask run` and `cargo xtask test` install what is missing.",
        (true, false) => "Install what is missing; only on Debian does this tool do it itself.",
    }
}

fn items() -> Vec<Item> {
    let needed =
        |name, found, advice: &str| Item { name, found, advice: advice.into(), needed: true };
    let optional =
        |name, found, advice: &str| Item { name, found, advice: advice.into(), needed: false };
    vec![
        needed(
            "Rust for the bare machine",
            Toolchain::find().map(|toolchain| toolchain.to_string()),
            &Toolchain::advice(),
        ),
        needed(
            "C linker for host programs",
            version("cc"),
            "Debian: apt-get install gcc libc6-dev",
        ),
        needed(
            "QEMU",
            qemu::find_local().and_then(|path| version_of(&path)),
            "Debian: apt-get install --no-install-recommends qemu-system-x86, or let `run` fetch it into target/",
        ),
        needed(
            "static busybox for the guest",
            busybox::find_local().map(|path| path.display().to_string()),
            "Debian: apt-get install busybox-static, or let `run` fetch it into target/",
        ),
        needed("rustfmt, for check", version("rustfmt"), "rustup component add rustfmt"),
        needed("clippy, for check", version("cargo-clippy"), "rustup component add clippy"),
        optional("mdBook, for the book", version("mdbook"), "cargo install mdbook"),
        optional(
            "KVM, for run --kvm",
            std::fs::File::open("/dev/kvm").ok().map(|_| {
                "/dev/kvm can be opened, which does not yet mean that it can run a kernel".into()
            }),
            "Not needed: emulation works everywhere",
        ),
    ]
}

/// The first line of what `program --version` prints.
fn version(program: &str) -> Option<String> {
    version_of(&command::find(program)?)
}

fn version_of(path: &Path) -> Option<String> {
    let text = command::output(Command::new(path).arg("--version")).ok()?;
    Some(text.lines().next().unwrap_or_default().to_owned())
}
