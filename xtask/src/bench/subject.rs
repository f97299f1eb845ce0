//! A kernel that is measured: what is run on it, and how its figures come back.

use super::programs::{self, UserLand};
use super::results::{HEDDLE, Method};
use super::workloads::{self, Place};
use crate::build::kernel::{self, Kind};
use crate::command;
use crate::machine::log;
use crate::machine::options::Board;
use crate::machine::qemu;
use crate::project;
use crate::test::{Guest, Lab, Outcome};
use anyhow::{Context, Result};
use object::{Object, ObjectSegment};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A name and a figure: instructions, nanoseconds or bytes.
pub(super) type Figure = (String, f64);

/// What came of going paths once.
#[derive(Default)]
pub(super) struct Attempt {
    /// The figures, of machines that got stuck too.
    pub figures: Vec<Figure>,
    /// Of each machine that did not end as it should: how it did.
    pub failures: Vec<String>,
}

impl Attempt {
    /// Takes what a machine had to say.
    pub(super) fn take(
        &mut self,
        outcome: Outcome<'_>,
        figures: impl FnOnce(&Outcome<'_>) -> Vec<Figure>,
    ) {
        self.figures.extend(figures(&outcome));
        if let Err(error) = outcome.status(0) {
            self.failures.push(format!("{error:#}"));
        }
    }
}

/// A kernel under measurement.
pub(super) trait Subject {
    /// What the results call it.
    fn name(&self) -> &'static str;

    /// Version and settings.
    fn about(&self) -> String;

    /// Goes the paths with `filter` in their names once. An error: no machine can be had.
    fn measure(&self, method: Method, filter: &str) -> Result<Attempt>;
}

/// The memory of every machine, in MiB.
pub(super) const MEMORY: u64 = 512;

/// How long a machine may take, in seconds: hosts are slow, and busy.
const LIMIT: u64 = 300;

/// How long a machine may say nothing: the most time that a workload, or the start, gets before the machine is taken to be stuck.
const SILENCE: Duration = Duration::from_secs(60);

/// The machine that all subjects run on.
pub(super) fn machine(lab: &Lab, method: Method) -> Guest<'_> {
    let guest = lab.guest().exactly(Board::Microvm).memory(MEMORY);
    let guest = guest.cpus(method.cpus()).seconds(LIMIT).silent_at_most(SILENCE);
    match method {
        Method::Instructions => guest.counting_instructions(),
        Method::Wall { .. } => guest,
    }
}

/// What that machine is, for the record.
pub(super) fn about_machine() -> Result<String> {
    let qemu = command::output(Command::new(qemu::find()?).arg("--version"))?;
    let qemu = qemu.lines().next().unwrap_or_default();
    Ok(format!(
        "Machine: {qemu}, microvm, TCG, -cpu max, {MEMORY} MiB; instructions by -icount shift=0"
    ))
}

/// Our kernel.
pub(super) struct Heddle {
    /// The image that users run.
    fast: Lab,
    /// The same with the workloads of the kernel inside.
    measured: Lab,
    image_size: u64,
    programs: UserLand,
}

impl Heddle {
    /// Builds the images.
    pub(super) fn build(filter: &str) -> Result<Self> {
        let image = kernel::build(Kind::Fast)?;
        let image_size = loaded_size(&image)?;
        Ok(Self {
            fast: Lab::of(image)?,
            measured: Lab::of(kernel::build(Kind::Measured)?)?,
            image_size,
            programs: UserLand::get(filter)?,
        })
    }

    /// The workloads that the kernel runs itself, instead of a user land.
    fn kernel(&self, method: Method, filter: &str) -> Result<Outcome<'_>> {
        let wanted = if filter.is_empty() { "all" } else { filter };
        machine(&self.measured, method).append(&format!("heddle.bench={wanted}")).run(&[])
    }
}

impl Subject for Heddle {
    fn name(&self) -> &'static str {
        HEDDLE
    }

    fn about(&self) -> String {
        let mut git = Command::new("git");
        git.args(["describe", "--always", "--dirty"]).current_dir(project::root());
        let commit = command::output(&mut git).unwrap_or_default();
        format!("Heddle: {} {}", env!("CARGO_PKG_VERSION"), commit.trim())
    }

    fn measure(&self, method: Method, filter: &str) -> Result<Attempt> {
        let mut attempt = Attempt::default();
        let wants = |place| workloads::wanted(filter, place);
        if wants(Place::System) {
            attempt.figures.push(("image_size".into(), self.image_size as f64));
            self.programs.system(&mut attempt, method, || machine(&self.fast, method))?;
        }
        if wants(Place::Kernel) || wants(Place::System) {
            // Its clock counts nanoseconds, and so instructions where these are counted.
            let line = |line: &String| figure(log::message(line));
            let figures = |outcome: &Outcome<'_>| outcome.log().iter().filter_map(line).collect();
            attempt.take(self.kernel(method, filter)?, figures);
        }
        if wants(Place::User) || wants(Place::Programs) {
            let guest = machine(&self.fast, method);
            attempt.take(self.programs.run(guest, filter, "")?, programs::in_ticks(method));
        }
        Ok(attempt)
    }
}

/// The figure in a line `bench NAME FIGURE`.
pub(super) fn figure(line: &str) -> Option<Figure> {
    let (name, figure) = line.trim_end().strip_prefix("bench ")?.split_once(' ')?;
    Some((name.to_owned(), figure.parse::<u64>().ok()? as f64))
}

/// What of an image goes into memory: the rest of the file is names for people.
fn loaded_size(image: &Path) -> Result<u64> {
    let contents = fs::read(image).with_context(|| image.display().to_string())?;
    let file = object::File::parse(&*contents).with_context(|| image.display().to_string())?;
    Ok(file.segments().map(|segment| segment.file_range().1).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_lines() {
        assert_eq!(figure("bench wake_up 1234\r"), Some(("wake_up".into(), 1234.0)));
        assert_eq!(figure("benchmark"), None);
        assert_eq!(figure("bench wake_up -1"), None);
    }
}
