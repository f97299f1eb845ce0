//! Debian packages for the guest's root, with what they depend on.
//!
//! apt does what it is best at, finding a set of packages that fit together and fetching them with their signatures
//! checked, in directories of our own: it neither reads nor changes what is installed on the host, and needs no root.
//! Each package is unpacked once; no maintainer script runs, here or in the guest. What was resolved before is
//! not asked for again.
//!
//! ```text
//! target/xtask/debian/apt/         apt's lists, archives and settings
//! target/xtask/debian/unpacked/    a directory for each package and version
//! target/xtask/debian/resolved/    which of them a set of names stands for
//! ```

use crate::{command, packages, project};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release that packages come from.
const RELEASE: &str = "bookworm";

/// Where from, unless this is in the environment.
const MIRROR: &str = "http://deb.debian.org";
const MIRROR_VARIABLE: &str = "HEDDLE_DEBIAN_MIRROR";

/// What signs the release.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What `apt-get install` is to do instead.
const LIST: &str = "--print-uris";
const FETCH: &str = "--download-only";

/// Packages whose work is the installing of others. Nothing is installed in the guest's root, so they come only
/// if they are asked for by name.
const INSTALLERS: [&str; 10] = [
    "debconf",
    "debianutils",
    "dpkg",
    "init-system-helpers",
    "install-info",
    "lsb-base",
    "media-types",
    "sensible-utils",
    "sysvinit-utils",
    "usr-is-merged",
];

/// Parts of packages that no program needs in order to run.
const LEFT_OUT: [&str; 8] = [
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/bug",
    "usr/share/bash-completion",
];

/// Whether something of a package, by its path in the root, stays behind.
pub(crate) fn is_left_out(path: &Path) -> bool {
    LEFT_OUT.iter().any(|part| path == Path::new(part))
}

/// The unpacked directories of these packages and of all that they depend on.
pub(crate) fn unpacked(names: &[String]) -> Result<Vec<PathBuf>> {
    let names = checked(names)?;
    let place = project::cache("debian")?;
    // Tests run side by side, and so may two of this tool.
    let lock = File::create(place.join("lock"))?;
    lock.lock()?;
    let resolved = Resolved::of(&names, &place)?;
    if let Some(directories) = resolved.read()? {
        return Ok(directories);
    }
    let apt = Apt::new(&names, &place)?;
    let archives = apt.fetch(&names)?;
    let directories =
        archives.iter().map(|archive| apt.unpack(archive)).collect::<Result<Vec<_>>>()?;
    resolved.write(&directories)?;
    Ok(directories)
}

/// The names, each once and in order.
fn checked(names: &[String]) -> Result<BTreeSet<&str>> {
    let is_name = |name: &str| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed)
    };
    match names.iter().find(|name| !is_name(name)) {
        Some(wrong) => bail!("--deb {wrong}: not a name of a Debian package"),
        None => Ok(names.iter().map(String::as_str).collect()),
    }
}

/// The note of what a set of names stands for: the set itself, then directories below `unpacked`, each on its line.
struct Resolved {
    names: String,
    note: PathBuf,
    unpacked: PathBuf,
}

impl Resolved {
    fn of(names: &BTreeSet<&str>, place: &Path) -> Result<Self> {
        let names = Vec::from_iter(names.iter().copied()).join(" ");
        let mut hasher = DefaultHasher::new();
        names.hash(&mut hasher);
        let notes = place.join("resolved");
        fs::create_dir_all(&notes)?;
        let note = notes.join(format!("{:016x}", hasher.finish()));
        Ok(Self { names, note, unpacked: place.join("unpacked") })
    }

    fn read(&self) -> Result<Option<Vec<PathBuf>>> {
        let text = match fs::read_to_string(&self.note) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("reading what packages were resolved"),
        };
        let mut lines = text.lines();
        if lines.next() != Some(&self.names) {
            return Ok(None);
        }
        let directories: Vec<_> = lines.map(|name| self.unpacked.join(name)).collect();
        Ok(directories.iter().all(|directory| directory.is_dir()).then_some(directories))
    }

    fn write(&self, directories: &[PathBuf]) -> Result<()> {
        let names = directories.iter().filter_map(|directory| directory.file_name()?.to_str());
        let lines = Vec::from_iter(std::iter::once(self.names.as_str()).chain(names));
        fs::write(&self.note, lines.join("\n")).context("noting what packages were resolved")
    }
}

/// apt, in a place of its own.
struct Apt {
    directory: PathBuf,
    unpacked: PathBuf,
}

impl Apt {
    /// Sets the place up for a search that takes the installers as given, but for those named.
    fn new(names: &BTreeSet<&str>, place: &Path) -> Result<Self> {
        if !packages::may_install() {
            bail!("these packages were not fetched before, and may not be now (--no-install)");
        }
        if !packages::is_debian() {
            bail!("Debian packages can only be fetched on a host with apt-get");
        }
        if !Path::new(KEYRING).exists() {
            bail!(
                "fetching Debian packages needs the keys that Debian signs with (Debian: debian-archive-keyring)"
            );
        }
        let apt = Self { directory: place.join("apt"), unpacked: place.join("unpacked") };
        for part in [
            "lists/partial",
            "archives/partial",
            "none/partial",
            "etc/sources.list.d",
            "etc/preferences.d",
        ] {
            fs::create_dir_all(apt.directory.join(part))?;
        }
        fs::create_dir_all(&apt.unpacked)?;
        fs::write(apt.directory.join("etc/sources.list"), sources())?;
        fs::write(apt.directory.join("status"), status(names))?;
        Ok(apt)
    }

    /// The archives of these packages and of what they need, which are then in our place.
    fn fetch(&self, names: &BTreeSet<&str>) -> Result<Vec<PathBuf>> {
        let fresh = !self.has_lists();
        if fresh {
            self.update()?;
        }
        match self.try_fetch(names) {
            // Lists grow old: a package may be new, or its archive replaced by a later version.
            Err(_) if !fresh => {
                self.update()?;
                self.try_fetch(names)
            }
            done => done,
        }
    }

    fn try_fetch(&self, names: &BTreeSet<&str>) -> Result<Vec<PathBuf>> {
        let list = self.install(LIST, names)?;
        tell!("xtask: fetching Debian packages: {}", Vec::from_iter(names.clone()).join(" "));
        self.install(FETCH, names)?;
        let archives = list.lines().filter_map(|line| line.split(' ').nth(1));
        Ok(archives.map(|archive| self.directory.join("archives").join(archive)).collect())
    }

    fn install(&self, how: &str, names: &BTreeSet<&str>) -> Result<String> {
        // Without those fetched before, the list would lack them.
        let archives = if how == LIST { "none/" } else { "archives/" };
        let mut command = self.command();
        command.arg("-o");
        command.arg(format!("Dir::Cache::archives={}/{archives}", self.directory.display()));
        command.args(["-y", how, "install"]).args(names);
        command::output(&mut command).map_err(|error| {
            let text = format!("{error:#}");
            let missing: Vec<_> = text.lines().filter_map(missing_package).collect();
            match missing.is_empty() {
                true => error.context("fetching Debian packages"),
                false => {
                    anyhow!("--deb {}: there is no such package in Debian 12", missing.join(" "))
                }
            }
        })
    }

    fn has_lists(&self) -> bool {
        let is_list =
            |entry: fs::DirEntry| entry.file_name().to_string_lossy().contains("_Packages");
        self.directory
            .join("lists")
            .read_dir()
            .is_ok_and(|entries| entries.filter_map(Result::ok).any(is_list))
    }

    fn update(&self) -> Result<()> {
        tell!("xtask: fetching Debian's package lists");
        command::output(self.command().args(["-o", "APT::Update::Error-Mode=any", "update"]))
            .map(drop)
            .context("fetching Debian's package lists")
    }

    /// apt-get with everything of the host's but its network settings replaced.
    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.args([
            "-qq",
            "-o",
            "APT::Architecture=amd64",
            "-o",
            "APT::Install-Recommends=false",
        ]);
        // The directories are this user's, and may be nobody else's.
        command.args(["-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"]);
        command.args(["-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"]);
        // A server that does not answer at once is asked again.
        command.args(["-o", "Acquire::Retries=5"]);
        for (name, value) in [
            ("Dir::State", ""),
            ("Dir::State::lists", "lists/"),
            ("Dir::State::status", "status"),
            ("Dir::State::extended_states", "extended_states"),
            ("Dir::Cache", ""),
            ("Dir::Etc", "etc/"),
        ] {
            command.arg("-o").arg(format!("{name}={}/{value}", self.directory.display()));
        }
        command
    }

    /// Unpacks an archive, unless that was done before.
    fn unpack(&self, archive: &Path) -> Result<PathBuf> {
        let name = archive.file_stem().context("an archive without a name")?;
        let directory = self.unpacked.join(name);
        if !directory.is_dir() {
            // All of it, or nothing: this may be ended half-way.
            let scratch = tempfile::tempdir_in(&self.unpacked)?;
            let root = scratch.path().join("root");
            command::output(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&root))?;
            fs::rename(root, &directory)?;
        }
        Ok(directory)
    }
}

/// The package that apt says, in this line, it has not: one that it never heard of, or only as another's dependency.
fn missing_package(line: &str) -> Option<&str> {
    let quoted = || line.split_once("Package '")?.1.split_once("' has no installation candidate");
    match line.split_once("Unable to locate package ") {
        Some((_, name)) => Some(name.trim()),
        None => quoted().map(|(name, _)| name),
    }
}

fn sources() -> String {
    let mirror = std::env::var(MIRROR_VARIABLE).unwrap_or_else(|_| MIRROR.to_owned());
    [("debian", ""), ("debian", "-updates"), ("debian-security", "-security")]
        .map(|(archive, suite)| {
            format!(
                "deb [arch=amd64 signed-by={KEYRING}] {mirror}/{archive} {RELEASE}{suite} main\n"
            )
        })
        .concat()
}

/// What apt is told to be installed.
fn status(wanted: &BTreeSet<&str>) -> String {
    INSTALLERS
        .iter()
        .filter(|name| !wanted.contains(*name))
        .map(|name| {
            format!(
                "Package: {name}\nStatus: install ok installed\nArchitecture: all\nMulti-Arch: foreign\n\
                 Version: 99\nMaintainer: none\nDescription: not needed\n\n"
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert!(checked(&names(&["libstdc++6", "procps", "python3.11"])).is_ok());
        for wrong in ["", "--allow-unauthenticated", "Procps", "a b", "a/b", "../x", "procps:i386"]
        {
            assert!(checked(&names(&[wrong])).is_err(), "{wrong}");
        }
        assert_eq!(
            checked(&names(&["b", "a", "b"])).unwrap().into_iter().collect::<Vec<_>>(),
            ["a", "b"]
        );
    }

    #[test]
    fn what_is_asked_for_is_not_taken_as_given() {
        assert!(status(&BTreeSet::new()).contains("Package: dpkg\n"));
        assert!(!status(&BTreeSet::from(["dpkg"])).contains("Package: dpkg\n"));
    }

    #[test]
    fn a_note_is_good_while_its_directories_are_there() {
        let place = tempfile::tempdir().unwrap();
        let names = BTreeSet::from(["a", "b"]);
        let resolved = Resolved::of(&names, place.path()).unwrap();
        assert_eq!(resolved.read().unwrap(), None);
        let directory = place.path().join("unpacked/a_1_amd64");
        fs::create_dir_all(&directory).unwrap();
        resolved.write(std::slice::from_ref(&directory)).unwrap();
        assert_eq!(resolved.read().unwrap(), Some(vec![directory.clone()]));
        fs::remove_dir(directory).unwrap();
        assert_eq!(resolved.read().unwrap(), None);
    }
}
