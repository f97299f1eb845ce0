//! What both kernels run in user space: `user/measure`, and programs of others.

use super::results::Method;
use super::subject::{Attempt, Figure, MEMORY, figure};
use super::ticks;
use super::workloads::{self, Place, Unit};
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

/// Large pages are for who asks for them. With less than half a GiB, as here, both kernels have turned them off when they start.
const LARGE_PAGES: &str = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";

/// The user land under measurement.
pub(super) struct UserLand {
    measure: PathBuf,
    /// `hackbench` and its libraries, if they are wanted and to be had.
    hackbench: Option<PathBuf>,
}

impl UserLand {
    /// Builds and fetches what is wanted.
    pub(super) fn get(filter: &str) -> Result<Self> {
        let measure = programs::build(Program::Measure)?;
        let hackbench = workloads::wanted(filter, Place::Programs).then(hackbench).transpose();
        let hackbench = hackbench.unwrap_or_else(|error| {
            tell!("xtask: without hackbench: {error:#}");
            None
        });
        Ok(Self { measure, hackbench })
    }

    /// From the machine's start to the first user instruction, and the memory that a shell leaves in use.
    pub(super) fn system<'a>(
        &self,
        attempt: &mut Attempt,
        method: Method,
        guest: impl Fn() -> Guest<'a>,
    ) -> Result<()> {
        let start = guest().binary(&self.measure).append("rdinit=/bin/measure").run(&[])?;
        attempt.take(start, in_ticks(method));
        if method == Method::Instructions {
            attempt.take(guest().sh("grep MemFree: /proc/meminfo")?, |shell| {
                let free = shell.output().split_whitespace().nth(1);
                let free = free.and_then(|word| word.parse::<u64>().ok());
                let used = free.map(|free| ((MEMORY << 20) - (free << 10)) as f64);
                used.map(|used| ("memory_at_shell".into(), used)).into_iter().collect()
            });
        }
        Ok(())
    }

    /// Runs all programs that are wanted, and then the shell commands given.
    pub(super) fn run<'a>(
        &self,
        guest: Guest<'a>,
        filter: &str,
        then: &str,
    ) -> Result<Outcome<'a>> {
        let mut script = format!("{LARGE_PAGES}\n");
        if workloads::wanted(filter, Place::User) {
            script.push_str(&format!("measure {filter}\n"));
        }
        for (name, command) in PROGRAMS {
            let is_there = self.hackbench.is_some() || !command.contains("hackbench");
            if name.contains(filter) && is_there {
                script.push_str(&format!("measure time {name} {command}\n"));
            }
        }
        // What fails is missing in the table; it does not end the others.
        script.push_str(&format!("{then}\ntrue"));
        let mut guest = guest.binary(&self.measure);
        if let Some(hackbench) = &self.hackbench {
            guest = guest.root(hackbench);
        }
        let outcome = guest.sh(&script)?;
        for line in outcome.output().lines().filter(|line| line.contains("bench-error")) {
            tell!("xtask: {line}");
        }
        Ok(outcome)
    }
}

/// Finds the figures among what was printed: bytes, or ticks.
pub(super) fn in_ticks(method: Method) -> impl Fn(&Outcome<'_>) -> Vec<Figure> {
    let in_line = move |line: &str| {
        let (name, figure) = figure(&line[line.find("bench ")?..])?;
        let unit = match workloads::unit(&name) {
            Unit::Bytes => 1.0,
            Unit::Cost => ticks::nanoseconds(method),
        };
        Some((name, figure * unit))
    };
    move |outcome| outcome.output().lines().filter_map(in_line).collect()
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
    // This may be ended half-way.
    let half = to.with_extension("half");
    fs::copy(from, &half).with_context(|| format!("copying {}", from.display()))?;
    fs::rename(half, to).map_err(Into::into)
}
