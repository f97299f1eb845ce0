//! `cargo xtask`: the one tool of the host side.
//!
//! It builds the kernel ([`build`]), packs a user land ([`guest`]), boots both under QEMU ([`machine`])
//! and, on top of these, offers one module per command: [`run`], [`mod@test`], [`sim`], [`trace`], [`check`], [`mod@bench`]
//! and [`doctor`]. Standard output carries results only; what the tool has to say goes to standard error.

/// A line on standard error. Whoever has closed it does not want to know.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod bench;
mod build;
mod check;
mod command;
mod doctor;
mod guest;
mod machine;
mod packages;
mod project;
mod run;
mod sim;
mod test;
mod trace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Builds, boots, tests and checks Heddle.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", version, about)]
struct Arguments {
    /// Never install anything: say what is missing instead.
    #[arg(long, global = true)]
    no_install: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Test(test::Arguments),
    Sim(sim::Arguments),
    Trace(trace::Arguments),
    Check(check::Arguments),
    Bench(bench::Arguments),
    Doctor(doctor::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    packages::set_permission(!arguments.no_install);
    let done = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Sim(arguments) => sim::run(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
    };
    done.unwrap_or_else(|error| {
        tell!("xtask: {error:#}");
        ExitCode::from(run::TOOL_FAILED)
    })
}
