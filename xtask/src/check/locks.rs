//! The book's table of lock classes names the classes that the kernel has, and no others.

use super::rust_files;
use crate::project;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;

const CHAPTER: &str = "docs/locks.md";
const HEADING: &str = "## All classes";
/// Before a class's name.
const DECLARATION: &str = "LockClass::new(\"";

/// Checks the table.
pub(super) fn run() -> Result<()> {
    let mut declared = BTreeSet::new();
    let kernel = project::root().join("kernel");
    for path in rust_files(&kernel)? {
        // Tests have locks of their own. What the directories above are called says nothing.
        let inside = path.strip_prefix(&kernel).unwrap_or(&path);
        let is_kernel = |part: &str| !inside.iter().any(|component| component == part);
        if is_kernel("scenarios") && is_kernel("tests") {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            declared.extend(declarations(&text));
        }
    }
    let chapter = fs::read_to_string(project::root().join(CHAPTER)).context(CHAPTER)?;
    let complaints = compare(&declared, &listed(&chapter));
    match complaints[..] {
        [] => Ok(()),
        _ => bail!("\n  {CHAPTER}: {}", complaints.join(&format!("\n  {CHAPTER}: "))),
    }
}

/// The classes that a file declares outside of its unit tests.
fn declarations(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let name = |rest: &str| rest.split('"').next().map(str::to_owned);
    code.split(DECLARATION).skip(1).filter_map(name).collect()
}

/// The classes in the table's first column.
fn listed(chapter: &str) -> BTreeSet<String> {
    let (_, table) = chapter.split_once(HEADING).unwrap_or_default();
    let cells = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

fn compare(declared: &BTreeSet<String>, listed: &BTreeSet<String>) -> Vec<String> {
    let missing = declared.difference(listed).map(|name| format!("{name}: missing"));
    let stale = listed.difference(declared).map(|name| format!("{name}: there is no such class"));
    missing.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_read_from_code_and_from_the_table() {
        let code = "static A: LockClass = LockClass::new(\"a.b\");\n#[cfg(test)]\nLockClass::new(\"test\")";
        assert_eq!(declarations(code), BTreeSet::from(["a.b".to_owned()]));
        let chapter = "`not` this\n## All classes\n| Class | Kind |\n|---|---|\n| `a.b`, `c d` | spin, `irq` |\n";
        assert_eq!(listed(chapter), BTreeSet::from(["a.b".to_owned(), "c d".to_owned()]));
    }

    #[test]
    fn what_is_missing_or_stale_is_named() {
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(
            compare(&set(&["a", "b"]), &set(&["b", "c"])),
            ["a: missing", "c: there is no such class"]
        );
        assert!(compare(&set(&["a"]), &set(&["a"])).is_empty());
    }
}
