//! What both kernels run in user space: `user/measure`, and programs of others.

use super::results::Method;
use super::subject::{Figure, MEMORY, figure};
use super::ticks;
use super::workloads::{self, Place};
use crate::build::programs::{self, Program};
use crate::test::{Guest, Outcome};
use crate::{packages, project};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Programs of others, as `measure time` runs them.
const PROGRAMS: &[(&str, &str)] = &[
    ("busybox_sh", "/bin/sh -c 'i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done'"),
    ("busybox_pipe", "/bin/sh -c 'dd if=/dev/zero bs=64k count=256 2>/dev/null | cat'"),
    ("busybox_ls", "/bin/ls -lR /bin"),
    ("hackbench_pipe", "/bin/hackbench -g 2 -l 50 -p"),
    ("hackbench_threads", "/bin/hackbench -g 2 -l 50 -p -T"),
    ("hackbench_socket", "/bin/hackbench -g 2 -l 50"),
];

/// The user land under measurement.
pub struct UserLand {
    filter: String,
    measure: PathBuf,
    /// `hackbench` and its libraries, if they are wanted and to be had.
    hackbench: Option<PathBuf>,
}

impl UserLand {
    /// Builds and fetches what is wanted.
    pub fn get(filter: &str) -> Result<Self> {
        let measure = programs::build(Program::Measure)?;
        let hackbench = workloads::wanted(filter, Place::Programs).then(hackbench).transpose();
        let hackbench = hackbench.unwrap_or_else(|error| {
            eprintln!("xtask: without hackbench: {error:#}");
            None
        });
        Ok(Self { filter: filter.into(), measure, hackbench })
    }

    /// Whether anything from there is wanted.
    pub fn wants(&self, place: Place) -> bool {
        workloads::wanted(&self.filter, place)
    }

    /// From the machine's start to the first user instruction, and the memory that a shell leaves in use.
    pub fn system<'a>(&self, method: Method, guest: impl Fn() -> Guest<'a>) -> Result<Vec<Figure>> {
        let start = guest().binary(&self.measure).append("rdinit=/bin/measure").run(&[])?;
        let mut figures = in_ticks(&start.status(0)?, method);
        if method == Method::Instructions {
            let shell = guest().sh("grep MemFree: /proc/meminfo")?.status(0)?;
            let free = shell.output().split_whitespace().nth(1).and_then(|word| word.parse().ok());
            let free: u64 = free.context("/proc/meminfo is not as expected")?;
            figures.push(("memory_at_shell".into(), ((MEMORY << 20) - (free << 10)) as f64));
        }
        Ok(figures)
    }

    /// Runs all programs that are wanted, and then the shell commands given.
    pub fn run(&self, method: Method, guest: Guest<'_>, then: &str) -> Result<Vec<Figure>> {
        let mut script = String::new();
        if self.wants(Place::User) {
            script.push_str(&format!("measure {}\n", self.filter));
        }
        for (name, command) in PROGRAMS {
            let is_there = self.hackbench.is_some() || !command.contains("hackbench");
            if name.contains(&self.filter) && is_there {
                script.push_str(&format!("measure time {name} {command}\n"));
            }
        }
        // What fails is missing in the table; it does not end the others.
        script.push_str(&format!("{then}\ntrue"));
        let mut guest = guest.binary(&self.measure);
        if let Some(hackbench) = &self.hackbench {
            guest = guest.root(hackbench);
        }
        let outcome = guest.sh(&script)?.status(0)?;
        for line in outcome.output().lines().filter(|line| line.contains("bench-error")) {
            eprintln!("xtask: {line}");
        }
        Ok(in_ticks(&outcome, method))
    }
}

/// The figures among what was printed, which are in ticks.
fn in_ticks(outcome: &Outcome, method: Method) -> Vec<Figure> {
    let lines = outcome.output().lines();
    let in_line = |line: &str| figure(&line[line.find("bench ")?..], ticks::nanoseconds(method));
    lines.filter_map(in_line).collect()
}

/// A root with Debian's `hackbench` and the libraries that it is linked to, made once.
fn hackbench() -> Result<PathBuf> {
    const LIBRARIES: [&str; 2] =
        ["lib/x86_64-linux-gnu/libc.so.6", "lib/x86_64-linux-gnu/libpthread.so.0"];
    const LOADER: &str = "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
    let root = project::cache("bench/hackbench")?;
    if root.join("bin/hackbench").exists() {
        return Ok(root);
    }
    let packages = project::cache("packages")?;
    let unpacked = |package: &str, file: &str| -> Result<PathBuf> {
        let path = packages.join(file);
        if !path.exists() {
            packages::unpack(package, &packages)?;
        }
        if !path.exists() {
            bail!("{package} has no {file}");
        }
        Ok(path)
    };
    copy(&unpacked("libc6:amd64", LOADER)?, &root.join("lib64/ld-linux-x86-64.so.2"))?;
    for library in LIBRARIES {
        copy(&unpacked("libc6:amd64", library)?, &root.join(library))?;
    }
    copy(&unpacked("rt-tests:amd64", "usr/bin/hackbench")?, &root.join("bin/hackbench"))?;
    Ok(root)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::copy(from, to).with_context(|| format!("copying {}", from.display())).map(drop)
}
