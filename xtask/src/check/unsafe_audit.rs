//! The audit of unsafe code: who has it, how much, and whether each piece says why it is sound.
//!
//! Clippy checks the reasons, too, but only in code that it sees compiled; this audit reads every file.

use super::rust_files;
use super::source::{self, Line};
use crate::project;
use anyhow::{Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// The crates that may have unsafe code, and why. All others say `#![forbid(unsafe_code)]`.
const ALLOWED: &[(&str, &str)] = &[
    ("machine/x86_64", "owns the hardware"),
    ("machine/sim", "switches stacks inside a host process"),
    ("machine/contract", "names the memory that frames stand for"),
    ("kernel/sync", "cells behind locks, per-CPU data"),
    ("kernel/memory", "the heap: memory by address"),
    ("kernel/heddle", "the symbol by which the machine starts it"),
    ("user/runtime", "system calls without a C library"),
    ("user/vdso", "stores results where programs say; finds its page, reads the counter"),
    ("user/clocks", "stores into the vDSO's pages, on purpose"),
    ("user/percpu", "restartable sequences are assembly"),
    ("user/fuzz", "wrong system calls, on purpose"),
    ("user/faults", "wrong memory accesses, on purpose"),
    ("user/clones", "system calls about control groups, through the C library"),
    ("user/tracer", "system calls of a debugger, through the C library"),
    ("user/timers", "timers, by system call and through the C library"),
    ("user/dogs", "a watchdog's commands and a socket, through the C library"),
    ("user/queues", "the C library's queues and shared memory, called as they are"),
    ("user/large", "mappings, and what is done to parts of them"),
    ("user/inherit", "the futex call, and the C library's mutexes, as they are"),
    ("models/weak", "`Arc` by addresses, as the kernel uses it; what exists in one execution"),
    ("xtask", "ties child processes to itself; reads the processor's counter"),
];

/// Crates that have no unsafe code in their own files, and compile files of the crates above: they cannot forbid it.
const COMPILES_OTHERS: &[&str] = &["models"];

/// What one crate has.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Uses of the keyword: blocks, functions, implementations, attributes.
    uses: usize,
    /// Lines in unsafe blocks.
    lines: usize,
}

/// A piece of unsafe code without a reason.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    line: usize,
    code: String,
}

/// Audits all crates and prints the table.
pub(super) fn run() -> Result<()> {
    let mut complaints = Vec::new();
    let mut total = Counts::default();
    let mut crates = 0;
    for package in packages()? {
        let name = project::readable(&package).to_string();
        let mut counts = Counts::default();
        let mut all_code = 0;
        for file in rust_files(&package.join("src"))? {
            let text = fs::read_to_string(&file)?;
            let lines = source::lines(&text);
            all_code += lines.iter().filter(|line| !line.code.trim().is_empty()).count();
            let findings = audit(&lines, &mut counts);
            complaints.extend(findings.into_iter().map(|finding| {
                let place = project::readable(&file);
                format!("{place}:{}: no SAFETY: comment: {}", finding.line, finding.code)
            }));
        }
        let reason = ALLOWED.iter().find(|(allowed, _)| *allowed == name);
        if counts.uses == 0 {
            if !forbids(&package)? && !COMPILES_OTHERS.contains(&&*name) {
                complaints.push(format!("{name}: no unsafe code, and no #![forbid(unsafe_code)]"));
            }
            continue;
        }
        let Some((_, reason)) = reason else {
            complaints.push(format!("{name}: unsafe code in a crate that may not have any"));
            continue;
        };
        let Counts { uses, lines } = counts;
        println!("{name:20} {uses:4} uses, {lines:5} of {all_code:5} lines: {reason}");
        crates += 1;
        total.uses += uses;
        total.lines += lines;
    }
    println!("unsafe: {crates} crates, {} uses, {} lines", total.uses, total.lines);
    match complaints[..] {
        [] => Ok(()),
        _ => bail!("\n  {}", complaints.join("\n  ")),
    }
}

/// Counts the unsafe code in a file and finds what of it has no reason.
fn audit(lines: &[Line], counts: &mut Counts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        for use_of in uses(&line.code) {
            counts.uses += 1;
            if let Use::Block { start } = use_of {
                counts.lines += block_length(&lines[index..], start);
            }
            if use_of.needs_reason() && !has_reason(lines, index) {
                findings.push(Finding { line: index + 1, code: line.code.trim().to_owned() });
            }
        }
    }
    findings
}

/// A use of the keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// A block, with the place of its brace in the line (or of the line's end).
    Block { start: usize },
    /// `unsafe impl`, or an attribute that gives something a name or a place.
    Promise,
    /// A function (a naked one, too), trait or foreign block: its callers give the reason; it states its contract.
    Contract,
}

impl Use {
    fn needs_reason(self) -> bool {
        match self {
            Self::Block { .. } | Self::Promise => true,
            Self::Contract => false,
        }
    }
}

/// The uses of the keyword in a line of code.
fn uses(code: &str) -> Vec<Use> {
    const KEYWORD: &str = "unsafe";
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(KEYWORD)
        .filter(|(at, _)| {
            let (before, after) = (&code[..*at], &code[at + KEYWORD.len()..]);
            !before.ends_with(is_word) && !after.starts_with(is_word)
        })
        .map(|(at, _)| {
            let after = &code[at + KEYWORD.len()..];
            let next = after.trim_start();
            match next {
                _ if next.is_empty() || next.starts_with('{') => {
                    Use::Block { start: at + KEYWORD.len() + (after.len() - next.len()) }
                }
                _ if next.starts_with("(naked)") => Use::Contract,
                _ if next.starts_with("impl") || next.starts_with('(') => Use::Promise,
                _ => Use::Contract,
            }
        })
        .collect()
}

/// How many lines of code a block has, its braces' lines included.
fn block_length(lines: &[Line], start: usize) -> usize {
    let mut depth = 0u32;
    let mut length = 0;
    for (index, line) in lines.iter().enumerate() {
        let code = if index == 0 { &line.code[start..] } else { &line.code };
        length += usize::from(!line.code.trim().is_empty());
        for character in code.chars() {
            match character {
                '{' => depth += 1,
                '}' if depth == 1 => return length,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
    length
}

/// Whether the comments in the line or right above its statement have the word. One reason may stand for uses
/// that follow each other line by line.
fn has_reason(lines: &[Line], index: usize) -> bool {
    const WORD: &str = "SAFETY:";
    if lines[index].comment.contains(WORD) {
        return true;
    }
    for line in lines[..index].iter().rev() {
        let code = line.code.trim();
        if line.comment.contains(WORD) {
            return true;
        }
        let goes_on = line.is_comment()
            || line.is_attribute()
            || !uses(&line.code).is_empty()
            || !(code.is_empty() || code.ends_with([';', '{', '}']));
        if !goes_on {
            return false;
        }
    }
    false
}

/// The directories of all packages, from the workspace's own list.
fn packages() -> Result<Vec<PathBuf>> {
    let manifests = crate::command::output(crate::command::cargo().args([
        "metadata",
        "--format-version=1",
        "--no-deps",
        "--quiet",
    ]))?;
    let mut packages: Vec<PathBuf> = manifests
        .split("\"manifest_path\":\"")
        .skip(1)
        .filter_map(|rest| Some(Path::new(rest.split('"').next()?).parent()?.to_owned()))
        .collect();
    packages.sort();
    packages.dedup();
    Ok(packages)
}

/// Whether every root file of the package forbids unsafe code.
fn forbids(package: &Path) -> Result<bool> {
    let source = package.join("src");
    let mut roots = vec![source.join("lib.rs"), source.join("main.rs")];
    if source.join("bin").is_dir() {
        roots.extend(rust_files(&source.join("bin"))?);
    }
    for root in roots.iter().filter(|root| root.exists()) {
        let lines = source::lines(&fs::read_to_string(root)?);
        if !lines.iter().any(|line| line.code.contains("#![forbid(unsafe_code)]")) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(source: &str) -> (Counts, Vec<usize>) {
        let mut counts = Counts::default();
        let findings = audit(&source::lines(source), &mut counts);
        (counts, findings.into_iter().map(|finding| finding.line).collect())
    }

    #[test]
    fn a_block_needs_a_reason() {
        let (counts, without) = findings("let x =\n    unsafe { f() };\n");
        assert_eq!((counts, without), (Counts { uses: 1, lines: 1 }, vec![2]));
        let (_, without) = findings("// SAFETY: f is.\nlet x =\n    unsafe { f() };\n");
        assert!(without.is_empty(), "{without:?}");
        let (_, without) = findings("// SAFETY: f is.\nf();\nunsafe { f() };\n");
        assert_eq!(without, [3]);
    }

    #[test]
    fn one_reason_may_stand_for_neighbours() {
        let source = "// SAFETY: both are.\nunsafe impl Send for X {}\nunsafe impl Sync for X {}\n";
        assert_eq!(findings(source), (Counts { uses: 2, lines: 0 }, vec![]));
    }

    #[test]
    fn attributes_need_one_and_functions_do_not() {
        let source = "#[unsafe(no_mangle)]\nfn f() {}\nunsafe fn g() {}\n";
        assert_eq!(findings(source), (Counts { uses: 2, lines: 0 }, vec![1]));
    }

    #[test]
    fn lines_of_blocks_are_counted() {
        let source = "// SAFETY: x.\nunsafe {\n    // why\n    f({ 1 });\n}\ng();\n";
        assert_eq!(findings(source).0, Counts { uses: 1, lines: 3 });
    }

    #[test]
    fn words_and_texts_are_not_code() {
        let source = "let unsafe_code = \"unsafe { }\"; // unsafe { }\n#![deny(unsafe_code)]\n";
        assert_eq!(findings(source), (Counts::default(), vec![]));
    }
}
