//! `/sys/kernel/tracing`: the switches of the trace events, and what they have recorded.
//!
//! | file | is |
//! |---|---|
//! | `trace` | the records, oldest first; reading leaves them, writing throws them away |
//! | `trace_pipe` | the same, but what is read is gone, and a reader waits for more |
//! | `tracing_on` | 0 stops recording, whatever is switched on |
//! | `set_event`, `available_events` | the events by name: `sched:sched_switch`, `sched`, `!sched:*` |
//! | `events/SYSTEM/EVENT/` | `enable`, `format` and `id` of one; `enable` of a system, and of all |
//! | `trace_marker` | what is written here is recorded |
//! | `buffer_size_kb`, `per_cpu/cpuN/stats` | the rings |
//! | `options/nanoseconds` | whether times are shown to the nanosecond, which Linux's are not |
//!
//! There is one tracer, `nop`, which records events and nothing else.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod events;
mod pipe;
mod records;

use core::fmt::Write;

use errno::{Errno, Result};
use kernfs::{Attribute, parse_integer};

/// Makes the files. Once, when there is a `/sys`.
///
/// # Errors
/// EEXIST: called twice. ENOMEM.
pub fn init() -> Result<()> {
    let root = sysfs::root().subdirectory("kernel/tracing")?;
    root.add_file(
        "tracing_on",
        Attribute::shown(|text| Ok(writeln!(text, "{}", u8::from(trace::is_on()))?)).store(
            |bytes| {
                trace::set_on(switch(bytes)?);
                Ok(())
            },
        ),
    )?;
    root.add_file("available_tracers", Attribute::shown(|text| text.push(b"nop\n")))?;
    root.add_file(
        "current_tracer",
        Attribute::shown(|text| text.push(b"nop\n"))
            .store(|bytes| if bytes.trim_ascii() == b"nop" { Ok(()) } else { Err(Errno::EINVAL) }),
    )?;
    root.add_file("trace_clock", Attribute::shown(|text| text.push(b"[mono]\n")))?;
    root.add_file("trace_marker", Attribute::new().store(mark))?;
    root.subdirectory("options")?.add_file(
        "nanoseconds",
        Attribute::shown(|text| {
            Ok(writeln!(text, "{}", u8::from(trace::line::shows_nanoseconds()))?)
        })
        .store(|bytes| {
            trace::line::show_nanoseconds(switch(bytes)?);
            Ok(())
        }),
    )?;
    records::register(&root)?;
    events::register(&root)?;
    root.add("trace_pipe", pipe::node(root.tree()))
}

/// 0 or 1.
fn switch(bytes: &[u8]) -> Result<bool> {
    match parse_integer(bytes)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Errno::EINVAL),
    }
}

/// A line from user space.
fn mark(bytes: &[u8]) -> Result<()> {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    trace::mark(&text[..text.len().min(trace::line::MARK_MAX)])
}
