//! Timelines of a real boot.

use super::Case;
use crate::test::guest::lab::Lab;
use crate::trace::guest::{self, EVENTS, Events};
use crate::trace::{chrome_json, schema};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![Case::new("r04_a_traced_boot_tells_lives", traced_boot_tells_lives)]
}

/// Tells the command's output from the trace.
const DIVIDER: &str = "#trace#";

/// Workers are made and end while everything from the first task on is recorded.
fn traced_boot_tells_lives(lab: &Lab) -> Result<()> {
    let events = Events { names: EVENTS, buffer: "4M" };
    let script = "\
        workers() { ps -o comm | grep -c kworker/0:; }
        echo WORKQUEUE_ACTIVE > /sys/kernel/debug/provoke-crash/DIRECT
        while [ $(workers) -gt 5 ]; do sleep 0.5; done; echo done; exit 3";
    let mut command = guest::wrapper(DIVIDER, false);
    command.extend(["sh", "-c", script].map(str::to_owned));
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let parameters = format!("workqueue.idle_timeout=1 {}", events.parameters());
    let outcome = lab.guest().cpus(2).append(&parameters).run(&command)?.status(3)?;
    let Some((said, text)) = outcome.output().split_once(DIVIDER) else {
        return outcome.wrong("no trace came out");
    };
    ensure!(said == "done\n", "the command said {said:?}");
    let file = chrome_json(text)?;
    let told = schema::check(&file).and_then(|()| Told::new(&file)?.check());
    told.with_context(|| {
        let tail = text.lines().rev().take(30).collect::<Vec<_>>();
        format!("the trace ends so:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"))
    })
}

/// What a file tells.
struct Told<'a> {
    file: &'a Value,
    events: &'a [Value],
}

impl<'a> Told<'a> {
    fn new(file: &'a Value) -> Result<Self> {
        let events = file["traceEvents"].as_array().context("no events")?;
        Ok(Self { file, events })
    }

    fn check(&self) -> Result<()> {
        for nothing in ["lost events", "contradictions"] {
            ensure!(self.file["otherData"][nothing] == 0, "{nothing}: {}", self.file["otherData"]);
        }
        // From the start on: PID 1 and kthreadd are made before the trace's eyes.
        for pid in [1, 2] {
            ensure!(self.states(pid).first() == Some(&"new"), "PID {pid} was not seen to be made");
        }
        for (name, category) in
            [("TIMER", "softirq"), ("first wake-up", "event"), ("exec", "event"), ("exit", "event")]
        {
            let is_there =
                self.events.iter().any(|event| event["name"] == name && event["cat"] == category);
            ensure!(is_there, "no {category} {name}");
        }
        let ended = self.workers_that_ended();
        ensure!(!ended.is_empty(), "no worker of CPU 0 was made and has ended");
        ended.into_iter().try_for_each(|pid| {
            self.check_life(pid).with_context(|| format!("the life of PID {pid}"))
        })
    }

    /// The numbers of those whose row shows an exit.
    fn workers_that_ended(&self) -> Vec<u64> {
        let has_ended = |pid: u64| {
            self.events.iter().any(|event| event["name"] == "exit" && event["tid"] == pid)
        };
        let workers = self.events.iter().filter(|event| {
            let is_worker = |name: &str| name.starts_with("kworker/0:");
            event["name"] == "thread_name"
                && event["pid"] == 2
                && event["args"]["name"].as_str().is_some_and(is_worker)
        });
        workers.filter_map(|event| event["tid"].as_u64()).filter(|&pid| has_ended(pid)).collect()
    }

    fn states(&self, pid: u64) -> Vec<&str> {
        let states =
            self.events.iter().filter(|event| event["cat"] == "state" && event["tid"] == pid);
        states.filter_map(|event| event["name"].as_str()).collect()
    }

    /// kthreadd makes it, it reports itself in, works, sleeps and ends.
    fn check_life(&self, pid: u64) -> Result<()> {
        let states = self.states(pid);
        ensure!(states.starts_with(&["new", "runnable", "running"]), "it begins so: {states:?}");
        ensure!(states.last() == Some(&"running"), "it does not end on a CPU: {states:?}");
        ensure!(
            states.contains(&"idle"),
            "a worker without work does not count as load: {states:?}"
        );
        let made = self
            .events
            .iter()
            .find(|event| event["ph"] == "f" && event["name"] == "makes" && event["tid"] == pid);
        let number = &made.context("nobody makes it")?["id"];
        let maker = self.events.iter().find(|event| event["ph"] == "s" && event["id"] == *number);
        let maker = maker.context("an arrow from nowhere")?;
        ensure!(maker["tid"] == 2, "not kthreadd made it, but {maker}");
        let wakes = self
            .events
            .iter()
            .any(|event| event["ph"] == "s" && event["name"] == "wakes" && event["tid"] == pid);
        ensure!(wakes, "it has never woken anybody, not even who wanted it");
        Ok(())
    }
}
