//! Debian's own Linux: its kernel and the headers from the archive, and our module built against them. Nothing is installed.

use super::programs::{UserLand, in_ticks};
use super::results::{LINUX, Method};
use super::subject::{Attempt, Subject, machine};
use super::ticks;
use super::workloads::{Place, wanted};
use crate::test::{Guest, Lab};
use crate::{command, packages, project};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What makes it as fast as it can be without being built anew.
const SETTINGS: &str = "mitigations=off init_on_alloc=0 audit=0 randomize_kstack_offset=off quiet";

/// The package that always depends on the newest kernel for virtual machines.
const NEWEST: &str = "linux-image-cloud-amd64";

/// Linux, ready to be measured.
pub(super) struct Linux {
    lab: Lab,
    release: String,
    version: String,
    image_size: u64,
    /// Its ticks in a second.
    hertz: u64,
    /// A root with the module in it.
    module: PathBuf,
    programs: UserLand,
    /// Its parameters, without those of its clocks.
    settings: String,
}

impl Linux {
    /// Fetches kernel and headers and builds the module, as far as that has not been done before. It is to run with these parameters
    /// beside its own.
    pub(super) fn get(filter: &str, append: &str) -> Result<Self> {
        for tool in ["gcc", "make"] {
            if command::find(tool).is_none() {
                bail!(
                    "--linux builds a kernel module and needs {tool} (Debian: apt-get install gcc make)"
                );
            }
        }
        let place = project::cache("bench/linux")?;
        // Two of this tool may run side by side.
        let lock = File::create(place.join("lock"))?;
        lock.lock()?;
        let kernel = Kernel::get(&place)?;
        let directory = kernel.directory(&place);
        let Kernel { release, version } = kernel;
        let boot = directory.join("boot");
        let image = boot.join(format!("vmlinuz-{release}"));
        let configuration = fs::read_to_string(boot.join(format!("config-{release}")));
        let configuration = configuration.context("the kernel's configuration")?;
        let module = build_module(&directory, &release)?;
        Ok(Self {
            image_size: fs::metadata(&image).context("the kernel's image")?.len(),
            lab: Lab::new(Some(&image))?,
            release,
            version,
            hertz: hertz(&configuration).context("a kernel without CONFIG_HZ")?,
            module,
            programs: UserLand::get(filter)?,
            settings: [SETTINGS, append].join(" ").trim_end().to_owned(),
        })
    }

    fn guest(&self, method: Method) -> Guest<'_> {
        let clock = clock_settings(ticks::kilohertz(method), self.hertz);
        machine(&self.lab, method).append(&self.settings).append(&clock)
    }
}

/// What tells it how fast the processor's counter is, and that all CPUs read the same one, as under QEMU they do.
///
/// Left to itself it measures the counter against the timer chip, which fails now and then on a host that has something
/// else to do; this machine has no other clock to go on with, and it waits for ever for its first tick. And with several CPUs
/// it would not trust the counter at all and keep time in ticks of 4 ms, without precise timers and without rest when idle.
fn clock_settings(kilohertz: u64, hertz: u64) -> String {
    format!("tsc=reliable tsc_early_khz={kilohertz} lpj={}", kilohertz * 1000 / hertz)
}

/// The shell commands that run the workloads of the kernel: each figure appears on the console when it is there. The last
/// command gives the serial line time: this kernel does not see that the machine ends.
fn script(filter: &str) -> String {
    let module = match wanted(filter, Place::Kernel) || wanted(filter, Place::System) {
        true => format!("dmesg -n 7\ninsmod /heddle_bench.ko only={filter}\n"),
        false => String::new(),
    };
    format!("{module}sleep 0.3")
}

impl Subject for Linux {
    fn name(&self) -> &'static str {
        LINUX
    }

    fn about(&self) -> String {
        let clock = clock_settings(ticks::kilohertz(Method::Wall { cpus: 1 }), self.hertz);
        format!(
            "Linux: {} {} of Debian, {} {clock} (counting instructions, a tick is a nanosecond), large pages for who asks for them",
            self.release, self.version, self.settings
        )
    }

    fn measure(&self, method: Method, filter: &str) -> Result<Attempt> {
        let mut attempt = Attempt::default();
        if wanted(filter, Place::System) {
            attempt.figures.push(("image_size".into(), self.image_size as f64));
            self.programs.system(&mut attempt, method, || self.guest(method))?;
        }
        let guest = self.guest(method).root(&self.module);
        let outcome = self.programs.run(guest, filter, &script(filter))?;
        attempt.take(outcome, in_ticks(method));
        Ok(attempt)
    }
}

/// Ticks in a second, by the kernel's configuration.
fn hertz(configuration: &str) -> Option<u64> {
    configuration.lines().find_map(|line| line.strip_prefix("CONFIG_HZ="))?.parse().ok()
}

/// A kernel of the archive.
#[derive(Debug, PartialEq, Eq)]
struct Kernel {
    release: String,
    /// The package's.
    version: String,
}

impl Kernel {
    /// The newest that the archive has, fetched as far as it is not there yet. If that cannot be had, because there is no
    /// network today, one that was fetched before.
    fn get(place: &Path) -> Result<Self> {
        // The lists may have named one whose parts are gone, and have been fetched anew by whoever missed them.
        let newest = packages::with_lists(|| {
            let newest = newest()?;
            newest.fetch(&newest.directory(place))?;
            Ok(newest)
        });
        newest.or_else(|error| match Self::fetched_before(place)? {
            Some(kernel) => {
                tell!("xtask: {error:#}; taking Linux {} of before", kernel.version);
                Ok(kernel)
            }
            None => Err(error.context("Linux comes from Debian's archive")),
        })
    }

    fn directory(&self, place: &Path) -> PathBuf {
        place.join(&self.version)
    }

    /// What it needs: a file or directory, and the package that has it.
    fn parts(&self, directory: &Path) -> Result<[(PathBuf, String); 4]> {
        let Self { release, .. } = self;
        let (number, tools) = (number(release)?, build_tools(release)?);
        let sources = directory.join("usr/src");
        Ok([
            (
                directory.join(format!("boot/vmlinuz-{release}")),
                format!("linux-image-{release}:amd64"),
            ),
            (
                sources.join(format!("linux-headers-{release}")),
                format!("linux-headers-{release}:amd64"),
            ),
            (
                sources.join(format!("linux-headers-{number}-common")),
                format!("linux-headers-{number}-common"),
            ),
            (directory.join("usr/lib").join(&tools), format!("{tools}:amd64")),
        ])
    }

    fn fetch(&self, directory: &Path) -> Result<()> {
        for (there, package) in self.parts(directory)? {
            if !there.exists() {
                packages::unpack(&package, directory)?;
            }
        }
        Ok(())
    }

    /// The one that was fetched last, all of it.
    fn fetched_before(place: &Path) -> Result<Option<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(place)? {
            let entry = entry?;
            let (directory, version) = (entry.path(), entry.file_name());
            let Ok(files) = fs::read_dir(directory.join("boot")) else { continue };
            for name in files.filter_map(|file| file.ok()?.file_name().into_string().ok()) {
                let Some(release) = name.strip_prefix("vmlinuz-") else { continue };
                let version = version.to_string_lossy().into_owned();
                let kernel = Self { release: release.to_owned(), version };
                let is_whole = kernel
                    .parts(&directory)
                    .is_ok_and(|parts| parts.iter().all(|(there, _)| there.exists()));
                if is_whole {
                    found.push((fs::metadata(directory.join("boot").join(&name))?.ctime(), kernel));
                }
            }
        }
        Ok(found.into_iter().max_by_key(|&(fetched, _)| fetched).map(|(_, kernel)| kernel))
    }
}

/// `6.1.0-56` of `6.1.0-56-cloud-amd64`: all flavours have files in common.
fn number(release: &str) -> Result<&str> {
    release.strip_suffix("-cloud-amd64").context("not a kernel for clouds")
}

/// The package with the tools that build modules for a release.
fn build_tools(release: &str) -> Result<String> {
    let version: Vec<_> = number(release)?.split('.').take(2).collect();
    Ok(format!("linux-kbuild-{}", version.join(".")))
}

/// The newest kernel that the archive has.
fn newest() -> Result<Kernel> {
    let show = |package: &str| {
        command::output(Command::new("apt-cache").args(["show", "--no-all-versions", package]))
    };
    let find = || {
        let shown = show(NEWEST)?;
        let found = parse(&shown).with_context(|| format!("{NEWEST} is not as expected"))?;
        // Package lists that are too old, or of half an archive, name a kernel that cannot be had any more.
        show(&format!("linux-headers-{}", found.release))?;
        anyhow::Ok(found)
    };
    packages::with_lists(find)
}

/// From `Depends: linux-image-RELEASE (= VERSION)`.
fn parse(shown: &str) -> Option<Kernel> {
    let depends = shown.lines().find_map(|line| line.strip_prefix("Depends: linux-image-"))?;
    let (release, version) = depends.split_once(" (= ")?;
    Some(Kernel { release: release.into(), version: version.split(')').next()?.into() })
}

/// Builds `bench/linux` against the headers, unless it has been built since it was changed, and returns a root with it.
fn build_module(directory: &Path, release: &str) -> Result<PathBuf> {
    let sources = directory.join("usr/src");
    let headers = sources.join(format!("linux-headers-{release}"));
    let common = sources.join(format!("linux-headers-{}-common", number(release)?));
    // It names the place where it would be installed.
    fs::write(headers.join("Makefile"), format!("include {}/Makefile\n", common.display()))?;
    let build = directory.join("module");
    let root = directory.join("root");
    fs::create_dir_all(&root)?;
    let module = root.join("heddle_bench.ko");
    if take_changes(&project::root().join("bench/linux"), &build, &module)? {
        let mut make = Command::new("make");
        make.arg("-s").arg("-C").arg(headers).arg(format!("M={}", build.display()));
        // The headers name the compiler that built the kernel; another of gcc's versions serves as well.
        make.args(["CC=gcc", "modules"]);
        command::output(&mut make).context("the module for Linux does not build")?;
        let (built, stripped) = (build.join("heddle_bench.ko"), build.join("stripped"));
        command::output(Command::new("strip").args(["-g", "-o"]).arg(&stripped).arg(built))?;
        fs::rename(stripped, &module)?;
    }
    Ok(root)
}

/// Copies the module's source to where it is built, and says whether there is something to build. What was built of an older
/// source is gone then, so that a build that is ended half-way is begun anew.
fn take_changes(source: &Path, build: &Path, module: &Path) -> Result<bool> {
    fs::create_dir_all(build)?;
    for entry in fs::read_dir(source).context("bench/linux")? {
        let from = entry?.path();
        let to = build.join(from.file_name().context("a file without a name")?);
        let contents = fs::read(&from)?;
        if fs::read(&to).ok().as_ref() != Some(&contents) {
            if module.exists() {
                fs::remove_file(module)?;
            }
            fs::write(&to, contents)?;
        }
    }
    Ok(!module.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_how_fast_its_clocks_are() {
        let hertz = hertz("# CONFIG_HZ_100 is not set\nCONFIG_HZ_250=y\nCONFIG_HZ=250\n");
        assert_eq!(hertz, Some(250));
        assert_eq!(
            clock_settings(2_596_120, 250),
            "tsc=reliable tsc_early_khz=2596120 lpj=10384480"
        );
    }

    #[test]
    fn the_newest_kernel_is_what_the_package_depends_on() {
        let shown = "Package: linux-image-cloud-amd64\nVersion: 6.1.9-2\n\
                     Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.9-2)\n";
        let expected = Kernel { release: "6.1.0-56-cloud-amd64".into(), version: "6.1.9-2".into() };
        assert_eq!(parse(shown), Some(expected));
        assert_eq!(parse("Package: nothing\n"), None);
    }

    #[test]
    fn r05_what_was_fetched_before_is_taken_if_it_is_whole() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(Kernel::fetched_before(place.path()).unwrap(), None);
        let kernel = |number: u32| Kernel {
            release: format!("6.1.0-{number}-cloud-amd64"),
            version: format!("6.1.{number}-1"),
        };
        for number in [7, 8] {
            let kernel = kernel(number);
            for (part, _) in kernel.parts(&kernel.directory(place.path())).unwrap() {
                fs::create_dir_all(part).unwrap();
            }
        }
        assert_eq!(Kernel::fetched_before(place.path()).unwrap(), Some(kernel(8)));
        fs::remove_dir(place.path().join("6.1.8-1/usr/lib/linux-kbuild-6.1")).unwrap();
        assert_eq!(Kernel::fetched_before(place.path()).unwrap(), Some(kernel(7)));
    }

    #[test]
    fn r05_a_build_that_was_ended_half_way_is_begun_anew() {
        let scratch = tempfile::tempdir().unwrap();
        let [source, build, module] =
            ["source", "build", "module.ko"].map(|name| scratch.path().join(name));
        fs::create_dir(&source).unwrap();
        fs::write(source.join("a.c"), "1").unwrap();
        let take = || take_changes(&source, &build, &module).unwrap();
        assert!(take() && take());
        fs::write(&module, "built").unwrap();
        assert!(!take());
        fs::write(source.join("a.c"), "2").unwrap();
        assert!(take() && take(), "an older source's module is taken for this one's");
        assert_eq!(fs::read_to_string(build.join("a.c")).unwrap(), "2");
    }
}
