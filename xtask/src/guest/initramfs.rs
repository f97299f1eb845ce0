//! The initial file system.

use super::binary::Binary;
use super::busybox::Busybox;
use super::cpio;
use super::debian;
use super::order::Order;
use super::tree::Tree;
use crate::build::programs::{self, Program};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// What goes into the initial file system besides the default user land.
#[derive(Clone, Debug, Default)]
pub(crate) struct Additions {
    /// Debian packages.
    pub packages: Vec<String>,
    /// Programs of the host, for `/bin`.
    pub binaries: Vec<PathBuf>,
    /// Directories of the host to lay over the root, one after another.
    pub roots: Vec<PathBuf>,
}

impl Additions {
    /// Says what is wrong with them, before anything slow is begun.
    pub(crate) fn check(&self) -> Result<()> {
        for path in &self.binaries {
            Binary::read(path)?;
        }
        for root in &self.roots {
            if !fs::metadata(root).with_context(|| root.display().to_string())?.is_dir() {
                bail!("{}: not a directory", root.display());
            }
        }
        Ok(())
    }
}

/// Applets whose names must not shadow how the guest starts.
const OWN_NAMES: [&str; 3] = ["busybox", "init", "linuxrc"];

/// The users and groups that programs ask for by name, with Debian's numbers.
const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
user:x:1000:1000:user:/tmp:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
";
const GROUP: &str = "\
root:x:0:
daemon:x:1:
bin:x:2:
adm:x:4:
tty:x:5:
disk:x:6:
kmem:x:15:
utmp:x:43:
users:x:100:
user:x:1000:
nogroup:x:65534:
";

/// Memory for a guest with an archive of so many bytes, in MiB: as much as a small one takes by default, and
/// for a large one the archive, what is unpacked from it, and room to work.
pub(crate) fn memory_for(archive: usize) -> u64 {
    const DEFAULT: u64 = 256;
    const WORKING_ROOM: u64 = 160;
    const STEP: u64 = 64;
    let archive = (archive as u64).div_ceil(1 << 20);
    (2 * archive + WORKING_ROOM).next_multiple_of(STEP).max(DEFAULT)
}

/// Packs the default user land, the additions and the order.
pub(crate) fn pack(additions: &Additions, order: &Order) -> Result<Vec<u8>> {
    let mut tree = user_land()?;
    if !additions.packages.is_empty() {
        add_packages(&mut tree, &additions.packages)?;
    }
    for root in &additions.roots {
        tree.overlay(root)?;
    }
    for path in &additions.binaries {
        add_binary(&mut tree, path)?;
    }
    tree.add_file("etc/heddle/run", 0o644, order.to_bytes()?)?;
    Ok(cpio::archive(&tree))
}

/// Busybox under all its names, our `/init`, and the few files that programs look for, in Debian's merged layout.
/// `/usr/sbin` is merged too, so that a package's program goes before busybox's wherever that lies.
fn user_land() -> Result<Tree> {
    let mut tree = Tree::new();
    for (directory, mode) in [
        ("dev", 0o755),
        ("etc", 0o755),
        ("mnt", 0o755),
        ("proc", 0o555),
        ("root", 0o700),
        ("run", 0o755),
        ("sys", 0o555),
        ("tmp", 0o1777),
        ("usr/bin", 0o755),
        ("usr/lib", 0o755),
        ("usr/lib64", 0o755),
        ("var/tmp", 0o1777),
    ] {
        tree.add_directory(directory, mode)?;
    }
    for (link, to) in [
        ("bin", "usr/bin"),
        ("sbin", "usr/bin"),
        ("usr/sbin", "bin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
        ("var/run", "/run"),
    ] {
        tree.add_link(link, to)?;
    }
    let busybox = Busybox::get()?;
    tree.add_file("bin/busybox", 0o755, busybox.program)?;
    for applet in busybox.applets {
        if !OWN_NAMES.contains(&applet.as_str()) {
            tree.add_link(Path::new("bin").join(applet), "busybox")?;
        }
    }
    for (path, contents) in [
        ("etc/passwd", PASSWD),
        ("etc/group", GROUP),
        ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
        ("etc/profile", "export PS1='\\w \\$ '\n"),
        ("etc/hostname", "heddle\n"),
        ("etc/hosts", "127.0.0.1 localhost\n"),
    ] {
        tree.add_file(path, 0o644, contents.into())?;
    }
    let init = programs::build(Program::Init)?;
    tree.add_file("init", 0o755, fs::read(init)?)?;
    Ok(tree)
}

/// What packages rely on without saying so: Debian's shell (busybox's runs its own `ps` where a script says `ps`,
/// whatever is in `PATH`), what describes terminals, and the C library's programs and its locale.
const ESSENTIAL: [&str; 3] = [SHELL, "ncurses-base", "libc-bin"];
const SHELL: &str = "dash";

fn add_packages(tree: &mut Tree, packages: &[String]) -> Result<()> {
    let essential = ESSENTIAL.map(str::to_owned);
    let all = Vec::from_iter(packages.iter().cloned().chain(essential));
    for directory in debian::unpacked(&all)? {
        tree.overlay_but(&directory, debian::is_left_out)?;
    }
    tree.add_link("usr/bin/sh", SHELL)
}

fn add_binary(tree: &mut Tree, path: &Path) -> Result<()> {
    let (binary, contents) = Binary::read(path)?;
    if let Some(loader) = binary.interpreter
        && !tree.has(&loader)
    {
        bail!(
            "{}: it is dynamically linked, and {loader} is not in the guest: link it statically \
             (Rust: -C target-feature=+crt-static) or bring its libraries with --root",
            path.display()
        );
    }
    let name = path.file_name().with_context(|| format!("{}: no file name", path.display()))?;
    tree.add_file(Path::new("bin").join(name), 0o755, contents)
}
