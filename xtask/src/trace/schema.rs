//! What a viewer of Chrome's trace events expects of a file.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// A slice on a row, in nanoseconds.
type Slice = (u64, u64);

/// Looks whether each event has its fields, slices of a row are inside of or beside each other, arrows have a beginning and an
/// end that does not come before, and each row has a name.
///
/// # Errors
/// What is wrong.
pub(crate) fn check(file: &Value) -> Result<()> {
    let events = file["traceEvents"].as_array().context("no traceEvents")?;
    let mut rows: HashMap<(u64, u64), Vec<Slice>> = HashMap::new();
    let mut named = HashSet::new();
    let mut arrows: HashMap<u64, (Option<u64>, Option<u64>)> = HashMap::new();
    for event in events {
        let number = |key: &str| event[key].as_u64().with_context(|| format!("no {key}: {event}"));
        let time = |key: &str| {
            let value = event[key].as_f64().filter(|value| *value >= 0.0);
            let value = value.with_context(|| format!("no {key}: {event}"))?;
            anyhow::Ok((value * 1000.0).round() as u64)
        };
        let phase = event["ph"].as_str().with_context(|| format!("no ph: {event}"))?;
        let name = event["name"].as_str().with_context(|| format!("no name: {event}"))?;
        let row = (number("pid")?, number("tid")?);
        match phase {
            "M" => {
                if name == "thread_name" {
                    ensure!(event["args"]["name"].is_string(), "a row without a name: {event}");
                    named.insert(row);
                }
                continue;
            }
            "X" => rows.entry(row).or_default().push((time("ts")?, time("ts")? + time("dur")?)),
            "i" => drop(time("ts")?),
            "s" => arrows.entry(number("id")?).or_default().0 = Some(time("ts")?),
            "f" => arrows.entry(number("id")?).or_default().1 = Some(time("ts")?),
            _ => bail!("an event of an unknown kind: {event}"),
        }
        ensure!(named.contains(&row), "a row that has no name: {event}");
    }
    for (row, slices) in &mut rows {
        nested(slices).with_context(|| format!("on row {row:?}"))?;
    }
    for (id, ends) in arrows {
        match ends {
            (Some(from), Some(to)) if from <= to => {}
            _ => bail!("arrow {id} has not both ends in order: {ends:?}"),
        }
    }
    Ok(())
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
