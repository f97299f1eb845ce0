//! Installing what is missing, where the system's package manager is Debian's.

use crate::command;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

static PERMISSION: OnceLock<bool> = OnceLock::new();

/// Says, once and before anything else here, whether packages may be installed.
pub(crate) fn set_permission(may_install: bool) {
    // The first word counts.
    let _ = PERMISSION.set(may_install);
}

/// Whether things may be installed at all.
pub(crate) fn may_install() -> bool {
    *PERMISSION.get().unwrap_or(&false)
}

/// Whether the system has Debian's package manager.
pub(crate) fn is_debian() -> bool {
    Path::new("/etc/debian_version").exists() && command::find("apt-get").is_some()
}

/// Installs packages of the distribution, without their recommendations and removing nothing.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
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

/// Fetches a package and unpacks it into the directory, without installing it. This may be ended half-way: a file, or a
/// directory that was not there, is there whole or not at all.
pub(crate) fn unpack(package: &str, directory: &Path) -> Result<()> {
    require_fetching().with_context(|| format!("{package} cannot be fetched"))?;
    tell!("xtask: fetching {package} (apt-get download)");
    let scratch = tempfile::tempdir()?;
    let download = || {
        command::output(
            Command::new("apt-get").args(["-qq", "download", package]).current_dir(scratch.path()),
        )
    };
    with_lists(download)?;
    let archive = scratch
        .path()
        .read_dir()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("apt-get download brought no {package}"))?;
    fs::create_dir_all(directory)?;
    let beside = tempfile::tempdir_in(directory)?;
    let root = beside.path().join("root");
    command::output(Command::new("dpkg").arg("-x").arg(archive).arg(&root))?;
    merge(&root, directory)
}

/// Moves a tree to where there may be one already.
fn merge(from: &Path, to: &Path) -> Result<()> {
    let is_directory = |path: &Path| fs::symlink_metadata(path).is_ok_and(|data| data.is_dir());
    if !is_directory(from) || !is_directory(to) {
        return fs::rename(from, to).with_context(|| format!("making {}", to.display()));
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        merge(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Gets what the package lists name, and if that cannot be had, because they were never fetched or are too old, what newer ones
/// name.
pub(crate) fn with_lists<T>(get: impl Fn() -> Result<T>) -> Result<T> {
    once_more_after(get, update_lists)
}

fn once_more_after<T>(
    get: impl Fn() -> Result<T>,
    update: impl FnOnce() -> Result<()>,
) -> Result<T> {
    get().or_else(|_| {
        update()?;
        get()
    })
}

/// Fetches the package lists, once a run.
pub(crate) fn update_lists() -> Result<()> {
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
    use super::{merge, once_more_after, unpack, update_lists};
    use anyhow::{Result, bail};
    use std::cell::Cell;
    use std::fs;
    use std::path::Path;

    #[test]
    fn what_old_lists_name_is_asked_for_again_when_they_are_new() {
        let newest = Cell::new(56);
        let get = || if newest.get() == 57 { Ok(57) } else { bail!("not in the archive any more") };
        let update = |to: Result<u32>| to.map(|version| newest.set(version));
        assert!(once_more_after(get, || update(Err(anyhow::anyhow!("no network")))).is_err());
        assert!(once_more_after(get, || update(Ok(56))).is_err());
        assert_eq!(once_more_after(get, || update(Ok(57))).unwrap(), 57);
        assert_eq!(once_more_after(get, || panic!("the lists are good")).unwrap(), 57);
    }

    #[test]
    fn a_tree_is_merged_into_another_and_what_is_new_in_one_step() {
        let scratch = tempfile::tempdir().unwrap();
        let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
        for (file, text) in [("from/a/new/file", "1"), ("from/a/old", "2"), ("to/a/old", "0")] {
            let file = scratch.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        std::os::unix::fs::symlink("new", from.join("a/link")).unwrap();
        fs::write(to.join("a/kept"), "3").unwrap();
        merge(&from, &to).unwrap();
        let read = |name: &str| fs::read_to_string(to.join("a").join(name)).unwrap();
        assert_eq!(["new/file", "link/file", "old", "kept"].map(read), ["1", "1", "2", "3"]);
        assert!(!from.join("a/new").exists(), "the directory was not moved as one");
    }

    #[test]
    fn what_may_not_be_fetched_says_why() {
        // Nobody has given permission here.
        let nowhere = Path::new("/nonexistent");
        for error in [unpack("some-package", nowhere).unwrap_err(), update_lists().unwrap_err()] {
            assert!(format!("{error:#}").contains("--no-install"), "{error:#}");
        }
    }
}
