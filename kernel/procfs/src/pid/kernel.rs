//! What the kernel does for a task: where it waits, what it costs, and what stands for features
//! that are not there.

use alloc::format;
use core::fmt::Write;

use errno::{Errno, Result};
use fs::Capabilities;
use kernfs::Text;
use process::Thread;
use sched::TaskRef;

use super::name_of;
use super::subject::Subject;

/// The deepest backtrace that is shown.
const DEPTH: usize = 64;

/// `wchan`: 0, as Linux shows where it knows no symbol.
pub(super) fn wchan(_subject: &Subject, _task: &TaskRef, text: &mut Text) -> Result<()> {
    text.push(b"0")
}

/// `stack`: the return addresses of a task that does not run.
pub(super) fn stack(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    Thread::of(&sched::current())
        .credentials()
        .capable(Capabilities::SYS_ADMIN)
        .then_some(())
        .ok_or(Errno::EACCES)?;
    if task.is_on_cpu() {
        return Ok(());
    }
    let context = task.context();
    let mut depth = 0;
    let mut outcome = Ok(());
    let start = machine::thread::Context::saved_frame_pointer(context);
    machine::backtrace::walk(start, context.stack_bounds(), &mut |address| {
        if depth < DEPTH && outcome.is_ok() {
            depth += 1;
            outcome = writeln!(text, "[<0>] {address:#x}");
        }
    });
    Ok(outcome?)
}

/// `schedstat`: nanoseconds on a CPU, nanoseconds waiting for one, turns.
pub(super) fn schedstat(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let times = task.times();
    writeln!(text, "{} {} {}", times.run, times.delay, times.turns)?;
    Ok(())
}

/// `sched`: the scheduler's numbers by name.
pub(super) fn sched(subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let times = task.times();
    let attributes = task.attributes();
    let threads = Thread::of(task).process().thread_count();
    text.push(&name_of(task))?;
    writeln!(text, " ({}, #threads: {threads})\n{:-<67}", subject.number(), "")?;
    let milliseconds = |nanoseconds: u64| (nanoseconds / 1_000_000, nanoseconds % 1_000_000);
    let (run, run_part) = milliseconds(times.run);
    let (delay, delay_part) = milliseconds(times.delay);
    let width = 45;
    let name = "se.sum_exec_runtime";
    writeln!(text, "{name:<width$}:{:>21}", format!("{run}.{run_part:06}"))?;
    let name = "wait_sum";
    writeln!(text, "{name:<width$}:{:>21}", format!("{delay}.{delay_part:06}"))?;
    for (name, value) in [
        ("nr_switches", times.voluntary + times.involuntary),
        ("nr_voluntary_switches", times.voluntary),
        ("nr_involuntary_switches", times.involuntary),
        ("policy", u64::from(attributes.policy.number())),
    ] {
        writeln!(text, "{name:<width$}:{value:>21}")?;
    }
    let name = "prio";
    let priority = if attributes.priority > 0 {
        99 - i32::from(attributes.priority)
    } else {
        120 + i32::from(attributes.nice)
    };
    writeln!(text, "{name:<width$}:{priority:>21}")?;
    Ok(())
}

/// `cgroup`: the one hierarchy, and the group in it.
pub(super) fn cgroup(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let group = process::cgroup_of(process::process_of(task));
    text.push(b"0::")?;
    text.push(&group.path()?)?;
    text.push(if group.is_online() { b"\n" } else { b" (deleted)\n" })
}

/// `personality`
pub(super) fn personality(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    writeln!(text, "{:08x}", Thread::of(task).personality())?;
    Ok(())
}

/// `io`: nothing is counted, so all is 0.
pub(super) fn io(_subject: &Subject, _task: &TaskRef, text: &mut Text) -> Result<()> {
    for name in
        ["rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "cancelled_write_bytes"]
    {
        writeln!(text, "{name}: 0")?;
    }
    Ok(())
}
