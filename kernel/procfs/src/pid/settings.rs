//! What can be set about a process, and its limits.

use alloc::sync::Arc;
use core::fmt::{self, Write};

use errno::{Errno, Result};
use fs::Capabilities;
use kernfs::{Text, parse_integer};
use process::{INFINITY, Resource, Thread};
use sched::TaskRef;

use super::name_of;
use super::subject::Subject;

/// The range of `oom_score_adj`.
const OOM_SCORE_ADJ: core::ops::RangeInclusive<i64> = -1000..=1000;

/// `comm`
pub(super) fn comm(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    text.push(&name_of(task))?;
    text.push(b"\n")
}

/// A thread may rename its process's threads, and nobody else's.
pub(super) fn set_comm(_subject: &Subject, task: &TaskRef, bytes: &[u8]) -> Result<()> {
    let current = sched::current();
    if !Arc::ptr_eq(Thread::of(&current).process(), Thread::of(task).process()) {
        return Err(Errno::EINVAL);
    }
    let end = bytes.iter().position(|&byte| byte == 0 || byte == b'\n').unwrap_or(bytes.len());
    process::set_comm(task, &bytes[..end]);
    process::events::renamed(task);
    Ok(())
}

/// `oom_score`: how likely it is to be killed when memory runs out, 0 to 2000: its share of memory
/// in thousandths, and its own adjustment. 0: never, as what has no memory or the least adjustment.
pub(super) fn oom_score(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let thread = Thread::of(task);
    let adjustment = i64::from(thread.process().oom_score_adj());
    let Some(mm) = thread.mm().filter(|_| adjustment != *OOM_SCORE_ADJ.start()) else {
        return text.push(b"0\n");
    };
    let resident = mm.statistics().resident as i64;
    let total = (::memory::statistics().total / ::memory::PAGE_SIZE).max(1) as i64;
    let points = 1000 + resident * 1000 / total + adjustment;
    writeln!(text, "{}", (points * 2 / 3).clamp(0, 2000))?;
    Ok(())
}

/// `oom_score_adj`
pub(super) fn oom_score_adj(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    writeln!(text, "{}", Thread::of(task).process().oom_score_adj())?;
    Ok(())
}

/// Only with `CAP_SYS_RESOURCE` may it become less likely to be killed.
pub(super) fn set_oom_score_adj(_subject: &Subject, task: &TaskRef, bytes: &[u8]) -> Result<()> {
    let value = parse_integer(bytes)?;
    if !OOM_SCORE_ADJ.contains(&value) {
        return Err(Errno::EINVAL);
    }
    let process = Thread::of(task).process();
    let credentials = Thread::of(&sched::current()).credentials();
    if value < i64::from(process.oom_score_adj())
        && !credentials.capable(Capabilities::SYS_RESOURCE)
    {
        return Err(Errno::EACCES);
    }
    process.set_oom_score_adj(value as i16);
    Ok(())
}

/// A row of `limits`: what it is called, which it is, and its unit.
const ROWS: [(&str, Resource, &str); 16] = [
    ("Max cpu time", Resource::Cpu, "seconds"),
    ("Max file size", Resource::FileSize, "bytes"),
    ("Max data size", Resource::Data, "bytes"),
    ("Max stack size", Resource::Stack, "bytes"),
    ("Max core file size", Resource::Core, "bytes"),
    ("Max resident set", Resource::Resident, "bytes"),
    ("Max processes", Resource::Processes, "processes"),
    ("Max open files", Resource::Files, "files"),
    ("Max locked memory", Resource::LockedMemory, "bytes"),
    ("Max address space", Resource::AddressSpace, "bytes"),
    ("Max file locks", Resource::Locks, "locks"),
    ("Max pending signals", Resource::SignalsPending, "signals"),
    ("Max msgqueue size", Resource::MessageQueue, "bytes"),
    ("Max nice priority", Resource::Nice, ""),
    ("Max realtime priority", Resource::RealTimePriority, ""),
    ("Max realtime timeout", Resource::RealTimeTime, "us"),
];

/// `limits`
pub(super) fn limits(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let process = Thread::of(task).process();
    writeln!(text, "{:<25} {:<20} {:<20} {:<10}", "Limit", "Soft Limit", "Hard Limit", "Units")?;
    for (name, resource, unit) in ROWS {
        let limit = process.limit(resource);
        let (soft, hard) = (Bound(limit.soft), Bound(limit.hard));
        write!(text, "{name:<25} {soft:<20} {hard:<20} ")?;
        if unit.is_empty() { text.push(b"\n")? } else { writeln!(text, "{unit:<10}")? }
    }
    Ok(())
}

/// One bound: a number or `unlimited`.
struct Bound(u64);

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == INFINITY { f.pad("unlimited") } else { fmt::Display::fmt(&self.0, f) }
    }
}
