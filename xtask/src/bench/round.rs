//! One round of a kernel over all paths, to the end even if a machine gets stuck on the way.
//!
//! ```text
//!   all at once ──a machine got stuck──> all at once ──again──> each that is missing, alone ──> did not finish
//! ```

use super::results::Method;
use super::subject::{Attempt, Figure, Subject};
use super::workloads::{WORKLOADS, Workload};
use anyhow::Result;

/// So often everything is tried at once.
const WHOLE_TRIES: u32 = 2;

/// What came of it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Round {
    pub figures: Vec<Figure>,
    /// The figures that could not be had: on each, a machine got stuck again and again.
    pub unfinished: Vec<&'static str>,
}

/// Goes all paths with `filter` in their names.
pub(super) fn go(subject: &dyn Subject, method: Method, filter: &str) -> Result<Round> {
    let mut round = Round::default();
    for _ in 0..WHOLE_TRIES {
        let attempt = subject.measure(method, filter)?;
        let is_whole = attempt.failures.is_empty();
        report(&attempt);
        round.keep(attempt.figures, filter);
        if is_whole {
            return Ok(round);
        }
    }
    let mut stuck = Vec::new();
    for workload in wanted(method, filter) {
        if round.has(workload.name) {
            continue;
        }
        if !stuck.contains(&workload.runs()) {
            tell!("xtask: {} alone", workload.runs());
            let attempt = subject.measure(method, workload.runs())?;
            let is_whole = attempt.failures.is_empty();
            report(&attempt);
            round.keep(attempt.figures, filter);
            // What this kernel does not have, or refuses, is not there without a failure.
            if is_whole || round.has(workload.name) {
                continue;
            }
            stuck.push(workload.runs());
        }
        round.unfinished.push(workload.name);
    }
    Ok(round)
}

fn wanted(method: Method, filter: &str) -> impl Iterator<Item = &'static Workload> {
    WORKLOADS.iter().filter(move |it| it.name.contains(filter) && it.is_taken(method))
}

fn report(attempt: &Attempt) {
    for failure in &attempt.failures {
        let last = attempt.figures.last().map_or("the start", |(name, _)| name);
        tell!("xtask: a machine got stuck; the last figure before was of {last}: {failure}");
    }
}

impl Round {
    /// Keeps what is wanted and was not there.
    fn keep(&mut self, figures: Vec<Figure>, filter: &str) {
        for (name, figure) in figures {
            if name.contains(filter) && !self.has(&name) {
                self.figures.push((name, figure));
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.figures.iter().any(|(known, _)| known == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// Gets stuck on some workloads, and every first time.
    struct Sluggish {
        stuck_on: &'static str,
        asked: RefCell<Vec<String>>,
    }

    impl Subject for Sluggish {
        fn name(&self) -> &'static str {
            "Sluggish"
        }

        fn about(&self) -> String {
            String::new()
        }

        fn measure(&self, _: Method, filter: &str) -> Result<Attempt> {
            let is_first = self.asked.borrow().is_empty();
            self.asked.borrow_mut().push(filter.into());
            let mut attempt = Attempt::default();
            for name in ["page_fault", "unmap_page", "getppid", "stat"] {
                let runs = super::super::workloads::find(name).unwrap().runs();
                if !runs.contains(filter) {
                    continue;
                }
                if runs == self.stuck_on || is_first && name == "unmap_page" {
                    attempt.failures.push("nothing heard of it".into());
                    break;
                }
                attempt.figures.push((name.into(), attempt.figures.len() as f64));
            }
            Ok(attempt)
        }
    }

    fn round(stuck_on: &'static str, filter: &str) -> (Round, Vec<String>) {
        let subject = Sluggish { stuck_on, asked: RefCell::default() };
        let round = go(&subject, Method::Instructions, filter).unwrap();
        (round, subject.asked.into_inner())
    }

    #[test]
    fn r05_a_stuck_machine_is_started_again() {
        let (round, asked) = round("", "");
        let names: Vec<_> = round.figures.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["page_fault", "unmap_page", "getppid", "stat"]);
        assert_eq!((round.unfinished, asked.len()), (vec![], 2));
    }

    #[test]
    fn r05_one_workload_that_does_not_end_takes_no_other_with_it() {
        let (round, asked) = round("getppid", "");
        let names: Vec<_> = round.figures.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["page_fault", "unmap_page", "stat"]);
        assert_eq!(round.unfinished, ["getppid"]);
        assert!(asked.contains(&"stat".to_owned()));
    }

    #[test]
    fn r05_a_figure_besides_another_is_asked_for_by_that_one() {
        let (round, asked) = round("page_fault", "page");
        assert_eq!(round.unfinished, ["page_fault", "unmap_page"]);
        assert_eq!(asked, ["page", "page", "page_fault"]);
    }
}
