//! The default user land: Debian's `busybox-static`, unmodified.

use super::binary::Binary;
use crate::{command, packages, project};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program's contents and the names that it answers to.
pub(crate) struct Busybox {
    /// The program.
    pub program: Vec<u8>,
    /// Its applets.
    pub applets: Vec<String>,
}

impl Busybox {
    /// Takes it from Debian's package (without installing that), or an installed static one.
    pub(crate) fn get() -> Result<Self> {
        let path = find()?;
        let program = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let list = command::output(Command::new(&path).arg("--list"))?;
        Ok(Self { program, applets: list.lines().map(str::to_owned).collect() })
    }
}

/// Where one is without fetching anything.
pub(crate) fn find_local() -> Option<PathBuf> {
    let fetched = fetched().ok()?;
    let installed = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    std::iter::once(fetched).chain(installed).find(|path| is_static(path))
}

fn find() -> Result<PathBuf> {
    // Tests run side by side, and so may two of this tool: one fetches, and the others do not look at half of it.
    let lock = File::create(project::cache("packages")?.join("lock"))?;
    lock.lock()?;
    let fetched = fetched()?;
    if is_static(&fetched) {
        return Ok(fetched);
    }
    let failure = match packages::unpack("busybox-static:amd64", &project::cache("packages")?) {
        Ok(()) if is_static(&fetched) => return Ok(fetched),
        Ok(()) => "the package has no static /bin/busybox".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    match find_local() {
        Some(installed) => Ok(installed),
        None => bail!(
            "no static busybox for the guest: install one as /bin/busybox \
             (Debian: apt-get install busybox-static). {failure}"
        ),
    }
}

fn fetched() -> Result<PathBuf> {
    Ok(project::cache("packages")?.join("bin/busybox"))
}

fn is_static(path: &Path) -> bool {
    fs::read(path)
        .ok()
        .and_then(|contents| Some(Binary::parse(&contents).ok()?.interpreter.is_none()))
        .unwrap_or(false)
}
