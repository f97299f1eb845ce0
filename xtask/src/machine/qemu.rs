//! Where QEMU comes from: the host's, or Debian's, unpacked into `target/` with every library it needs.
//!
//! The second one is started through its own dynamic linker, with its own libraries and firmware, by a small script:
//! it needs no root, changes nothing that is installed, and does not care for the host's versions of anything.

use crate::guest::debian;
use crate::{command, project};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const QEMU: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";
const LINKER: &str = "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
const LIBRARIES: [&str; 2] = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];
const MODULES: &str = "usr/lib/x86_64-linux-gnu/qemu";
const FIRMWARE: [&str; 2] = ["usr/share/qemu", "usr/share/seabios"];

/// Finds QEMU, unpacking one into `target/` if the host has none and things may be fetched.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(path) = command::find(QEMU) {
        return Ok(path);
    }
    let packages = debian::unpacked(&[PACKAGE.to_owned()]).with_context(|| {
        format!("{QEMU} is missing (Debian: {PACKAGE}, Fedora: qemu-system-x86-core, others: QEMU)")
    })?;
    let script = starter(&packages)
        .with_context(|| format!("{PACKAGE} is not made as expected: install QEMU"))?;
    let path = project::cache("qemu")?.join(QEMU);
    write(&path, &script).context("writing QEMU's starter")?;
    Ok(path)
}

/// QEMU, if it is there without anything being fetched.
pub(crate) fn find_local() -> Option<PathBuf> {
    command::find(QEMU).or_else(|| {
        let path = project::cache("qemu").ok()?.join(QEMU);
        path.exists().then_some(path)
    })
}

/// The script that starts the QEMU that is spread over these packages.
fn starter(packages: &[PathBuf]) -> Option<String> {
    let find = |part: &str| packages.iter().map(|package| package.join(part)).find(|p| p.exists());
    let every = |parts: &[&str]| -> Vec<PathBuf> {
        let places =
            packages.iter().flat_map(|package| parts.iter().map(|part| package.join(part)));
        places.filter(|place| place.is_dir()).collect()
    };
    let libraries: Vec<_> =
        every(&LIBRARIES).iter().map(|path| path.display().to_string()).collect();
    let firmware: String =
        every(&FIRMWARE).iter().map(|path| format!(" -L {}", quoted(path))).collect();
    // QEMU looks for its modules beside the program that was started, which is the linker.
    Some(format!(
        "#!/bin/sh\nexport QEMU_MODULE_DIR={}\nexec {} --library-path {} {}{firmware} \"$@\"\n",
        quoted(&find(MODULES)?),
        quoted(&find(LINKER)?),
        quoted(Path::new(&libraries.join(":"))),
        quoted(&find(&format!("usr/bin/{QEMU}"))?),
    ))
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Writes a script so that whoever runs it side by side sees the old or the new one whole.
fn write(path: &Path, script: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|present| present == script) {
        return Ok(());
    }
    let directory = path.parent().context("a file in no directory")?;
    let scratch = tempfile::NamedTempFile::new_in(directory)?;
    fs::write(scratch.path(), script)?;
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755))?;
    // Closed first: a file open for writing cannot be run.
    scratch.into_temp_path().persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_starter_names_linker_libraries_and_firmware() {
        let place = tempfile::tempdir().unwrap();
        let packages = ["libc6", "qemu's"].map(|name| place.path().join(name));
        for part in ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"] {
            fs::create_dir_all(packages[0].join(part)).unwrap();
        }
        fs::write(packages[0].join(LINKER), "").unwrap();
        assert_eq!(starter(&packages), None, "no program");
        for part in ["usr/bin", "usr/share/qemu", MODULES] {
            fs::create_dir_all(packages[1].join(part)).unwrap();
        }
        fs::write(packages[1].join("usr/bin").join(QEMU), "").unwrap();
        let place = place.path().display();
        assert_eq!(
            starter(&packages).unwrap(),
            format!(
                "#!/bin/sh\nexport QEMU_MODULE_DIR='{place}/qemu'\\''s/usr/lib/x86_64-linux-gnu/qemu'\n\
                 exec '{place}/libc6/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2' \
                 --library-path '{place}/libc6/lib/x86_64-linux-gnu:{place}/libc6/usr/lib/x86_64-linux-gnu:\
                 {place}/qemu'\\''s/usr/lib/x86_64-linux-gnu' \
                 '{place}/qemu'\\''s/usr/bin/{QEMU}' -L '{place}/qemu'\\''s/usr/share/qemu' \"$@\"\n"
            )
        );
    }

    #[test]
    fn a_script_is_written_to_be_run() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("script");
        write(&path, "#!/bin/sh\necho one\n").unwrap();
        write(&path, "#!/bin/sh\necho two\n").unwrap();
        assert_eq!(command::output(&mut std::process::Command::new(path)).unwrap(), "two\n");
    }
}
