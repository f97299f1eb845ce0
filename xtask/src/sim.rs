//! `cargo xtask sim`: one run of one scenario on the simulated machine, exactly as it was.

use crate::test::scenario_runner;
use crate::trace::{self, Choice};
use anyhow::{Result, bail};
use std::path::PathBuf;
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

    /// Write what the kernel's threads did into this file: .json (for Perfetto), .html (a page of our own), .svg (a picture) or .txt (the
    /// events as text); may be repeated
    #[arg(long, value_name = "FILE")]
    timeline: Vec<PathBuf>,

    #[command(flatten)]
    choice: Choice,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    trace::check(&arguments.timeline)?;
    let mut runner = scenario_runner();
    let records = tempfile::NamedTempFile::new()?;
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
            if !arguments.timeline.is_empty() {
                runner.arg("--records").arg(records.path());
            }
        }
    }
    let status = runner.status()?;
    if let (Some(scenario), false) = (&arguments.scenario, arguments.timeline.is_empty()) {
        let text = std::fs::read_to_string(records.path())?;
        if text.is_empty() {
            bail!("nothing was recorded");
        }
        let title = format!("{scenario}, seed {}", arguments.seed);
        trace::save(&text, &title, &arguments.choice, &arguments.timeline)?;
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}
