//! What a report of a failure tells, so that its cause can be found from it alone.

use crate::machine::options::Options;
use crate::machine::symbols::Symbols;
use std::path::Path;
use std::time::{Duration, Instant};

/// What was run where and when: what a report of a failure needs besides what came of it.
#[derive(Clone)]
pub(super) struct Story {
    machine: String,
    command: Vec<String>,
    began: Instant,
    took: Option<Duration>,
}

impl Story {
    /// A machine is about to be started.
    pub(super) fn begin(options: &Options, command: &[&str]) -> Self {
        let Options { board, cpus, nodes, icount, append, .. } = options;
        let counting = if *icount { ", counting instructions" } else { "" };
        let machine = format!("{board:?}, {cpus} CPUs, {nodes} nodes{counting}, {append:?}");
        let command = command.iter().map(|&word| word.to_owned()).collect();
        Self { machine, command, began: Instant::now(), took: None }
    }

    /// It has ended.
    pub(super) fn end(self) -> Self {
        Self { took: Some(self.began.elapsed()), ..self }
    }

    /// To be read: the machine, how busy its host is, and the command as it was given, a script line by line.
    pub(super) fn tell(&self) -> String {
        let seconds = self.took.unwrap_or_else(|| self.began.elapsed()).as_secs_f64();
        let host = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        format!(
            "  machine: {}, for {seconds:.1} s; its host has {processors} processors and the load {}\n{}",
            self.machine,
            host.trim(),
            quote_all("command", &self.command.join(" "))
        )
    }
}

/// Where an output leaves what was expected.
pub(super) fn difference(output: &str, expected: &str) -> String {
    let (mut seen, mut wanted) = (output.split_inclusive('\n'), expected.split_inclusive('\n'));
    for line in 1.. {
        match (seen.next(), wanted.next()) {
            (None, None) => break,
            (seen, wanted) if seen == wanted => {}
            (seen, wanted) => {
                let word =
                    |line: Option<&str>| line.map_or("nothing".into(), |it| format!("{it:?}"));
                let (seen, wanted) = (word(seen), word(wanted));
                return format!(
                    "line {line} of the output is {seen} and not {wanted}\n  expected:\n{}",
                    lines(expected.lines())
                );
            }
        }
    }
    "as expected".into()
}

/// The end of a text, set off from what is around it.
pub(super) fn quote(title: &str, text: &str) -> String {
    const LINES_MAX: usize = 100;
    let all: Vec<_> = text.lines().collect();
    let tail = &all[all.len().saturating_sub(LINES_MAX)..];
    format!("  {title}:\n{}", lines(tail.iter().copied()))
}

/// All of a text, set off.
fn quote_all(title: &str, text: &str) -> String {
    format!("  {title}:\n{}", lines(text.lines()))
}

fn lines<'a>(text: impl Iterator<Item = &'a str>) -> String {
    text.map(|line| format!("  | {line}\n")).collect()
}

/// The end of a kernel's log, readable.
pub(super) fn log_tail(log: &[String], image: &Path) -> String {
    const LINES_MAX: usize = 80;
    let symbols = Symbols::load(image);
    let tail = &log[log.len().saturating_sub(LINES_MAX)..];
    let lines: Vec<_> = tail.iter().map(|line| symbols.annotate(line)).collect();
    quote("kernel log", &lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_other_line_is_named() {
        let told = difference("one\ntwo\n", "one\nthree\n");
        assert!(told.starts_with("line 2 of the output is \"two\\n\" and not \"three\\n\"\n"));
        assert!(told.ends_with("expected:\n  | one\n  | three\n"));
        assert!(difference("one\n", "one\ntwo").starts_with("line 2 of the output is nothing and"));
        assert!(difference("one", "one\n").starts_with("line 1 of the output is \"one\" and not"));
    }
}
