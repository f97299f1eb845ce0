//! `cargo xtask test`: every test there is, from fast to slow.
//!
//! | part | what | module |
//! |---|---|---|
//! | host | unit tests of each crate, by `cargo test` | [`host`] |
//! | sim | scenarios on the simulated machine, each over many seeds | [`scenarios`] |
//! | qemu | the same scenarios inside the kernel, on several CPUs | [`kernel`] |
//! | qemu | user land, unmodified programs and hostile ones | [`userland`] |

mod guest;
mod host;
mod kernel;
mod lines;
mod report;
mod scenarios;
mod userland;

use anyhow::Result;
pub(crate) use guest::lab::{Guest, Lab, Outcome};
use report::Report;
pub(crate) use scenarios::runner as scenario_runner;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run the tests: on the host, on the simulated machine, and under QEMU.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only unit tests on the host
    #[arg(long)]
    host: bool,

    /// Only scenarios on the simulated machine
    #[arg(long)]
    sim: bool,

    /// Only tests under QEMU
    #[arg(long)]
    qemu: bool,

    /// Seeds for each scenario on the simulated machine
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,

    /// Machines at once under QEMU [default: one per processor]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,

    /// Run the user-land tests on this kernel (a Linux bzImage): what they expect should hold there too
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,

    /// Name the tests under QEMU instead of running them
    #[arg(long)]
    list: bool,

    /// Only tests with this in their names
    filter: Option<String>,
}

impl Arguments {
    /// Whether a test of this name is wanted.
    fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(&**filter))
    }

    fn jobs(&self) -> usize {
        self.jobs
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
            .max(1)
    }
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.list {
        for name in kernel::names().chain(userland::names()) {
            if arguments.wants(&name) {
                println!("{name}");
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let report = Report::new();
    let everything =
        !(arguments.host || arguments.sim || arguments.qemu || arguments.kernel.is_some());
    let sim = everything || arguments.sim;
    // Scenarios have virtual time and may wait for a processor. So they take what the others leave: these build one thing after
    // the other, and their guests sleep.
    let aside = sim && (everything || arguments.host || arguments.qemu);
    std::thread::scope(|scope| {
        let simulated = sim.then(|| scope.spawn(|| scenarios::run(arguments, &report, aside)));
        if everything || arguments.host {
            host::run(arguments, &report)?;
        }
        if everything || arguments.qemu || arguments.kernel.is_some() {
            guest::run(arguments, &report)?;
        }
        match simulated.map(std::thread::ScopedJoinHandle::join) {
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            Some(Ok(())) | None => anyhow::Ok(()),
        }
    })?;
    Ok(report.close())
}
