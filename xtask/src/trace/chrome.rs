//! The timeline in Chrome's trace-event format, which <https://ui.perfetto.dev> and `chrome://tracing` open.
//!
//! | group | row | slices |
//! |---|---|---|
//! | `CPUs` | `CPU n` | who ran |
//! | | `CPU n: interrupts` | interrupt handlers, softirqs, timers |
//! | `kernel threads`, `processes` | `name-number` | states |
//! | `work` | `name-number` | items of work |
//!
//! Arrows (flow events) lead from waker to woken. Times are microseconds with three digits after the point.

use super::event::State;
use super::model::{Arrow, Cause, Slice, Thread, Timeline};
use serde_json::{Map, Value, json};

/// The groups, as the format's processes.
const CPUS: u32 = 1;
const KERNEL: u32 = 2;
const PROCESSES: u32 = 3;
const WORK: u32 = 4;

/// Rows of interrupts come after those of CPUs.
const INTERRUPTS: usize = 1000;

/// The file's contents.
pub(crate) fn json(timeline: &Timeline, title: &str) -> String {
    let mut events = Vec::new();
    names(timeline, &mut events);
    for (number, cpu) in timeline.cpus.iter().enumerate() {
        for run in &cpu.runs {
            let name = match run.thread {
                Some(thread) => timeline.threads[thread].label(),
                None => format!("idle/{number}"),
            };
            let mut event = slice(CPUS, number, "cpu", &name, run.from, run.to);
            if run.thread.is_none() {
                event.insert("cname".into(), "grey".into());
            }
            events.push(event);
        }
        cpu.slices.iter().for_each(|one| events.push(named(CPUS, INTERRUPTS + number, one)));
    }
    for (place, thread) in timeline.threads.iter().enumerate() {
        let (group, row) = (group(thread), row(timeline, place));
        for span in &thread.spans {
            let mut event = slice(group, row, "state", span.state.words(), span.from, span.to);
            event.insert("cname".into(), colour(span.state).into());
            if let State::Running(cpu) = span.state {
                event.insert("args".into(), json!({ "cpu": cpu }));
            }
            events.push(event);
        }
        for mark in &thread.marks {
            let mut event = event("i", group, row, "event", &mark.name, mark.time);
            event.insert("s".into(), "t".into());
            event.insert("args".into(), json!({ "fields": mark.arguments }));
            events.push(event);
        }
        thread.slices.iter().for_each(|one| events.push(named(WORK, row, one)));
    }
    for (number, arrow) in timeline.arrows.iter().enumerate() {
        if has_slices(timeline, arrow) {
            flow(timeline, number, arrow, &mut events);
        }
    }
    let all = json!({
        "displayTimeUnit": "ns",
        "otherData": {
            "title": title,
            "lost events": timeline.lost,
            "contradictions": timeline.odd,
        },
        "traceEvents": events,
    });
    all.to_string()
}

fn group(thread: &Thread) -> u32 {
    if thread.is_kernel { KERNEL } else { PROCESSES }
}

/// Which row is a thread's: its number's, unless another had that before.
fn row(timeline: &Timeline, place: usize) -> usize {
    let pid = timeline.threads[place].pid;
    let is_first = timeline.threads[..place].iter().all(|other| other.pid != pid);
    if is_first { pid as usize } else { 1_000_000 + place }
}

fn microseconds(time: u64) -> Value {
    json!(time as f64 / 1000.0)
}

fn event(
    phase: &str,
    group: u32,
    row: usize,
    category: &str,
    name: &str,
    time: u64,
) -> Map<String, Value> {
    Map::from_iter([
        ("ph".to_owned(), phase.into()),
        ("pid".to_owned(), group.into()),
        ("tid".to_owned(), row.into()),
        ("cat".to_owned(), category.into()),
        ("name".to_owned(), name.into()),
        ("ts".to_owned(), microseconds(time)),
    ])
}

fn slice(
    group: u32,
    row: usize,
    category: &str,
    name: &str,
    from: u64,
    to: u64,
) -> Map<String, Value> {
    let mut event = event("X", group, row, category, name, from);
    event.insert("dur".into(), microseconds(to - from));
    event
}

fn named(group: u32, row: usize, one: &Slice) -> Map<String, Value> {
    let mut event = slice(group, row, one.kind.words(), &one.name, one.from, one.to);
    event.insert("args".into(), json!({ "fields": one.arguments }));
    event
}

/// Of the names that viewers have for colours.
fn colour(state: State) -> &'static str {
    match state {
        State::Running(_) => "thread_state_running",
        State::Runnable => "thread_state_runnable",
        State::Sleeping | State::Idle => "thread_state_sleeping",
        State::Uninterruptible => "thread_state_iowait",
        State::New => "startup",
        State::Stopped | State::Traced | State::Parked => "yellow",
        State::Dead | State::Unknown => "thread_state_unknown",
    }
}

fn names(timeline: &Timeline, events: &mut Vec<Map<String, Value>>) {
    let mut name = |what: &str, group: u32, row: usize, text: &str, order: usize| {
        let mut one = event("M", group, row, "__metadata", &format!("{what}_name"), 0);
        one.insert("args".into(), json!({ "name": text }));
        events.push(one);
        let mut one = event("M", group, row, "__metadata", &format!("{what}_sort_index"), 0);
        one.insert("args".into(), json!({ "sort_index": order }));
        events.push(one);
    };
    for (group, text) in
        [(CPUS, "CPUs"), (KERNEL, "kernel threads"), (PROCESSES, "processes"), (WORK, "work")]
    {
        name("process", group, 0, text, group as usize);
    }
    for cpu in 0..timeline.cpus.len() {
        name("thread", CPUS, cpu, &format!("CPU {cpu}"), 2 * cpu);
        name("thread", CPUS, INTERRUPTS + cpu, &format!("CPU {cpu}: interrupts"), 2 * cpu + 1);
    }
    for (place, thread) in timeline.threads.iter().enumerate() {
        let row = row(timeline, place);
        name("thread", group(thread), row, &thread.label(), place);
        if !thread.slices.is_empty() {
            name("thread", WORK, row, &thread.label(), place);
        }
    }
}

/// Whether there is a slice at each end of an arrow, which viewers tie it to. Where records are missing there may be none.
fn has_slices(timeline: &Timeline, arrow: &Arrow) -> bool {
    let is_seen = |thread: usize, time: u64| {
        let spans = &timeline.threads[thread].spans;
        let place = spans.partition_point(|span| span.to < time);
        spans.get(place).is_some_and(|span| span.from <= time)
    };
    let is_busy = |cpu: usize, time: u64| {
        let runs = &timeline.cpus[cpu].runs;
        let place = runs.partition_point(|run| run.to < time);
        runs.get(place).is_some_and(|run| run.from <= time)
    };
    let begins = match arrow.waker {
        Some(waker) => is_seen(waker, arrow.from),
        None => is_busy(arrow.cpu, arrow.from),
    };
    begins && is_seen(arrow.woken, arrow.to)
}

fn flow(timeline: &Timeline, number: usize, arrow: &Arrow, events: &mut Vec<Map<String, Value>>) {
    let name = match arrow.cause {
        Cause::Wake => "wakes",
        Cause::Interrupt => "interrupt wakes",
        Cause::Fork => "makes",
    };
    let (from_group, from_row) = match arrow.waker {
        Some(waker) => (group(&timeline.threads[waker]), row(timeline, waker)),
        None => (CPUS, arrow.cpu),
    };
    let woken = &timeline.threads[arrow.woken];
    let mut start = event("s", from_group, from_row, "wake", name, arrow.from);
    start.insert("id".into(), number.into());
    let mut end = event("f", group(woken), row(timeline, arrow.woken), "wake", name, arrow.to);
    end.insert("id".into(), number.into());
    end.insert("bp".into(), "e".into());
    events.push(start);
    events.push(end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::build::{build, tests::a_life};
    use crate::trace::{schema, text};

    fn life() -> Value {
        let timeline = build(&text::read(&a_life()));
        serde_json::from_str(&json(&timeline, "a life")).unwrap()
    }

    #[test]
    fn r04_the_file_is_as_viewers_want_it() {
        schema::check(&life()).unwrap();
    }

    /// What is said of a file in which the first event of a kind has been changed.
    fn refusal(phase: &str, change: impl FnOnce(&mut Map<String, Value>)) -> String {
        let mut file = life();
        let events = file["traceEvents"].as_array_mut().unwrap();
        let event = events.iter_mut().find(|event| event["ph"] == phase).unwrap();
        change(event.as_object_mut().unwrap());
        schema::check(&file)
            .err()
            .map_or_else(|| "nothing".to_owned(), |error| format!("{error:#}"))
    }

    #[test]
    fn r04_what_viewers_would_refuse_is_found() {
        let set = |phase, key: &str, value: Value| {
            refusal(phase, |event| _ = event.insert(key.to_owned(), value))
        };
        for phase in ["M", "X", "i", "s", "f"] {
            for key in ["ph", "pid", "tid", "name", "cat", "ts"] {
                let said = refusal(phase, |event| _ = event.remove(key).unwrap());
                assert!(said.contains(&format!("no {key}")), "{phase} without {key}: {said}");
            }
            for (key, value) in [("ts", json!(-1.0)), ("ts", json!("7")), ("name", json!(""))] {
                let said = set(phase, key, value);
                assert!(said.contains(&format!("no {key}")), "{phase}: {said}");
            }
            let said = set(phase, "args", json!([7]));
            assert!(said.contains("args"), "{phase}: {said}");
        }
        for (phase, key, said) in [
            ("X", "dur", "no dur"),
            ("i", "s", "no s"),
            ("s", "id", "no id"),
            ("f", "id", "no id"),
            ("f", "bp", "the next slice"),
            ("M", "args", "no name"),
        ] {
            let found = refusal(phase, |event| _ = event.remove(key).unwrap());
            assert!(found.contains(said), "{phase} without {key}: {found}");
        }
        for (phase, key, value, said) in [
            ("X", "dur", json!(-0.5), "no dur"),
            ("X", "dur", json!(5.0), "overlap"),
            ("X", "ph", json!("B"), "unknown kind"),
            ("X", "ph", json!("E"), "unknown kind"),
            ("X", "tid", json!(4711), "no name"),
            ("X", "cname", json!("mauve"), "colour"),
            ("i", "s", json!("x"), "scope"),
            ("f", "ph", json!("t"), "unknown kind"),
            ("f", "id", json!(4711), "one end only"),
            ("f", "ts", json!(0.0), "back in time"),
            ("f", "name", json!("other"), "two names"),
            ("f", "ts", json!(1e6), "no slice"),
            ("s", "ts", json!(0.0), "no slice"),
            ("s", "id", json!(1), "one number"),
            ("M", "args", json!({ "name": 7 }), "no name"),
            ("M", "name", json!("nickname"), "nothing of this name"),
        ] {
            let found = set(phase, key, value.clone());
            assert!(found.contains(said), "{phase} with {key} {value}: {found}");
        }
        let mut file = life();
        let events = file["traceEvents"].as_array_mut().unwrap();
        events.insert(1, events[0].clone());
        let twice = format!("{:#}", schema::check(&file).unwrap_err());
        assert!(twice.contains("second name"), "{twice}");
    }

    #[test]
    fn r04_a_thread_has_a_row_with_its_states() {
        let file = life();
        let events = file["traceEvents"].as_array().unwrap();
        let states: Vec<_> = events
            .iter()
            .filter(|event| event["cat"] == "state" && event["tid"] == 9)
            .map(|event| event["name"].as_str().unwrap())
            .collect();
        let expected = [
            "new",
            "runnable",
            "running",
            "uninterruptible",
            "runnable",
            "running",
            "sleeping",
            "runnable",
            "running",
        ];
        assert_eq!(states, expected);
        assert!(events.iter().any(|event| event["pid"] == WORK && event["name"] == "tidy"));
    }
}
