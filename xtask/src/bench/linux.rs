//! Debian's own Linux: its kernel and the headers from the archive, and our module built against them. Nothing is installed.

use super::programs::{UserLand, in_ticks};
use super::results::{LINUX, Method};
use super::subject::{Attempt, Subject, machine};
use super::ticks;
use super::workloads::{Place, wanted};
use crate::test::{Guest, Lab};
use crate::{command, packages, project};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What makes it as fast as it can be without being built anew.
const SETTINGS: &str = "mitigations=off init_on_alloc=0 audit=0 randomize_kstack_offset=off quiet";

/// The package that always depends on the newest kernel for virtual machines.
const NEWEST: &str = "linux-image-cloud-amd64";

/// Linux, ready to be measured.
pub struct Linux {
    lab: Lab,
    release: String,
    version: String,
    image_size: u64,
    /// Its ticks in a second.
    hertz: u64,
    /// A root with the module in it.
    module: PathBuf,
    programs: UserLand,
}

impl Linux {
    /// Fetches kernel and headers and builds the module, as far as that has not been done before.
    pub fn get(filter: &str) -> Result<Self> {
        for tool in ["gcc", "make"] {
            if command::find(tool).is_none() {
                bail!(
                    "--linux builds a kernel module and needs {tool} (Debian: apt-get install gcc make)"
                );
            }
        }
        let (release, version) = newest()?;
        let directory = project::cache("bench/linux")?.join(&version);
        let boot = directory.join("boot");
        let image = boot.join(format!("vmlinuz-{release}"));
        if !image.exists() {
            packages::unpack(&format!("linux-image-{release}:amd64"), &directory)?;
        }
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
        })
    }

    fn guest(&self, method: Method) -> Guest<'_> {
        let clock = clock_settings(ticks::kilohertz(method), self.hertz);
        machine(&self.lab, method).append(SETTINGS).append(&clock)
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
            "Linux: {} {} of Debian, {SETTINGS} {clock} (counting instructions, a tick is a nanosecond)",
            self.release, self.version
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

/// Release and package version of the newest kernel that the archive has.
fn newest() -> Result<(String, String)> {
    let show = |package: &str| {
        command::output(Command::new("apt-cache").args(["show", "--no-all-versions", package]))
    };
    let find = || {
        let shown = show(NEWEST).context("Linux comes from Debian's archive")?;
        let found = parse(&shown).with_context(|| format!("{NEWEST} is not as expected"))?;
        // Package lists that are too old, or of half an archive, name a kernel that cannot be had any more.
        show(&format!("linux-headers-{}", found.0))?;
        anyhow::Ok(found)
    };
    find().or_else(|_| {
        packages::update_lists()?;
        find()
    })
}

/// From `Depends: linux-image-RELEASE (= VERSION)`.
fn parse(shown: &str) -> Option<(String, String)> {
    let depends = shown.lines().find_map(|line| line.strip_prefix("Depends: linux-image-"))?;
    let (release, version) = depends.split_once(" (= ")?;
    Some((release.into(), version.split(')').next()?.into()))
}

/// Builds `bench/linux` against the headers, unless it has been built since it was changed, and returns a root with it.
fn build_module(directory: &Path, release: &str) -> Result<PathBuf> {
    let headers = fetch_headers(directory, release)?;
    let source = project::root().join("bench/linux");
    let build = directory.join("module");
    let root = directory.join("root");
    let module = root.join("heddle_bench.ko");
    fs::create_dir_all(&build)?;
    fs::create_dir_all(&root)?;
    let mut changed = !module.exists();
    for entry in fs::read_dir(&source).context("bench/linux")? {
        let from = entry?.path();
        let to = build.join(from.file_name().context("a file without a name")?);
        let contents = fs::read(&from)?;
        if fs::read(&to).ok().as_ref() != Some(&contents) {
            fs::write(&to, contents)?;
            changed = true;
        }
    }
    if changed {
        let mut make = Command::new("make");
        make.arg("-s").arg("-C").arg(headers).arg(format!("M={}", build.display()));
        // The headers name the compiler that built the kernel; another of gcc's versions serves as well.
        make.args(["CC=gcc", "modules"]);
        command::output(&mut make).context("the module for Linux does not build")?;
        let built = build.join("heddle_bench.ko");
        command::output(Command::new("strip").args(["-g", "-o"]).arg(&module).arg(built))?;
    }
    Ok(root)
}

/// The directory to build modules in.
fn fetch_headers(directory: &Path, release: &str) -> Result<PathBuf> {
    let sources = directory.join("usr/src");
    let headers = sources.join(format!("linux-headers-{release}"));
    // `6.1.0-56-cloud-amd64` has the flavour `cloud-amd64`, and all flavours have files in common.
    let number = release.strip_suffix("-cloud-amd64").context("not a kernel for clouds")?;
    let common = sources.join(format!("linux-headers-{number}-common"));
    let version: Vec<_> = number.split('.').take(2).collect();
    let tools = format!("linux-kbuild-{}", version.join("."));
    for (there, package) in [
        (headers.clone(), format!("linux-headers-{release}:amd64")),
        (common.clone(), format!("linux-headers-{number}-common")),
        (directory.join("usr/lib").join(&tools), format!("{tools}:amd64")),
    ] {
        if !there.exists() {
            packages::unpack(&package, directory)?;
        }
    }
    // It names the place where it would be installed.
    fs::write(headers.join("Makefile"), format!("include {}/Makefile\n", common.display()))?;
    Ok(headers)
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
        assert_eq!(parse(shown), Some(("6.1.0-56-cloud-amd64".into(), "6.1.9-2".into())));
        assert_eq!(parse("Package: nothing\n"), None);
    }
}
