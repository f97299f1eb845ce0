//! What the Trace Event Format, as Chrome's developers have published it, and viewers of it expect of a file.
//!
//! | `ph` | is | has, besides `name`, `cat`, `ph`, `pid`, `tid` and `ts` |
//! |---|---|---|
//! | `X` | a slice | `dur`; slices of a row are inside of or beside each other |
//! | `i` | a mark | `s`: how far it is drawn |
//! | `s`, `f` | an arrow's beginning and end | `id`; `f` has `bp`, too: both belong to the slice that is around them |
//! | `M` | the name or place of a row or a group | `args`, and its own names only |
//!
//! `B` and `E`, which would have to balance, are not used, and so not allowed; nor are counters and the rest.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// A slice on a row, in nanoseconds.
type Slice = (u64, u64);
/// A group, and a row in it: `pid` and `tid`.
type Row = (u64, u64);

/// The names that viewers have for colours, as far as they are used.
const COLOURS: [&str; 8] = [
    "grey",
    "startup",
    "thread_state_iowait",
    "thread_state_runnable",
    "thread_state_running",
    "thread_state_sleeping",
    "thread_state_unknown",
    "yellow",
];

/// One end of an arrow: where, when, and what it is called.
#[derive(Debug, PartialEq, Eq)]
struct End {
    row: Row,
    time: u64,
    name: String,
}

/// What has been seen of a file.
#[derive(Default)]
struct Seen {
    slices: HashMap<Row, Vec<Slice>>,
    named: HashSet<Row>,
    groups: HashSet<u64>,
    arrows: HashMap<u64, (Option<End>, Option<End>)>,
}

/// Looks whether a file is as the format has it, and as it makes sense: each event has its fields, each row and group one name, which
/// comes first, slices lie in each other, arrows lead from slice to slice and not back in time.
///
/// # Errors
/// What is wrong.
pub(crate) fn check(file: &Value) -> Result<()> {
    let unit = file["displayTimeUnit"].as_str();
    ensure!(matches!(unit, Some("ms" | "ns")), "no unit of time");
    ensure!(file["otherData"].is_object(), "no otherData");
    let events = file["traceEvents"].as_array().context("no traceEvents")?;
    let mut seen = Seen::default();
    for event in events {
        seen.take(event).with_context(|| event.to_string())?;
    }
    for (row, slices) in &mut seen.slices {
        nested(slices).with_context(|| format!("on row {row:?}"))?;
    }
    for (id, ends) in &seen.arrows {
        let (Some(from), Some(to)) = ends else { bail!("arrow {id} has one end only: {ends:?}") };
        ensure!(from.time <= to.time, "arrow {id} leads back in time: {ends:?}");
        ensure!(from.name == to.name, "arrow {id} has two names: {ends:?}");
        for end in [from, to] {
            // Sorted by now.
            let slices = seen.slices.get(&end.row).map_or(&[][..], |slices| slices);
            let begun = &slices[..slices.partition_point(|&(from, _)| from <= end.time)];
            let is_inside = begun.iter().rev().any(|&(_, to)| end.time <= to);
            ensure!(is_inside, "arrow {id} has an end in no slice: {end:?}");
        }
    }
    Ok(())
}

fn number(event: &Value, key: &str) -> Result<u64> {
    event[key].as_u64().with_context(|| format!("no {key}"))
}

fn text<'a>(event: &'a Value, key: &str) -> Result<&'a str> {
    event[key].as_str().filter(|text| !text.is_empty()).with_context(|| format!("no {key}"))
}

/// Microseconds in the file, nanoseconds here.
fn time(event: &Value, key: &str) -> Result<u64> {
    let value = event[key].as_f64().filter(|value| *value >= 0.0);
    Ok((value.with_context(|| format!("no {key}"))? * 1000.0).round() as u64)
}

impl Seen {
    fn take(&mut self, event: &Value) -> Result<()> {
        let row = (number(event, "pid")?, number(event, "tid")?);
        let (phase, name) = (text(event, "ph")?, text(event, "name")?);
        let (from, _) = (time(event, "ts")?, text(event, "cat")?);
        let arguments = &event["args"];
        ensure!(arguments.is_null() || arguments.is_object(), "args are no object");
        if let Some(colour) = event.get("cname") {
            let is_known = colour.as_str().is_some_and(|colour| COLOURS.contains(&colour));
            ensure!(is_known, "a colour that viewers do not know");
        }
        if phase == "M" {
            return self.describe(row, name, arguments);
        }
        ensure!(self.named.contains(&row), "a row that has no name");
        ensure!(self.groups.contains(&row.0), "a group that has no name");
        match phase {
            "X" => self.slices.entry(row).or_default().push((from, from + time(event, "dur")?)),
            "i" => ensure!(matches!(text(event, "s")?, "t" | "p" | "g"), "no such scope"),
            "s" => self.end(event, row, |ends| &mut ends.0)?,
            "f" => {
                ensure!(event["bp"] == "e", "an arrow's end that belongs to the next slice");
                self.end(event, row, |ends| &mut ends.1)?;
            }
            _ => bail!("an event of an unknown kind"),
        }
        Ok(())
    }

    /// An event that says something about a row or a group.
    fn describe(&mut self, row: Row, name: &str, arguments: &Value) -> Result<()> {
        match name {
            "thread_name" | "process_name" => {
                text(arguments, "name")?;
                let is_first = match name {
                    "thread_name" => self.named.insert(row),
                    _ => self.groups.insert(row.0),
                };
                ensure!(is_first, "a second name");
            }
            "thread_sort_index" | "process_sort_index" => drop(number(arguments, "sort_index")?),
            _ => bail!("viewers know nothing of this name"),
        }
        Ok(())
    }

    fn end(
        &mut self,
        event: &Value,
        row: Row,
        which: impl FnOnce(&mut (Option<End>, Option<End>)) -> &mut Option<End>,
    ) -> Result<()> {
        let name = format!("{} {}", text(event, "cat")?, text(event, "name")?);
        let end = End { row, time: time(event, "ts")?, name };
        let place = which(self.arrows.entry(number(event, "id")?).or_default());
        ensure!(place.replace(end).is_none(), "two arrows with one number");
        Ok(())
    }
}

fn nested(slices: &mut [Slice]) -> Result<()> {
    // Of those that begin together the longest is outside.
    slices.sort_by_key(|&(from, to)| (from, std::cmp::Reverse(to)));
    let mut outer: Vec<Slice> = Vec::new();
    for &mut (from, to) in slices {
        while outer.last().is_some_and(|&(_, end)| end <= from) {
            outer.pop();
        }
        if let Some(&around) = outer.last() {
            ensure!(to <= around.1, "slices overlap: {around:?} and {:?}", (from, to));
        }
        outer.push((from, to));
    }
    Ok(())
}
