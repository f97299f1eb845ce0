//! A kernel that is measured: what is run on it, and how its figures come back.

use super::programs::UserLand;
use super::results::{HEDDLE, Method};
use super::workloads::Place;
use crate::build::kernel::{self, Kind};
use crate::command;
use crate::machine::log;
use crate::machine::options::Board;
use crate::machine::qemu;
use crate::project;
use crate::test::{Guest, Lab};
use anyhow::{Context, Result};
use object::{Object, ObjectSegment};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A name and a figure: instructions, nanoseconds or bytes.
pub type Figure = (String, f64);

/// A kernel under measurement.
pub trait Subject {
    /// What the results call it.
    fn name(&self) -> &'static str;

    /// Version and settings.
    fn about(&self) -> String;

    /// Goes all paths once.
    fn measure(&self, method: Method) -> Result<Vec<Figure>>;
}

/// The memory of every machine, in MiB.
pub const MEMORY: u64 = 512;

/// How long a machine may take, in seconds: hosts are slow, and busy.
const LIMIT: u64 = 240;

/// The machine that all subjects run on.
pub fn machine(lab: &Lab, method: Method) -> Guest<'_> {
    let guest = lab.guest().exactly(Board::Microvm).memory(MEMORY);
    let guest = guest.cpus(method.cpus()).seconds(LIMIT);
    match method {
        Method::Instructions => guest.counting_instructions(),
        Method::Wall { .. } => guest,
    }
}

/// What that machine is, for the record.
pub fn about_machine() -> Result<String> {
    let qemu = command::output(Command::new(qemu::find()?).arg("--version"))?;
    let qemu = qemu.lines().next().unwrap_or_default();
    Ok(format!(
        "Machine: {qemu}, microvm, TCG, -cpu max, {MEMORY} MiB; instructions by -icount shift=0"
    ))
}

/// Our kernel.
pub struct Heddle {
    /// The image that users run.
    fast: Lab,
    /// The same with the workloads of the kernel inside.
    measured: Lab,
    image_size: u64,
    programs: UserLand,
    filter: String,
}

impl Heddle {
    /// Builds the images.
    pub fn build(filter: &str) -> Result<Self> {
        let image = kernel::build(Kind::Fast)?;
        let image_size = loaded_size(&image)?;
        Ok(Self {
            fast: Lab::of(image)?,
            measured: Lab::of(kernel::build(Kind::Measured)?)?,
            image_size,
            programs: UserLand::get(filter)?,
            filter: filter.into(),
        })
    }

    /// The workloads that the kernel runs itself, instead of a user land.
    fn kernel(&self, method: Method) -> Result<Vec<Figure>> {
        let parameter = match &*self.filter {
            "" => "heddle.bench=all".to_owned(),
            filter => format!("heddle.bench={filter}"),
        };
        let outcome = machine(&self.measured, method).append(&parameter).run(&[])?.status(0)?;
        // Its clock counts nanoseconds, and so instructions where these are counted.
        let figures = outcome.log().iter().filter_map(|line| figure(log::message(line), 1.0));
        Ok(figures.collect())
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

    fn measure(&self, method: Method) -> Result<Vec<Figure>> {
        let programs = &self.programs;
        let mut figures = Vec::new();
        if programs.wants(Place::System) {
            figures.push(("image_size".into(), self.image_size as f64));
            figures.extend(programs.system(method, || machine(&self.fast, method))?);
        }
        if programs.wants(Place::Kernel) || programs.wants(Place::System) {
            figures.extend(self.kernel(method)?);
        }
        if programs.wants(Place::User) || programs.wants(Place::Programs) {
            figures.extend(programs.run(method, machine(&self.fast, method), "")?);
        }
        Ok(figures)
    }
}

/// The figure in a line `bench NAME FIGURE`, whose unit is so many of ours.
pub fn figure(line: &str, unit: f64) -> Option<Figure> {
    let (name, figure) = line.trim_end().strip_prefix("bench ")?.split_once(' ')?;
    Some((name.to_owned(), figure.parse::<u64>().ok()? as f64 * unit))
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
        assert_eq!(figure("bench wake_up 1234\r", 2.0), Some(("wake_up".into(), 2468.0)));
        assert_eq!(figure("benchmark", 1.0), None);
        assert_eq!(figure("bench wake_up -1", 1.0), None);
    }
}
