//! Who was where and did what: the records put together.
//!
//! ```text
//!   sched_process_fork ─> New ──woken──> Runnable ──switch──> Running(cpu) ──switch──> Sleeping, Parked, …
//!                                          ^   ^                  │ preempted             │
//!                                          │   └──────────────────┘                       │
//!                                          └──────────────────woken───────────────────────┘
//! ```
//!
//! At each moment a CPU runs one task or is not known to run any, and a thread is in one state. What a CPU runs and what a thread
//! is `Running` on are the same spans: both are made in one place (`leave` in `build`). Where records are missing, the
//! state is `Unknown` until the next one tells.

use super::event::{Kind, State};
use serde::Serialize;

/// A time of a thread in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Nanoseconds since boot.
    pub from: u64,
    /// The first moment that is not part of it.
    pub to: u64,
    /// What it does.
    pub state: State,
}

/// A time of a CPU with one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Nanoseconds since boot.
    pub from: u64,
    /// The first moment that is not part of it.
    pub to: u64,
    /// The thread's place in [`Timeline::threads`]; none: the idle task.
    pub thread: Option<usize>,
}

/// Something that took time: a handler, an item of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    /// Nanoseconds since boot.
    pub from: u64,
    /// Its end.
    pub to: u64,
    /// How many others it is inside of.
    pub depth: usize,
    /// What it is.
    pub kind: Kind,
    /// How it is called.
    pub name: String,
    /// What else is known.
    pub arguments: String,
}

/// Something that happened to a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Nanoseconds since boot.
    pub time: u64,
    /// In a word or two.
    pub name: String,
    /// What else is known.
    pub arguments: String,
}

/// A CPU's row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cpu {
    /// Who ran.
    pub runs: Vec<Run>,
    /// What interrupted them.
    pub slices: Vec<Slice>,
}

/// A thread's row.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    /// Its number.
    pub pid: u32,
    /// The last name that it had.
    pub name: String,
    /// The one that made it, if that was seen.
    pub parent: Option<usize>,
    /// It lives in the kernel only: it was made by the idle task or `kthreadd`, and has executed no program.
    pub is_kernel: bool,
    /// When it was made, if that was seen.
    pub born: Option<u64>,
    /// When it left its CPU for the last time.
    pub ended: Option<u64>,
    /// What it did.
    pub spans: Vec<Span>,
    /// What it worked at.
    pub slices: Vec<Slice>,
    /// What happened to it.
    pub marks: Vec<Mark>,
}

impl Thread {
    /// As people name it.
    pub(crate) fn label(&self) -> String {
        format!("{}-{}", self.name, self.pid)
    }
}

/// Why a thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cause {
    /// Another thread has woken it.
    Wake,
    /// An interrupt has.
    Interrupt,
    /// It was made.
    Fork,
}

/// From who woke to who was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrow {
    /// Why.
    pub cause: Cause,
    /// When the waker did it.
    pub from: u64,
    /// On which CPU.
    pub cpu: usize,
    /// Who; none: an interrupt, or the idle task.
    pub waker: Option<usize>,
    /// When the other one ran.
    pub to: u64,
    /// Who.
    pub woken: usize,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    /// The time of the first record, and of the last.
    pub from: u64,
    /// See there.
    pub to: u64,
    /// By number.
    pub cpus: Vec<Cpu>,
    /// In the order in which they are first seen.
    pub threads: Vec<Thread>,
    /// In the order in which they end.
    pub arrows: Vec<Arrow>,
    /// Records that were pushed out before they were read.
    pub lost: u64,
    /// Records that contradict others: something is missing between them.
    pub odd: u64,
}

impl Timeline {
    /// Only what reaches into a time, cut to it. Threads keep their places.
    pub(crate) fn within(&self, from: u64, to: u64) -> Self {
        let cut = |start: u64, end: u64| (start.max(from), end.min(to));
        let touches = |start: u64, end: u64| start < to && end > from;
        let inside = |time: u64| (from..=to).contains(&time);
        let slices = |slices: &[Slice]| -> Vec<Slice> {
            let some = slices.iter().filter(|slice| touches(slice.from, slice.to));
            some.map(|slice| {
                let (from, to) = cut(slice.from, slice.to);
                Slice { from, to, ..slice.clone() }
            })
            .collect()
        };
        let cpus = self.cpus.iter().map(|cpu| Cpu {
            runs: cpu
                .runs
                .iter()
                .filter(|run| touches(run.from, run.to))
                .map(|run| {
                    let (from, to) = cut(run.from, run.to);
                    Run { from, to, ..*run }
                })
                .collect(),
            slices: slices(&cpu.slices),
        });
        let threads = self.threads.iter().map(|thread| Thread {
            spans: thread
                .spans
                .iter()
                .filter(|span| touches(span.from, span.to))
                .map(|span| {
                    let (from, to) = cut(span.from, span.to);
                    Span { from, to, ..*span }
                })
                .collect(),
            slices: slices(&thread.slices),
            marks: thread.marks.iter().filter(|mark| inside(mark.time)).cloned().collect(),
            ..thread.clone()
        });
        Self {
            from: from.max(self.from),
            to: to.min(self.to),
            cpus: cpus.collect(),
            threads: threads.collect(),
            arrows: self
                .arrows
                .iter()
                .filter(|arrow| inside(arrow.from) && inside(arrow.to))
                .copied()
                .collect(),
            ..*self
        }
    }

    /// Who a name and a number were in the end.
    #[cfg(test)]
    pub(crate) fn thread(&self, name: &str) -> &Thread {
        self.threads.iter().find(|thread| thread.name == name).expect("a thread of this name")
    }
}
