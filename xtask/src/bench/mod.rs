//! `cargo xtask bench`: how fast the kernel is, and beside it Linux on the same virtual machine.
//!
//! A workload is a path through the kernel, named in [`workloads`]; a [`subject`] is a kernel that goes these paths on a
//! machine: Heddle, or Debian's Linux ([`linux`]). It does so in a [`round`], which ends even if a machine gets stuck; [`progress`]
//! says how many are left. What comes back are [`results`], shown as a [`table`] and a [`plot`], kept as
//! JSON, and compared with earlier ones ([`compare`]).
//!
//! There are two methods. *Instructions*: one CPU under QEMU's `-icount shift=0`, where a tick of every clock is one
//! instruction; the same in every run, whatever else the host does. *Wall time*: the median of several runs, the two kernels in turn, on
//! 1, 2 and 4 CPUs; only as good as the host is quiet.

mod compare;
mod linux;
mod plot;
mod programs;
mod progress;
mod results;
mod round;
mod subject;
mod table;
mod ticks;
mod workloads;

use anyhow::{Result, bail};
use progress::{Progress, Step};
use results::{Method, Results};
use std::path::PathBuf;
use std::process::ExitCode;
use subject::{Heddle, Subject};

/// Measure the kernel: hot paths, what programs ask of it, boot and memory; beside Linux if asked.
///
/// Without --wall, figures are counted instructions on one CPU, which do not depend on what else the host does.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Measure Debian's own Linux on the same virtual machine, too
    #[arg(long)]
    linux: bool,

    /// More kernel parameters for Linux
    #[arg(
        long,
        value_name = "STR",
        default_value = "",
        hide_default_value = true,
        requires = "linux"
    )]
    linux_append: String,

    /// Measure wall time on 1, 2 and 4 CPUs, too
    #[arg(long)]
    wall: bool,

    /// How often wall time is measured
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,

    /// Write the figures to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Compare with figures that --json wrote earlier
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,

    /// Put table and plot into docs/performance.md
    #[arg(long, requires = "linux", conflicts_with = "filter")]
    docs: bool,

    /// Only workloads with this in their names
    #[arg(default_value = "", hide_default_value = true, value_parser = part_of_a_name)]
    filter: String,
}

/// It becomes a word of a command line, in both kernels.
fn part_of_a_name(filter: &str) -> Result<String, String> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if filter.bytes().all(is_allowed) {
        Ok(filter.to_owned())
    } else {
        Err("names of workloads have small letters, digits and _".into())
    }
}

/// Counted figures are taken so often: once more shows that they repeat.
const COUNTED_RUNS: u32 = 2;

/// The machines on which wall time is measured.
const CPUS: [u32; 3] = [1, 2, 4];

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    // Before anything slow is begun: it may be missing, or not to be written.
    let earlier = arguments.compare.as_deref().map(Results::read).transpose()?;
    arguments.json.as_deref().map(Results::prepare).transpose()?;
    let mut subjects: Vec<Box<dyn Subject>> = vec![Box::new(Heddle::build(&arguments.filter)?)];
    if arguments.linux {
        subjects.push(Box::new(linux::Linux::get(&arguments.filter, &arguments.linux_append)?));
    }
    let mut about = vec![subject::about_machine()?];
    about.extend(subjects.iter().map(|subject| subject.about()));
    let mut results = Results::new(about);
    let names: Vec<_> = subjects.iter().map(|subject| subject.name()).collect();
    let steps = progress::plan(&arguments.methods(), subjects.len());
    let mut progress = Progress::new(&steps, &names);
    for &Step { method, subject, .. } in &steps {
        progress.begin();
        let round = round::go(&*subjects[subject], method, &arguments.filter)?;
        progress.end();
        for (name, figure) in round.figures {
            results.add(method, &name, names[subject], figure);
        }
        for name in round.unfinished {
            results.add_unfinished(method, name, names[subject]);
        }
    }
    if results.methods().is_empty() {
        bail!("no workload has {:?} in its name", arguments.filter);
    }
    print!("{}", table::text(&results));
    if let Some(earlier) = earlier {
        print!("{}", compare::text(&earlier, &results));
    }
    if let Some(file) = &arguments.json {
        results.write(file)?;
    }
    if arguments.docs {
        table::into_docs(&results)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    /// The ways to measure that are wanted, and how often each.
    fn methods(&self) -> Vec<(Method, u32)> {
        let mut methods = vec![(Method::Instructions, if self.linux { COUNTED_RUNS } else { 1 })];
        if self.wall {
            methods.extend(CPUS.map(|cpus| (Method::Wall { cpus }, self.runs)));
        }
        methods
    }
}
