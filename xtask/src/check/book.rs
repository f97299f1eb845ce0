//! The book in `docs/`: its table of contents is complete, and links inside it lead somewhere.

use crate::project;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const CONTENTS: &str = "SUMMARY.md";

/// Checks the book.
pub(super) fn run() -> Result<()> {
    let root = source()?;
    let contents = fs::read_to_string(root.join(CONTENTS))
        .with_context(|| format!("the book has no {CONTENTS}"))?;
    let listed: BTreeSet<PathBuf> =
        links(&contents).into_iter().map(|link| root.join(without_anchor(&link))).collect();
    let mut complaints = Vec::new();
    for chapter in chapters(&root)? {
        if !listed.contains(&chapter) && !chapter.ends_with(CONTENTS) {
            complaints.push(format!("{}: not in {CONTENTS}", project::readable(&chapter)));
        }
        let text = fs::read_to_string(&chapter)?;
        let directory = chapter.parent().unwrap_or(&root);
        for link in links(&text) {
            let target = without_anchor(&link);
            if !target.is_empty() && !directory.join(target).exists() {
                complaints
                    .push(format!("{}: link to nowhere: {link}", project::readable(&chapter)));
            }
        }
    }
    match complaints[..] {
        [] => Ok(()),
        _ => bail!("\n  {}", complaints.join("\n  ")),
    }
}

/// Where the chapters are: as `book.toml` says, or beside it.
fn source() -> Result<PathBuf> {
    let root = project::root().join("docs");
    let settings = fs::read_to_string(root.join("book.toml")).context("docs/book.toml")?;
    let source = settings
        .lines()
        .find_map(|line| line.strip_prefix("src")?.trim_start().strip_prefix('='))
        .map_or("src", |value| value.trim().trim_matches('"'));
    Ok(if source == "." { root } else { root.join(source) })
}

/// All chapters.
fn chapters(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(chapters(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Targets of links to files, outside of code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let prose = without_code(line);
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        found.extend(
            targets
                .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
                .map(str::to_owned),
        );
    }
    found
}

/// The line without what is in backquotes.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

fn without_anchor(link: &str) -> &str {
    link.split('#').next().unwrap_or(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found() {
        let text = "[a](a.md) and [b](b.md#part), [c](https://c)\n`[d](d.md)`\n```\n[e](e.md)\n```\n[f](#here)";
        assert_eq!(links(text), ["a.md", "b.md#part", "#here"]);
        assert_eq!(without_anchor("b.md#part"), "b.md");
        assert_eq!(without_anchor("#here"), "");
    }
}
