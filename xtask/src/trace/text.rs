//! The lines of `/sys/kernel/tracing/trace`, read.
//!
//! ```text
//!               sh-14      [000] d..1.     0.171893: sched_wakeup_new: comm=sh pid=17 prio=120 target_cpu=001
//!         task: name-number, CPU, context, seconds,  event: fields
//! ```
//!
//! Six digits after the point are microseconds, nine are nanoseconds: Linux writes the first, Heddle both.

use super::event::{Event, Named, Record};

/// What a text says.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// The records, ordered by time.
    pub records: Vec<Record>,
    /// Records that were pushed out of the rings before anybody read them.
    pub lost: u64,
    /// Lines that are none.
    pub unread: Vec<String>,
}

/// Reads all lines. Comments are passed over.
pub(crate) fn read(text: &str) -> Read {
    let mut read = Read::default();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match record(line) {
            Some(record) => read.records.push(record),
            None => match lost(line) {
                Some(count) => read.lost += count,
                None => read.unread.push(line.to_owned()),
            },
        }
    }
    // Readers merge the rings by time, but a reader of two may have been overtaken.
    read.records.sort_by_key(|record| record.time);
    read
}

/// `CPU:0 [LOST 12 EVENTS]`, as pipes say it, and `overrun: 12` of a ring's statistics.
fn lost(line: &str) -> Option<u64> {
    let in_pipe = line.split_once("[LOST ").and_then(|(_, rest)| rest.split_once(" EVENTS]"));
    match in_pipe {
        Some((count, _)) => count.parse().ok(),
        None => line.strip_prefix("overrun: ")?.parse().ok(),
    }
}

fn record(line: &str) -> Option<Record> {
    let (task, cpu, rest) = who_and_where(line)?;
    let (context, rest) = rest.split_once(' ')?;
    let (time, rest) = rest.trim_start().split_once(": ")?;
    // An event may have no fields.
    let (name, fields) = rest.split_once(": ").or_else(|| Some((rest.strip_suffix(':')?, "")))?;
    Some(Record {
        time: nanoseconds(time)?,
        cpu,
        in_interrupt: in_interrupt(context, &task),
        event: Event::parse(name, fields),
        task,
    })
}

/// The task, the CPU, and what follows. A name may have blanks, brackets and dashes in it.
fn who_and_where(line: &str) -> Option<(Named, usize, &str)> {
    line.match_indices(" [").find_map(|(place, _)| {
        let (cpu, rest) = line[place + 2..].split_once("] ")?;
        let (name, pid) = line[..place].trim_end().rsplit_once('-')?;
        Some((Named::new(name.trim_start(), pid.parse().ok()?), cpu.parse().ok()?, rest))
    })
}

/// Seconds with six or nine digits after the point.
fn nanoseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.')?;
    let unit = match fraction.len() {
        6 => 1000,
        9 => 1,
        _ => return None,
    };
    let fraction: u64 = fraction.parse().ok()?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000_000 + fraction * unit)
}

/// Whether somebody was interrupted who has nothing to do with it. A softirq that its own thread serves is that thread's work.
fn in_interrupt(context: &str, task: &Named) -> bool {
    match context.as_bytes().get(2) {
        Some(b'h' | b'H') => true,
        Some(b's') => !task.name.starts_with("ksoftirqd/"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r04_a_line_has_all_its_parts() {
        let line = "  a [1] - b-c-14      [003] d.h1.    12.171893: sched_waking: comm=x y pid=17 prio=120 target_cpu=001";
        let record = record(line).unwrap();
        assert_eq!(record.task, Named::new("a [1] - b-c", 14));
        assert_eq!((record.cpu, record.time, record.in_interrupt), (3, 12_171_893_000, true));
        assert_eq!(record.event, Event::Waking { task: Named::new("x y", 17) });
    }

    #[test]
    fn r04_nanoseconds_are_read_and_lines_are_sorted() {
        let text = "# tracer: nop\n\n\
            sh-14 [000] ..... 0.000000200: b: x=1\n\
            sh-14 [000] ..s.. 0.000000100: a: \n\
            ksoftirqd/0-3 [000] ..s.. 0.000001: c:\nCPU:1 [LOST 7 EVENTS]\noverrun: 5\nnonsense\n";
        let read = read(text);
        let times: Vec<_> = read.records.iter().map(|r| (r.time, r.in_interrupt)).collect();
        assert_eq!(times, [(100, true), (200, false), (1000, false)]);
        assert_eq!((read.lost, &*read.unread), (12, &["nonsense".to_owned()][..]));
    }
}
