//! `cargo xtask sim`: one run of one scenario on the simulated machine, exactly as it was.

use crate::test::scenario_runner;
use anyhow::Result;
use std::process::ExitCode;

/// Replay one scenario on the simulated machine with one seed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The scenario; none: names them all
    scenario: Option<String>,

    /// The seed that decides every interleaving
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,

    /// CPUs of the simulated machine [default: 1 to 4, by the seed]
    #[arg(long, value_name = "N")]
    cpus: Option<u8>,

    /// Write every event to standard error as it happens
    #[arg(long)]
    trace: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut runner = scenario_runner();
    match &arguments.scenario {
        None => {
            runner.arg("list");
        }
        Some(scenario) => {
            runner.args(["replay", scenario, "--seed", &arguments.seed.to_string()]);
            if let Some(cpus) = arguments.cpus {
                runner.args(["--cpus", &cpus.to_string()]);
            }
            if arguments.trace {
                runner.arg("--trace");
            }
        }
    }
    let status = runner.status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}
