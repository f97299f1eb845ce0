//! Unit tests of each crate on the host: `cargo test`, its lines put into our report.

use super::Arguments;
use super::lines::follow;
use super::report::Report;
use crate::{command, project};
use anyhow::Result;
use std::time::Duration;

/// On a busy host, with everything to be built.
const LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// Runs them.
pub(super) fn run(arguments: &Arguments, report: &Report) -> Result<()> {
    report.working_on("cargo test: building");
    let mut cargo = command::cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast", "--color", "never"]);
    project::exclude_guest_packages(&mut cargo)?;
    cargo.args(&arguments.filter);
    let mut parser = Parser::default();
    let status = follow(&mut cargo, LIMIT, &mut |line| {
        for found in parser.take(line) {
            match found {
                Found::Suite(suite) => report.working_on(format!("cargo test: {suite}")),
                Found::Passed(name) => report.passed(&name, ""),
                Found::Ignored(name) => report.skipped(&name),
                Found::Failed(name, why) => report.failed(&name, &why),
            }
        }
    });
    match status {
        Ok(status) if status.success() || parser.failed > 0 => {}
        Ok(status) => {
            report.failed("cargo test", &format!("ended with {status}\n{}", parser.tail.join("\n")))
        }
        Err(error) => report.failed("cargo test", &error.to_string()),
    }
    Ok(())
}

/// What a line can tell.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Suite(String),
    Passed(String),
    Ignored(String),
    Failed(String, String),
}

/// Reads what cargo and the test programs print.
#[derive(Default)]
struct Parser {
    suite: String,
    /// The test whose output is being printed, after all tests of the suite have run.
    details: Option<(String, Vec<String>)>,
    failed: usize,
    /// The last lines that are no test's, in case there is no other explanation.
    tail: Vec<String>,
}

const TAIL_MAX: usize = 60;

impl Parser {
    fn take(&mut self, line: &str) -> Vec<Found> {
        let mut found = Vec::new();
        if let Some(suite) = suite(line) {
            found.extend(self.finish_details());
            self.suite = suite.clone();
            found.push(Found::Suite(suite));
        } else if let Some(name) =
            line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" ----"))
        {
            found.extend(self.finish_details());
            let name = name.strip_suffix(" stdout").unwrap_or(name);
            self.details = Some((self.full(name), Vec::new()));
        } else if self.details.is_some() && line == "failures:" {
            found.extend(self.finish_details());
        } else if let Some((_, details)) = &mut self.details {
            details.push(line.to_owned());
        } else if let Some((name, result)) = result(line) {
            match result {
                "ok" => found.push(Found::Passed(self.full(name))),
                // Its output follows later.
                "FAILED" => {}
                _ => found.push(Found::Ignored(self.full(name))),
            }
        } else {
            if self.tail.len() == TAIL_MAX {
                self.tail.remove(0);
            }
            self.tail.push(line.to_owned());
        }
        found
    }

    fn finish_details(&mut self) -> Option<Found> {
        let (name, details) = self.details.take()?;
        self.failed += 1;
        Some(Found::Failed(name, details.join("\n").trim().to_owned()))
    }

    fn full(&self, name: &str) -> String {
        let root = project::root().display().to_string() + "/";
        format!("{}::{}", self.suite, name.replace(&root, ""))
    }
}

/// The crate whose tests begin, from `Running unittests src/lib.rs (…/deps/memory-0123…)` or `Doc-tests memory`.
fn suite(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some(name.to_owned());
    }
    let (_, program) = line.strip_prefix("Running ")?.rsplit_once('/')?;
    let (name, _hash) = program.strip_suffix(')')?.rsplit_once('-')?;
    Some(name.to_owned())
}

/// The name and the result in `test NAME ... ok`.
fn result(line: &str) -> Option<(&str, &str)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let name = name.strip_suffix(" - should panic").unwrap_or(name);
    let result = result.split([' ', ',']).next()?;
    matches!(result, "ok" | "FAILED" | "ignored").then_some((name, result))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_cargo_test_is_understood() {
        let output = "\
   Compiling memory v0.1.0 (/x/kernel/memory)
     Running unittests src/lib.rs (/x/target/debug/deps/memory-26e3)

running 4 tests
test frames::one ... ok
test frames::two ... FAILED
test frames::three - should panic ... ok
test frames::four ... ignored, takes long

failures:

---- frames::two stdout ----

thread 'frames::two' panicked at src/lib.rs:1:1:
test value ... ok

failures:
    frames::two

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests memory
test src/lib.rs - f (line 3) ... ok";
        let mut parser = Parser::default();
        let found: Vec<_> = output.lines().flat_map(|line| parser.take(line)).collect();
        let name = |name: &str| format!("memory::{name}");
        let why = "thread 'frames::two' panicked at src/lib.rs:1:1:\ntest value ... ok";
        assert_eq!(
            found,
            [
                Found::Suite("memory".into()),
                Found::Passed(name("frames::one")),
                Found::Passed(name("frames::three")),
                Found::Ignored(name("frames::four")),
                Found::Failed(name("frames::two"), why.into()),
                Found::Suite("memory".into()),
                Found::Passed(name("src/lib.rs - f (line 3)")),
            ]
        );
        assert_eq!(parser.failed, 1);
    }
}
