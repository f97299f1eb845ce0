//! What the person at the terminal sees of the tests.

use indicatif::{ProgressBar, ProgressStyle};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

/// Counts results and prints them as they come. Several threads may report.
pub(super) struct Report {
    /// Lives on standard error, and only if that is a terminal.
    progress: ProgressBar,
    counts: Mutex<Counts>,
}

/// How many of the slowest tests are named in the end.
const SLOWEST: usize = 12;

#[derive(Default)]
struct Counts {
    passed: usize,
    /// Seconds and names of those that said how long they took.
    timed: Vec<(f64, String)>,
    skipped: usize,
    failures: Vec<Failure>,
}

struct Failure {
    name: String,
    why: String,
}

impl Report {
    /// No results yet.
    pub(super) fn new() -> Self {
        let progress = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} [{elapsed}] {msg}");
        progress.set_style(style.expect("the template is right"));
        progress.enable_steady_tick(Duration::from_millis(200));
        Self { progress, counts: Mutex::default() }
    }

    /// Says what is being done.
    pub(super) fn working_on(&self, what: impl Into<String>) {
        self.progress.set_message(what.into());
    }

    /// A test passed; `note` says more about it, and in the end perhaps how long it took: `500 seeds, 1.2 s`.
    pub(super) fn passed(&self, name: &str, note: &str) {
        self.count(|counts| {
            counts.passed += 1;
            counts.timed.extend(seconds(note).map(|seconds| (seconds, name.to_owned())));
        });
        self.print(&match note {
            "" => format!("test {name} ... ok"),
            note => format!("test {name} ... ok ({note})"),
        });
    }

    /// A test was not run, on purpose.
    pub(super) fn skipped(&self, name: &str) {
        self.count(|counts| counts.skipped += 1);
        self.print(&format!("test {name} ... ignored"));
    }

    /// A test failed.
    pub(super) fn failed(&self, name: &str, why: &str) {
        self.count(|counts| {
            counts.failures.push(Failure { name: name.to_owned(), why: why.trim_end().to_owned() });
        });
        let first_line = why.lines().next().unwrap_or_default();
        self.print(&format!("test {name} ... FAILED: {first_line}"));
    }

    /// Prints the failures again, whole, and the closing line.
    pub(super) fn close(self) -> ExitCode {
        self.progress.finish_and_clear();
        let mut counts = self.counts.into_inner().expect("no thread panicked while it counted");
        if counts.timed.len() > SLOWEST {
            counts.timed.sort_by(|(one, _), (other, _)| other.total_cmp(one));
            println!("\nThe slowest:");
            for (seconds, name) in &counts.timed[..SLOWEST] {
                println!("{seconds:7.1} s  {name}");
            }
        }
        for Failure { name, why } in &counts.failures {
            println!("\n---- {name} ----\n{why}");
        }
        let mut line = format!("{} passed, {} failed", counts.passed, counts.failures.len());
        if counts.skipped > 0 {
            line.push_str(&format!(", {} skipped", counts.skipped));
        }
        println!("\n{line}");
        match (counts.failures.is_empty(), counts.passed) {
            (true, 1..) => ExitCode::SUCCESS,
            // That no test ran is not a success either.
            _ => ExitCode::FAILURE,
        }
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.lock();
        let counts = counts.as_mut().expect("no thread panicked while it counted");
        change(counts);
    }

    fn print(&self, line: &str) {
        self.progress.suspend(|| println!("{line}"));
    }
}

/// The time at a note's end.
fn seconds(note: &str) -> Option<f64> {
    note.strip_suffix(" s")?.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_may_end_with_a_time() {
        assert_eq!(seconds("500 seeds, 1.2 s"), Some(1.2));
        assert_eq!(seconds("3.5 s"), Some(3.5));
        for none in ["", "3 ms", "five s", "s"] {
            assert_eq!(seconds(none), None, "{none}");
        }
    }
}
