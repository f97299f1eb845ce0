//! Scenarios on the simulated machine: the runner in `kernel/scenarios`, its lines put into our report.

use super::Arguments;
use super::lines::follow;
use super::report::Report;
use crate::command;
use std::process::Command;
use std::time::Duration;

/// They have the processors that others leave, and find by themselves what does not come to an end.
const LIMIT: Duration = Duration::from_secs(4 * 60 * 60);

/// The runner, built with the lock checker and optimised.
pub(crate) fn runner() -> Command {
    of(command::cargo())
}

/// It, giving way to everybody else.
fn runner_aside() -> Command {
    of(command::aside(&command::cargo()))
}

fn of(mut cargo: Command) -> Command {
    cargo.args(["run", "--quiet", "--profile", "sim"]);
    cargo.args(["--package", "scenarios", "--bin", "scenarios", "--"]);
    cargo
}

/// Runs them. `aside`: with the processor time that others do not want.
pub(super) fn run(arguments: &Arguments, report: &Report, aside: bool) {
    report.working_on(format!("scenarios, {} seeds each", arguments.seeds));
    let mut runner = if aside { runner_aside() } else { runner() };
    runner.args(["run", "--seeds", &arguments.seeds.to_string()]);
    runner.args(&arguments.filter);
    if let Some(jobs) = arguments.jobs {
        runner.args(["--jobs", &jobs.to_string()]);
    }
    let mut parser = Parser::default();
    let ended = follow(&mut runner, LIMIT, &mut |line| {
        for done in parser.take(line) {
            done.tell(report);
        }
    });
    if let Some(done) = parser.failing.take() {
        done.tell(report);
    }
    match ended {
        // The runner's word for "no scenario has such a name".
        Ok(status) if status.code() == Some(2) && arguments.filter.is_some() => {}
        Ok(status) if status.success() || parser.failed > 0 => {}
        Ok(status) => {
            report.failed("scenarios", &format!("ended with {status}\n{}", parser.other.join("\n")))
        }
        Err(error) => report.failed("scenarios", &error.to_string()),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Done {
    name: String,
    passed: bool,
    text: String,
}

impl Done {
    fn tell(&self, report: &Report) {
        let name = format!("sim::{}", self.name);
        match self.passed {
            true => report.passed(&name, &self.text),
            false => report.failed(&name, &self.text),
        }
    }
}

/// Reads `test NAME ... ok (note)` and `test NAME ... FAILED (why)`, the latter with indented lines after it.
#[derive(Default)]
struct Parser {
    /// A failure that may still grow.
    failing: Option<Done>,
    failed: usize,
    other: Vec<String>,
}

impl Parser {
    fn take(&mut self, line: &str) -> Vec<Done> {
        if let (Some(failing), true) = (&mut self.failing, line.starts_with(' ')) {
            failing.text.push('\n');
            failing.text.push_str(line);
            return Vec::new();
        }
        let mut done = Vec::from_iter(self.failing.take());
        match result(line) {
            Some(result) if result.passed => done.push(result),
            Some(result) => {
                self.failed += 1;
                self.failing = Some(result);
            }
            None => self.other.push(line.to_owned()),
        }
        done
    }
}

fn result(line: &str) -> Option<Done> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let (word, note) = result.split_once(' ').unwrap_or((result, ""));
    let note = note.strip_prefix('(').and_then(|note| note.strip_suffix(')'));
    Some(Done {
        name: name.to_owned(),
        passed: word == "ok",
        text: note.unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_their_details_are_told_apart() {
        let output = "\
test one ... ok (9 seeds, 0.1 s)
test two ... FAILED (seed 7, cpus 2: deadlock)
    CPU 0: idle
    again: cargo xtask sim two --seed 7
test three ... ok (9 seeds, 0.2 s)
2 passed, 1 failed";
        let mut parser = Parser::default();
        let done: Vec<_> = output.lines().flat_map(|line| parser.take(line)).collect();
        let expected = [
            ("one", true, "9 seeds, 0.1 s"),
            (
                "two",
                false,
                "seed 7, cpus 2: deadlock\n    CPU 0: idle\n    again: cargo xtask sim two --seed 7",
            ),
            ("three", true, "9 seeds, 0.2 s"),
        ];
        assert_eq!(done.len(), expected.len());
        for (done, (name, passed, text)) in done.iter().zip(expected) {
            assert_eq!((&*done.name, done.passed, &*done.text), (name, passed, text));
        }
        assert_eq!(parser.failed, 1);
        assert_eq!(parser.other, ["2 passed, 1 failed"]);
    }

    #[test]
    fn a_failure_at_the_end_is_kept() {
        let mut parser = Parser::default();
        assert_eq!(parser.take("test one ... FAILED (seed 1: lost)"), []);
        assert_eq!(parser.failing.unwrap().text, "seed 1: lost");
    }
}
