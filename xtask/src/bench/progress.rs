//! How far a measurement has come, and how long it will take.

use super::results::{HEDDLE, Method};
use std::time::{Duration, Instant};

/// One round of one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub method: Method,
    /// From 1.
    pub round: u32,
    /// Of so many.
    pub rounds: u32,
    /// Which subject.
    pub subject: usize,
}

/// All steps: method by method, and in each round the subjects in turn.
pub(super) fn plan(methods: &[(Method, u32)], subjects: usize) -> Vec<Step> {
    let of_method = |&(method, rounds): &(Method, u32)| {
        let of_round =
            move |round| (0..subjects).map(move |subject| Step { method, round, rounds, subject });
        (1..=rounds).flat_map(of_round)
    };
    methods.iter().flat_map(of_method).collect()
}

/// What a round of all workloads takes on two processors that have nothing else to do.
fn expected(subject: &str, method: Method) -> Duration {
    Duration::from_secs(match (subject == HEDDLE, method) {
        (true, Method::Instructions) => 12,
        (true, Method::Wall { .. }) => 5,
        (false, Method::Instructions) => 34,
        (false, Method::Wall { .. }) => 15,
    })
}

/// Says it on standard error as it goes.
pub(super) struct Progress<'a> {
    steps: &'a [Step],
    names: &'a [&'static str],
    done: usize,
    started: Instant,
}

impl<'a> Progress<'a> {
    /// Nothing is done yet. `names`: of the subjects.
    pub(super) fn new(steps: &'a [Step], names: &'a [&'static str]) -> Self {
        Self { steps, names, done: 0, started: Instant::now() }
    }

    /// The next step begins.
    pub(super) fn begin(&self) {
        let Some(step) = self.steps.get(self.done) else { return };
        tell!(
            "xtask: {:2} of {}, about {} left: {}, {}, run {} of {}",
            self.done + 1,
            self.steps.len(),
            minutes(self.left(self.started.elapsed())),
            self.names[step.subject],
            step.method.title(),
            step.round,
            step.rounds
        );
    }

    /// It is done.
    pub(super) fn end(&mut self) {
        self.done += 1;
    }

    /// What the steps that are left will take if they are to those done as expected.
    fn left(&self, passed: Duration) -> Duration {
        let sum = |steps: &[Step]| -> Duration {
            steps.iter().map(|step| expected(self.names[step.subject], step.method)).sum()
        };
        let (done, left) = self.steps.split_at(self.done);
        match done {
            [] => sum(left),
            done => sum(left).mul_f64(passed.as_secs_f64() / sum(done).as_secs_f64()),
        }
    }
}

fn minutes(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..100 => format!("{seconds} s"),
        seconds => format!("{} min", (seconds + 30) / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::LINUX;

    const METHODS: [(Method, u32); 2] = [(Method::Instructions, 1), (Method::Wall { cpus: 2 }, 2)];

    #[test]
    fn r05_subjects_take_turns() {
        let steps = plan(&METHODS, 2);
        let subjects: Vec<_> = steps.iter().map(|step| (step.round, step.subject)).collect();
        assert_eq!(subjects, [(1, 0), (1, 1), (1, 0), (1, 1), (2, 0), (2, 1)]);
    }

    #[test]
    fn the_rest_is_estimated_from_what_was_done() {
        let steps = plan(&METHODS, 2);
        let mut progress = Progress::new(&steps, &[HEDDLE, LINUX]);
        let whole = progress.left(Duration::ZERO);
        assert_eq!(whole, Duration::from_secs(12 + 34 + 2 * (5 + 15)));
        progress.end();
        progress.end();
        // Twice as slow as expected so far.
        assert_eq!(progress.left(Duration::from_secs(92)), Duration::from_secs(80));
    }

    #[test]
    fn times_are_short() {
        assert_eq!(minutes(Duration::from_secs(99)), "99 s");
        assert_eq!(minutes(Duration::from_secs(400)), "7 min");
    }
}
