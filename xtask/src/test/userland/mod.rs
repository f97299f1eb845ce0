//! User land under QEMU: each test boots a guest of its own.
//!
//! A test is a function that takes the [`Lab`] and returns an error that says what is wrong. The tables in the
//! modules below name them; a name begins with the requirement's number where there is one.

mod bad_input;
mod boot;
mod cgroups;
mod clocks;
mod corners;
mod debian;
mod debuggers;
mod deferred;
mod devices;
mod faults;
mod fuzz;
mod inheritance;
mod ipc;
mod processes;
mod procfs;
mod programs;
mod reports;
mod scheduling;
mod sysrq;
mod terminal;
mod tool;
mod traces;
mod watchers;
mod workers;

use super::Arguments;
use super::guest::Job;
use super::guest::lab::Lab;
use anyhow::Result;
use std::time::Instant;

/// The group of tests that start this program itself.
const TOOL: &str = "tool";

/// Passes, or says what is wrong.
type Body = Box<dyn Fn(&Lab) -> Result<()> + Send>;

/// A test and its name.
pub(super) struct Case {
    name: String,
    body: Body,
}

impl Case {
    /// A test.
    pub(super) fn new(
        name: impl Into<String>,
        body: impl Fn(&Lab) -> Result<()> + Send + 'static,
    ) -> Self {
        Self { name: name.into(), body: Box::new(body) }
    }

    fn is_of_tool(&self) -> bool {
        self.name.split("::").next() == Some(TOOL)
    }
}

/// All of them. Those that take longest come first, so that they do not run alone at the end.
fn cases() -> Vec<Case> {
    let groups = [
        ("fuzz", fuzz::cases()),
        ("scheduling", scheduling::cases()),
        ("processes", processes::cases()),
        ("programs", programs::cases()),
        ("boot", boot::cases()),
        ("debian", debian::cases()),
        ("clocks", clocks::cases()),
        ("debuggers", debuggers::cases()),
        ("deferred", deferred::cases()),
        ("devices", devices::cases()),
        ("terminal", terminal::cases()),
        ("procfs", procfs::cases()),
        ("cgroups", cgroups::cases()),
        ("faults", faults::cases()),
        ("ipc", ipc::cases()),
        ("inheritance", inheritance::cases()),
        ("watchers", watchers::cases()),
        ("reports", reports::cases()),
        ("sysrq", sysrq::cases()),
        ("workers", workers::cases()),
        ("traces", traces::cases()),
        ("corners", corners::cases()),
        ("bad_input", bad_input::cases()),
        (TOOL, tool::cases()),
    ];
    let in_group = |(group, cases): (&str, Vec<Case>)| {
        let name = |case: &Case| format!("{group}::{}", case.name);
        cases.into_iter().map(move |case| Case { name: name(&case), ..case }).collect::<Vec<_>>()
    };
    groups.into_iter().flat_map(in_group).collect()
}

/// Whether tests of `cargo xtask run` itself are wanted.
pub(super) fn needs_tool(arguments: &Arguments) -> bool {
    cases().iter().any(|case| case.is_of_tool() && arguments.wants(&case.name))
}

/// Their names.
pub(super) fn names() -> impl Iterator<Item = String> {
    cases().into_iter().map(|case| case.name)
}

/// Those that are wanted, as jobs.
pub(super) fn jobs(arguments: &Arguments) -> Vec<Job> {
    cases()
        .into_iter()
        .filter(|case| arguments.wants(&case.name))
        .filter(|case| arguments.kernel.is_none() || !case.is_of_tool())
        .map(job)
        .collect()
}

fn job(case: Case) -> Job {
    Job {
        name: case.name.clone(),
        work: Box::new(move |lab, report| {
            let start = Instant::now();
            match (case.body)(lab) {
                Ok(()) => {
                    let seconds = start.elapsed().as_secs_f64();
                    report.passed(&case.name, &format!("{seconds:.1} s"));
                }
                Err(error) => {
                    let seconds = start.elapsed().as_secs_f64();
                    let why = format!("{error:#}");
                    let why = why.trim_end();
                    let again = format!("cargo xtask test --qemu {}", case.name);
                    report.failed(
                        &case.name,
                        &format!("{why}\n  after {seconds:.1} s; again: {again}"),
                    );
                }
            }
        }),
    }
}
