//! Where things are.

use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .ancestors()
        .nth(2)
        .expect("xtask lies in the checkout")
}

/// Cargo's target directory.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => std::path::absolute(&directory).unwrap_or_else(|_| directory.into()),
        None => root().join("target"),
    }
}

/// A directory of this tool's own below cargo's target directory, made if it is not there.
pub(crate) fn cache(name: &str) -> Result<PathBuf> {
    let directory = target().join("xtask").join(name);
    fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    Ok(directory)
}

/// The packages of the guest's programs: the directories in `user/`.
pub(crate) fn guest_packages() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("user"))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Keeps a command of cargo's away from packages that bring their own entry point and do not build for the host.
pub(crate) fn exclude_guest_packages(cargo: &mut Command) -> Result<()> {
    for package in guest_packages()? {
        cargo.args(["--exclude", &package]);
    }
    Ok(())
}

/// A path for people to read: relative to the checkout where it lies in it.
pub(crate) fn readable(path: &Path) -> std::path::Display<'_> {
    path.strip_prefix(root()).unwrap_or(path).display()
}
