//! What the kernel does for a task: where it waits, what it costs, and what stands for features
//! that are not there.

use alloc::format;
use core::fmt::Write;

use errno::{Errno, Result};
use fs::Capabilities;
use kernfs::Text;
use process::Thread;
use sched::TaskRef;
use symbols::Symbol;

use super::name_of;
use super::subject::{Subject, may_inspect};

/// The deepest backtrace that is shown.
const DEPTH: usize = 64;

/// `wchan`: the function that a task sleeps in, for who may inspect the task; else 0.
pub(super) fn wchan(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let function = may_inspect(task).then(|| kthread::backtrace::waits_in(task)).flatten();
    text.push(function.unwrap_or("0").as_bytes())
}

/// `stack`: the functions that a task that sleeps is in, from the innermost out.
pub(super) fn stack(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    Thread::of(&sched::current())
        .credentials()
        .capable(Capabilities::SYS_ADMIN)
        .then_some(())
        .ok_or(Errno::EACCES)?;
    let (mut depth, mut outcome) = (0, Ok(()));
    kthread::backtrace::walk_sleeping(task, &mut |address| {
        let symbol = kthread::backtrace::symbol_at(address);
        // How it waits says nothing that its state does not.
        let is_waiting = depth == 0 && symbol.is_some_and(|symbol| symbol.is_waiting);
        if is_waiting || depth == DEPTH || outcome.is_err() {
            return;
        }
        depth += 1;
        outcome = match symbol {
            Some(Symbol { name, offset, size, .. }) => {
                writeln!(text, "[<0>] {name}+{offset:#x}/{size:#x}")
            }
            None => writeln!(text, "[<0>] {address:#x}"),
        };
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
    writeln!(text, "{name:<width$}:{:>21}", task.priority_in_force())?;
    if let Some((left, deadline)) = task.deadline_budget() {
        writeln!(text, "{:<width$}:{left:>21}", "dl.runtime")?;
        writeln!(text, "{:<width$}:{deadline:>21}", "dl.deadline")?;
    }
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
