//! The book's lists of system calls say what the kernel's own table says.
//!
//! Whether a call is whole or has gaps only people can tell; whether there is a function for it, how many there are,
//! and that no name is missing, twice or made up, is checked here.

use crate::project;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;

const TABLE: &str = "kernel/syscall/src/table.rs";
const CHAPTER: &str = "docs/system-calls.md";

/// What the chapter says of a call, by the heading that it stands under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Done,
    Partly,
    Absent,
}

impl Standing {
    fn of_heading(heading: &str) -> Option<Self> {
        match heading {
            "Done" => Some(Self::Done),
            "Partly" => Some(Self::Partly),
            "Not there" => Some(Self::Absent),
            _ => None,
        }
    }
}

/// Checks the chapter.
pub(super) fn run() -> Result<()> {
    let read = |path| fs::read_to_string(project::root().join(path)).context(path);
    let complaints = compare(&implemented(&read(TABLE)?), &read(CHAPTER)?);
    match complaints[..] {
        [] => Ok(()),
        _ => bail!("\n  {CHAPTER}: {}", complaints.join(&format!("\n  {CHAPTER}: "))),
    }
}

/// Each call of the kernel's table, and whether a function stands behind it.
fn implemented(table: &str) -> BTreeMap<String, bool> {
    let entry = |line: &str| {
        let (number, rest) = line.trim().strip_suffix(';')?.split_once(' ')?;
        number.parse::<u32>().ok()?;
        let (name, function) = match rest.split_once(" = ") {
            Some((name, function)) => (name, Some(function)),
            None => (rest, None),
        };
        Some((name.to_owned(), function.is_some()))
    };
    table.lines().filter_map(entry).collect()
}

/// What is wrong with the chapter.
fn compare(implemented: &BTreeMap<String, bool>, chapter: &str) -> Vec<String> {
    let said = said(chapter);
    let mut complaints = Vec::new();
    for (name, standing) in &said {
        match (implemented.get(name), standing) {
            (None, _) => complaints.push(format!("{name}: not in {TABLE}")),
            (Some(true), Standing::Absent) => {
                complaints.push(format!("{name}: said not to be there, and is"));
            }
            (Some(false), Standing::Done | Standing::Partly) => {
                complaints.push(format!("{name}: said to be there, and is not"));
            }
            (Some(true), Standing::Done | Standing::Partly) | (Some(false), Standing::Absent) => {}
        }
    }
    for name in implemented.keys() {
        match said.iter().filter(|(said, _)| said == name).count() {
            0 => complaints.push(format!("{name}: missing")),
            1 => {}
            _ => complaints.push(format!("{name}: more than once")),
        }
    }
    let sum = sum(&said);
    if !chapter.contains(&sum) {
        complaints.push(format!("it does not say: {sum}"));
    }
    complaints
}

/// How many there are of each kind, as the chapter is to say it.
fn sum(said: &[(String, Standing)]) -> String {
    let count = |wanted| said.iter().filter(|(_, standing)| *standing == wanted).count();
    format!(
        "Of {} calls, {} are done, {} partly, and {} not there.",
        said.len(),
        count(Standing::Done),
        count(Standing::Partly),
        count(Standing::Absent)
    )
}

/// The calls that the chapter names, in its order.
fn said(chapter: &str) -> Vec<(String, Standing)> {
    let mut found = Vec::new();
    let mut standing = None;
    for line in chapter.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            standing = Standing::of_heading(heading);
        } else if let Some(standing) = standing {
            found.extend(names(line, standing).into_iter().map(|name| (name, standing)));
        }
    }
    found
}

/// The names in a line: of a table, that in the first column; else all of them, between commas.
fn names(line: &str, standing: Standing) -> Vec<String> {
    let in_row = || Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    match standing {
        Standing::Partly => in_row().into_iter().collect(),
        Standing::Done | Standing::Absent => line
            .split(&[',', '.', ' '])
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "const END: usize = 451;\nsystem_calls! {\n    0 read = transfer::read [fd];\n\
        \x20   1 write = transfer::write [fd];\n    2 mount = mount::mount [];\n    3 acct;\n}\n";

    fn complaints(chapter: &str) -> Vec<String> {
        compare(&implemented(TABLE), chapter)
    }

    fn chapter(done: &str, absent: &str) -> String {
        let sum = "Of 4 calls, 2 are done, 1 partly, and 1 not there.";
        format!(
            "{sum}\n## Done\n\n{done}.\n\n## Partly\n\n| Call | What |\n|---|---|\n\
             | `mount` | of `acct` |\n\n## Not there\n\n{absent}.\n\n## More\n\nprose\n"
        )
    }

    #[test]
    fn a_true_chapter_is_accepted() {
        assert_eq!(complaints(&chapter("read,\nwrite", "acct")), [""; 0]);
    }

    #[test]
    fn each_untruth_is_found() {
        for (done, absent, complaint) in [
            ("read", "acct", "write: missing"),
            ("read, write, read", "acct", "read: more than once"),
            ("read, write, acct", "", "acct: said to be there, and is not"),
            ("read", "acct, write", "write: said not to be there, and is"),
            ("read, write, wrote", "acct", "wrote: not in kernel/syscall/src/table.rs"),
            ("read, write, acct", "", "it does not say: Of 4 calls, 3 are done"),
        ] {
            let found = complaints(&chapter(done, absent));
            assert!(
                found.iter().any(|found| found.starts_with(complaint)),
                "{complaint}: {found:?}"
            );
        }
    }
}
