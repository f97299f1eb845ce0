//! Scenarios inside the kernel: the image boots with `heddle.scenarios=…`, runs them, and says on its log how
//! each went.

use super::Arguments;
use super::guest::Job;
use super::guest::lab::Lab;
use super::report::Report;
use crate::machine::log;
use crate::machine::options::Board;

/// The machines that run them.
const MACHINES: [(&str, Board, u32); 4] = [
    ("microvm_cpus_1", Board::Microvm, 1),
    ("microvm_cpus_2", Board::Microvm, 2),
    ("microvm_cpus_4", Board::Microvm, 4),
    ("q35_cpus_4", Board::Q35, 4),
];

/// How long one machine may take for all of them, in seconds.
const LIMIT: u64 = 600;

/// What can be filtered by before the kernel has been asked.
pub(super) fn names() -> impl Iterator<Item = String> {
    MACHINES.iter().map(|(machine, ..)| full_name(machine, "*"))
}

/// One boot for each machine. A filter that names no machine is for the scenarios' names.
pub(super) fn jobs(arguments: &Arguments) -> Vec<Job> {
    let wants_machine = |machine: &str| arguments.wants(&full_name(machine, ""));
    let any_machine = MACHINES.iter().any(|(machine, ..)| wants_machine(machine));
    let scenarios = match &arguments.filter {
        Some(filter) if !any_machine => filter.clone(),
        _ => "all".to_owned(),
    };
    MACHINES
        .into_iter()
        .filter(|(machine, ..)| !any_machine || wants_machine(machine))
        .map(|(machine, board, cpus)| {
            let scenarios = scenarios.clone();
            Job {
                name: full_name(machine, &scenarios),
                work: Box::new(move |lab, report| {
                    run(lab, report, machine, board, cpus, &scenarios);
                }),
            }
        })
        .collect()
}

fn full_name(machine: &str, scenario: &str) -> String {
    format!("kernel::{machine}::{scenario}")
}

fn run(lab: &Lab, report: &Report, machine: &str, board: Board, cpus: u32, scenarios: &str) {
    let outcome = lab
        .guest()
        .board(board)
        .cpus(cpus)
        .seconds(LIMIT)
        .append(&format!("heddle.scenarios={scenarios}"))
        .run(&[]);
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return report.failed(&full_name(machine, "*"), &format!("{error:#}")),
    };
    let mut failed = 0;
    let mut seen = 0;
    let mut began = 0.0;
    let mut first = 0;
    for (number, line) in outcome.log().iter().enumerate() {
        let Some((name, result)) = result(line) else { continue };
        seen += 1;
        let name = full_name(machine, name);
        let ended = log::time(line).unwrap_or(began);
        let took = ended - std::mem::replace(&mut began, ended);
        match result {
            Ok(()) => report.passed(&name, &format!("{took:.1} s")),
            Err(why) => {
                failed += 1;
                let lines = &outcome.log()[first..number];
                let why = panic_message(lines).unwrap_or_else(|| why.to_owned());
                let told = outcome.quote_log(first..number);
                report.failed(
                    &name,
                    &format!("{why}\n{told}  after {took:.1} s; again: {}", again(&name)),
                );
            }
        }
        first = number + 1;
    }
    // Not `status`: some scenarios make the kernel complain, on purpose.
    let right = outcome.exit() == Some(u8::from(failed > 0));
    let begun = |line: &String| log::message(line).strip_prefix("scenario ").map(str::to_owned);
    let last = outcome.log().iter().rev().find_map(begun).unwrap_or_else(|| "none".to_owned());
    let otherwise = format!("the kernel did not end as it should; the last scenario was {last}");
    let expected = outcome.holds(right, &otherwise).and_then(|outcome| {
        outcome.holds(seen > 0 || scenarios != "all", "the kernel ran no scenario")
    });
    if let Err(error) = expected {
        report.failed(&full_name(machine, "*"), &format!("{error:#}"));
    }
}

/// The command that runs a scenario again, on each machine.
fn again(name: &str) -> String {
    format!("cargo xtask test --qemu {}", name.rsplit("::").next().unwrap_or(name))
}

/// What the kernel said of the panic by which a scenario failed: the line behind the place where it was.
fn panic_message(lines: &[String]) -> Option<String> {
    let place =
        lines.iter().rposition(|line| line.contains("kernel code panicked: panicked at"))?;
    let message = lines.get(place + 1).map_or("", |line| log::message(line));
    let (_, at) = lines[place].split_once("panicked at ")?;
    Some(format!("{message} ({})", at.trim_end_matches(':')))
}

/// A scenario's name and how it went: `test NAME ... ok` or `test NAME ... FAILED: why`.
fn result(line: &str) -> Option<(&str, Result<(), &str>)> {
    let (name, result) = log::message(line).strip_prefix("test ")?.split_once(" ... ")?;
    if result == "ok" {
        return Some((name, Ok(())));
    }
    let why = result.strip_prefix("FAILED")?.trim_start_matches(':').trim();
    Some((name, Err(why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_named() {
        let lines = [
            "[    1.0] Oops: kernel code panicked: panicked at kernel/a.rs:90:5:",
            "[    1.1] it was late",
            "[    1.2] CPU: 0 PID: 453 Comm: scenario Not tainted 6.1.0-heddle #1",
        ]
        .map(str::to_owned);
        assert_eq!(panic_message(&lines), Some("it was late (kernel/a.rs:90:5)".to_owned()));
        assert_eq!(panic_message(&lines[1..]), None);
        let again = again("kernel::microvm_cpus_2::s01_weights");
        assert_eq!(again, "cargo xtask test --qemu s01_weights");
    }

    #[test]
    fn results_are_found_in_the_log() {
        assert_eq!(result("[    0.5] test a ... ok"), Some(("a", Ok(()))));
        assert_eq!(result("test b ... FAILED: leak"), Some(("b", Err("leak"))));
        assert_eq!(result("[    0.5] testing"), None);
    }
}
