//! Runs the scenarios on the simulated machine.
//!
//! `cargo xtask test --sim` and `cargo xtask sim` call this. Each scenario runs once for each seed,
//! in a process of its own with a kernel that nobody has used before. How many CPUs and nodes the
//! machine has follows from the seed, too, so a seed alone is enough to go through a failure again.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use machine::sim::{self, Batch, Config, Failure, Outcome};
use scenarios::Scenario;

/// A line on standard output. Whoever closes it early has read enough.
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = writeln!(stdout(), $($text)*);
    }};
}

/// Runs Heddle's scenarios on the simulated machine.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Name each scenario, and what it is about
    List,
    /// Run scenarios over many seeds
    Run {
        /// Only scenarios with one of these in their names
        filter: Vec<String>,
        /// How many seeds each
        #[arg(long, default_value_t = 100)]
        seeds: u64,
        /// The first seed
        #[arg(long, default_value_t = 0)]
        first: u64,
        /// Worker processes [default: one per processor]
        #[arg(long)]
        jobs: Option<usize>,
        /// CPUs of the simulated machine [default: 1 to 4, by the seed]
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=machine::MAX_CPUS as i64))]
        cpus: Option<u8>,
    },
    /// Run one scenario with one seed
    Replay {
        /// The scenario's whole name
        name: String,
        /// The seed
        #[arg(long)]
        seed: u64,
        /// CPUs of the simulated machine [default: 1 to 4, by the seed]
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=machine::MAX_CPUS as i64))]
        cpus: Option<u8>,
        /// Write every event to standard error as it happens
        #[arg(long)]
        trace: bool,
        /// Write the kernel's trace events into this file
        #[arg(long, value_name = "FILE")]
        records: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    sim::steady_addresses();
    match Arguments::parse().command {
        Command::List => list(),
        Command::Run { filter, seeds, first, jobs, cpus } => {
            let jobs = jobs.unwrap_or_else(processors);
            run(&filter, Batch { first, count: seeds, jobs }, cpus)
        }
        Command::Replay { name, seed, cpus, trace, records } => {
            match records.map(File::create).transpose() {
                Ok(records) => {
                    let records = records.as_ref().map(AsRawFd::as_raw_fd);
                    replay(&name, Config { trace, records, ..config(seed, cpus) }, cpus)
                }
                Err(error) => {
                    let _ = writeln!(stderr(), "the file for the records: {error}");
                    ExitCode::from(2)
                }
            }
        }
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The machine that a seed gets.
fn config(seed: u64, cpus: Option<u8>) -> Config {
    let cpus = cpus.map_or(1 + (seed % 4) as usize, usize::from);
    let nodes = if seed / 4 % 2 == 1 { 2 } else { 1 };
    Config { cpus, nodes, seed, ..Config::default() }
}

fn list() -> ExitCode {
    for scenario in scenarios::all() {
        say!("{:40} {}", scenario.name, scenario.about);
    }
    ExitCode::SUCCESS
}

fn run(filter: &[String], batch: Batch, cpus: Option<u8>) -> ExitCode {
    let wanted = |scenario: &&Scenario| {
        filter.is_empty() || filter.iter().any(|part| scenario.name.contains(&**part))
    };
    let (mut passed, mut failed) = (0, 0);
    for scenario in scenarios::all().iter().filter(wanted) {
        let batch = Batch { count: batch.count.div_ceil(scenario.one_seed_in), ..batch };
        let entry = || scenarios::boot_and_run(scenario);
        let mut progress = Progress::of(scenario.name, batch.count);
        let result = sim::run_batch(batch, &|seed| config(seed, cpus), &entry, &mut |done| {
            progress.show(done);
        });
        progress.clear();
        match result {
            Ok(totals) => {
                passed += 1;
                let seconds = totals.processor_time.as_secs_f64();
                say!("test {} ... ok ({} seeds, {seconds:.1} s)", scenario.name, totals.runs);
            }
            Err(failure) => {
                failed += 1;
                report(scenario, &failure, cpus);
            }
        }
    }
    if passed + failed == 0 {
        eprintln!("no scenario's name has {} in it", filter.join(" or "));
        return ExitCode::from(2);
    }
    say!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(scenario: &Scenario, failure: &Failure, cpus: Option<u8>) {
    let Failure { seed, message, .. } = failure;
    let machine = config(*seed, cpus);
    say!("test {} ... FAILED (seed {seed}, cpus {}: {message})", scenario.name, machine.cpus);
    say!("{}", indented(&failure.to_string()));
    let chosen = cpus.map_or_else(String::new, |cpus| format!(" --cpus {cpus}"));
    say!("    again: cargo xtask sim {} --seed {seed}{chosen}", scenario.name);
}

fn replay(name: &str, config: Config, cpus: Option<u8>) -> ExitCode {
    let seed = config.seed;
    let Some(scenario) = scenarios::all().iter().find(|scenario| scenario.name == name) else {
        let mut complaint = format!("there is no scenario {name}; ");
        let like: Vec<_> = scenarios::all().iter().filter(|one| one.name.contains(name)).collect();
        match like.as_slice() {
            [] => complaint += "without a name, all are listed",
            _ => complaint += "with this in their names there are",
        }
        like.iter().for_each(|one| complaint += &format!("\n  {}", one.name));
        let _ = writeln!(stderr(), "{complaint}");
        return ExitCode::from(2);
    };
    match sim::run(&config, || scenarios::boot_and_run(scenario)) {
        Outcome::Passed(summary) => {
            say!(
                "{name} passes with seed {seed} on {} CPUs: {} points, {} virtual ms, trace {:016x}",
                config.cpus,
                summary.points,
                summary.nanoseconds / 1_000_000,
                summary.trace_hash
            );
            ExitCode::SUCCESS
        }
        Outcome::Failed(failure) => {
            report(scenario, &failure, cpus);
            ExitCode::FAILURE
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect::<String>().trim_end().to_string()
}

/// A line on a terminal that says how far a scenario has got.
struct Progress {
    name: &'static str,
    count: u64,
    shown: bool,
}

impl Progress {
    fn of(name: &'static str, count: u64) -> Self {
        Self { name, count, shown: false }
    }

    fn show(&mut self, done: u64) {
        if stderr().is_terminal() {
            self.shown = true;
            self.write(&format!("test {} ... {done}/{}", self.name, self.count));
        }
    }

    fn clear(&self) {
        if self.shown {
            self.write("");
        }
    }

    fn write(&self, text: &str) {
        // The line is a courtesy; a terminal that is gone needs none.
        let _ = write!(stderr(), "\r\x1b[K{text}");
        let _ = stderr().flush();
    }
}
