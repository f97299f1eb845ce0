//! Results for people: on the terminal, and in the book.

use super::plot;
use super::results::{HEDDLE, LINUX, Method, Results, Row};
use super::workloads::{self, Place, Unit};
use crate::project;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::fs;

/// What stands around the part of the chapter that this tool writes.
const BEGIN: &str = "<!-- written by `cargo xtask bench --docs`: from here -->\n";
const END: &str = "<!-- written by `cargo xtask bench --docs`: to here -->\n";

/// A line of a table.
struct Cells {
    place: Place,
    name: String,
    title: String,
    ours: String,
    theirs: String,
    ratio: String,
    goal: String,
    spread: String,
}

fn cells(method: Method, row: &Row) -> Cells {
    let workload = workloads::find(&row.name);
    let unit = workloads::unit(&row.name);
    let number = |subject| match row.median(subject) {
        Some(figure) => number(figure, unit, method),
        None if row.unfinished().any(|(stuck, ..)| stuck == subject) => "did not finish".into(),
        None => "–".into(),
    };
    Cells {
        place: workloads::place(&row.name),
        name: row.name.clone(),
        title: workload.map_or("", |workload| workload.title).into(),
        ours: number(HEDDLE),
        theirs: number(LINUX),
        ratio: row.ratio().map_or("–".into(), |ratio| format!("{ratio:.2}")),
        goal: workload.and_then(|it| it.goal).map_or(String::new(), |goal| format!("{goal}")),
        spread: format!("{:.1} %", 100.0 * row.spread()),
    }
}

/// A figure with a unit that keeps it short.
fn number(figure: f64, unit: Unit, method: Method) -> String {
    match (unit, method) {
        (Unit::Bytes, _) if figure >= 10.0 * 1024.0 * 1024.0 => {
            format!("{:.1} MiB", figure / 1024.0 / 1024.0)
        }
        (Unit::Bytes, _) => format!("{:.1} KiB", figure / 1024.0),
        (Unit::Cost, Method::Instructions) if figure >= 1e7 => format!("{:.1} M", figure / 1e6),
        (Unit::Cost, Method::Instructions) => format!("{figure:.0}"),
        (Unit::Cost, Method::Wall { .. }) if figure >= 1e7 => format!("{:.1} ms", figure / 1e6),
        (Unit::Cost, Method::Wall { .. }) => format!("{:.2} µs", figure / 1e3),
    }
}

/// What is to be known of a figure that some runs did not give.
fn reservations(results: &Results, method: Method) -> Vec<String> {
    let of_row = |row: &Row| {
        let name = row.name.clone();
        let of_subject = move |(subject, stuck, runs): (&str, u32, u32)| {
            format!("{name} did not finish on {subject} in {stuck} of {runs} runs")
        };
        row.unfinished().map(of_subject).collect::<Vec<_>>()
    };
    results.rows(method).into_iter().flat_map(of_row).collect()
}

/// The tables, for a terminal.
pub(super) fn text(results: &Results) -> String {
    let mut text = String::new();
    // Writing to a string does not fail, here and below.
    for line in &results.about {
        let _ = writeln!(text, "{line}");
    }
    for method in results.methods() {
        let _ = writeln!(text, "\n{}", method.title());
        let _ = writeln!(
            text,
            "{:24} {:>12} {:>12} {:>7} {:>5} {:>8}",
            "workload", "Heddle", "Linux", "ratio", "goal", "spread"
        );
        for row in results.rows(method) {
            let Cells { name, ours, theirs, ratio, goal, spread, .. } = cells(method, row);
            let _ = writeln!(
                text,
                "{name:24} {ours:>12} {theirs:>12} {ratio:>7} {goal:>5} {spread:>8}"
            );
        }
        for line in reservations(results, method) {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// The tables, for the book: the places under headings of their own.
fn markdown(results: &Results) -> String {
    let mut text = format!("\nMeasured on {}.\n\n", results.date);
    for line in &results.about {
        let _ = writeln!(text, "- {line}");
    }
    for method in results.methods() {
        let _ = writeln!(text, "\n### {}", capitalised(&method.title()));
        for place in Place::ALL {
            let rows = results.rows(method);
            let mut rows =
                rows.iter().map(|row| cells(method, row)).filter(|it| it.place == place).peekable();
            if rows.peek().is_none() {
                continue;
            }
            let _ = writeln!(
                text,
                "\n| {} | | Heddle | Linux | ratio | goal | spread |",
                place.title()
            );
            text.push_str("|---|---|--:|--:|--:|--:|--:|\n");
            for Cells { name, title, ours, theirs, ratio, goal, spread, .. } in rows {
                let _ = writeln!(
                    text,
                    "| {title} | `{name}` | {ours} | {theirs} | {ratio} | {goal} | {spread} |"
                );
            }
        }
        let reservations = reservations(results, method);
        if !reservations.is_empty() {
            let _ = writeln!(text, "\n{}.", reservations.join("; "));
        }
    }
    text.push('\n');
    text
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or(String::new(), |first| first.to_uppercase().chain(rest).collect())
}

/// Puts tables and plot into the chapter on performance.
pub(super) fn into_docs(results: &Results) -> Result<()> {
    let docs = project::root().join("docs");
    let chapter = docs.join("performance.md");
    let text = fs::read_to_string(&chapter).context("docs/performance.md")?;
    let text = replaced(&text, &markdown(results))
        .context("docs/performance.md has no marks for the table")?;
    fs::write(docs.join("performance.svg"), plot::svg(results))?;
    fs::write(chapter, text)?;
    Ok(())
}

/// The chapter with what is between the marks replaced.
fn replaced(text: &str, part: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{part}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let mut results = Results::new(vec!["Machine: one".into()]);
        results.add(Method::Instructions, "getppid", HEDDLE, 150.0);
        results.add(Method::Instructions, "getppid", LINUX, 300.0);
        results.add(Method::Instructions, "of_a_new_kind", HEDDLE, 2e7);
        results
    }

    #[test]
    fn r05_a_row_says_it_all() {
        let text = text(&results());
        let line = text.lines().find(|line| line.starts_with("getppid")).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words, ["getppid", "150", "300", "2.00", "2", "0.0", "%"]);
        assert!(text.contains("20.0 M            –       –"), "{text}");
    }

    #[test]
    fn r05_what_did_not_finish_is_said() {
        let mut results = results();
        results.add_unfinished(Method::Instructions, "stat", LINUX);
        results.add_unfinished(Method::Instructions, "getppid", LINUX);
        let text = text(&results);
        assert!(text.contains("– did not finish       –"), "{text}");
        assert!(text.contains("getppid did not finish on Linux in 1 of 2 runs"), "{text}");
        let markdown = markdown(&results);
        assert!(markdown.contains("| – | did not finish | – |"), "{markdown}");
        assert!(markdown.contains("stat did not finish on Linux in 1 of 1 runs."), "{markdown}");
    }

    #[test]
    fn the_chapter_keeps_what_people_wrote() {
        let text = format!("before\n{BEGIN}old\n{END}after\n");
        let text = replaced(&text, &markdown(&results())).unwrap();
        assert!(text.starts_with("before\n") && text.ends_with("after\n") && !text.contains("old"));
        assert!(text.contains("| getppid | `getppid` | 150 | 300 | 2.00 | 2 | 0.0 % |"), "{text}");
        assert!(replaced("no marks", "").is_none());
    }
}
