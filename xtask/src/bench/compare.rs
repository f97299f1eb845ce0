//! What a change did.

use super::results::{HEDDLE, Results};
use std::fmt::Write;

/// Below this, a difference is noise even where instructions are counted.
const NOISE: f64 = 0.005;

/// The figures of both, where both have them.
pub(super) fn text(earlier: &Results, now: &Results) -> String {
    let mut text = String::new();
    for method in now.methods() {
        // Writing to a string does not fail, here and below.
        let _ = writeln!(text, "\nHeddle against {}, {}", earlier.date, method.title());
        let _ = writeln!(text, "{:24} {:>14} {:>14} {:>8}", "workload", "then", "now", "change");
        for row in now.rows(method) {
            let before = earlier.find(method, &row.name).and_then(|row| row.median(HEDDLE));
            let (Some(before), Some(after)) = (before, row.median(HEDDLE)) else { continue };
            let change = if before > 0.0 { after / before - 1.0 } else { 0.0 };
            let change = match change {
                change if change.abs() < NOISE => "=".to_owned(),
                change => format!("{:+.1} %", 100.0 * change),
            };
            let _ = writeln!(text, "{:24} {before:>14.0} {after:>14.0} {change:>8}", row.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::Method;

    #[test]
    fn r05_changes_are_shown_and_noise_is_not() {
        let results = |getppid, stat| {
            let mut results = Results::new(vec![]);
            results.add(Method::Instructions, "getppid", HEDDLE, getppid);
            results.add(Method::Instructions, "stat", HEDDLE, stat);
            results
        };
        let text = text(&results(200.0, 1000.0), &results(100.0, 1001.0));
        let line = |name| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert!(line("getppid").ends_with("-50.0 %"), "{text}");
        assert!(line("stat").ends_with(" ="), "{text}");
    }
}
