//! Installing what is missing, where the system's package manager is Debian's.

use crate::command;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

static PERMISSION: OnceLock<bool> = OnceLock::new();

/// Says, once and before anything else here, whether packages may be installed.
pub fn set_permission(may_install: bool) {
    // The first word counts.
    let _ = PERMISSION.set(may_install);
}

/// Whether things may be installed at all.
pub fn may_install() -> bool {
    *PERMISSION.get().unwrap_or(&false)
}

/// Whether the system has Debian's package manager.
pub fn is_debian() -> bool {
    Path::new("/etc/debian_version").exists() && command::find("apt-get").is_some()
}

/// Installs packages of the distribution, without their recommendations and removing nothing.
pub fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if !may_install() {
        bail!("not installed and not allowed to install: apt-get install {names}");
    }
    if !is_debian() {
        bail!("this system has no apt-get: install {names} with its own package manager");
    }
    tell!("xtask: installing {names} (apt-get)");
    update_lists()?;
    let mut install = as_root("apt-get")?;
    install
        .args(["-qq", "-y", "--no-remove", "--no-install-recommends"])
        .args(["-o", "Dpkg::Use-Pty=0", "install"])
        .args(packages);
    command::run_aside(&mut install).with_context(|| format!("installing {names}"))
}

/// Whether something may be fetched, and from where.
fn require_fetching() -> Result<()> {
    if !may_install() {
        bail!("--no-install does not allow it");
    }
    if !is_debian() {
        bail!("this system has no apt-get");
    }
    Ok(())
}

/// Fetches a package into the directory and unpacks it there, without installing it.
pub fn unpack(package: &str, directory: &Path) -> Result<()> {
    require_fetching().with_context(|| format!("{package} cannot be fetched"))?;
    tell!("xtask: fetching {package} (apt-get download)");
    let scratch = tempfile::tempdir()?;
    let download = || {
        command::output(
            Command::new("apt-get").args(["-qq", "download", package]).current_dir(scratch.path()),
        )
    };
    if download().is_err() {
        // A system whose package lists were never fetched, or are too old.
        update_lists()?;
        download()?;
    }
    let archive = scratch
        .path()
        .read_dir()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("apt-get download brought no {package}"))?;
    command::output(Command::new("dpkg").arg("-x").arg(archive).arg(directory)).map(drop)
}

/// Fetches the package lists, once a run.
pub fn update_lists() -> Result<()> {
    static UPDATED: OnceLock<()> = OnceLock::new();
    require_fetching().context("the package lists cannot be fetched")?;
    if UPDATED.get().is_none() {
        command::run_aside(as_root("apt-get")?.args(["-qq", "update"]))?;
        let _ = UPDATED.set(());
    }
    Ok(())
}

fn as_root(program: &str) -> Result<Command> {
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new(program)
    } else if command::find("sudo").is_some() {
        let mut sudo = Command::new("sudo");
        sudo.arg(program);
        sudo
    } else {
        bail!("{program} needs root, and there is no sudo: run it as root once");
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::{unpack, update_lists};
    use std::path::Path;

    #[test]
    fn what_may_not_be_fetched_says_why() {
        // Nobody has given permission here.
        let nowhere = Path::new("/nonexistent");
        for error in [unpack("some-package", nowhere).unwrap_err(), update_lists().unwrap_err()] {
            assert!(format!("{error:#}").contains("--no-install"), "{error:#}");
        }
    }
}
