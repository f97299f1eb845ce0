//! Tests under QEMU: the jobs, the machines that run them side by side, and the words that tests are written in.

pub(super) mod lab;
mod report;
pub(super) mod terminal;

use super::report::Report;
use super::{Arguments, kernel, userland};
use crate::build::kernel as image;
use anyhow::Result;
use lab::Lab;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does something with machines and reports how it went.
pub(super) type Work = Box<dyn FnOnce(&Lab, &Report) + Send>;

/// Something to do with machines, that reports its results itself.
pub(super) struct Job {
    /// What it is, for the progress line.
    pub name: String,
    /// Does it.
    pub work: Work,
}

/// Runs the tests inside the kernel and those of user land.
pub(super) fn run(arguments: &Arguments, report: &Report) -> Result<()> {
    let mut jobs: VecDeque<Job> = VecDeque::new();
    if arguments.kernel.is_none() {
        jobs.extend(kernel::jobs(arguments));
    }
    jobs.extend(userland::jobs(arguments));
    if jobs.is_empty() {
        return Ok(());
    }
    report.working_on("building the kernel");
    let lab = match build(arguments) {
        Ok(lab) => lab,
        Err(error) => {
            report.failed("the kernel's image", &format!("{error:#}"));
            return Ok(());
        }
    };
    let jobs = Mutex::new(jobs);
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..arguments.jobs() {
            scope.spawn(|| {
                while let Some(job) = next() {
                    report.working_on(job.name);
                    (job.work)(&lab, report);
                }
            });
        }
    });
    Ok(())
}

/// Builds what is missing: the image under test and, for the tests of the tool itself, the one that users run.
fn build(arguments: &Arguments) -> Result<Lab> {
    let lab = Lab::new(arguments.kernel.as_deref())?;
    if arguments.kernel.is_none() && userland::needs_tool(arguments) {
        image::build(image::Kind::Fast)?;
    }
    Ok(lab)
}
