//! `stat` and `statm`: the summaries that `ps` and `top` read.

use core::fmt::Write;

use errno::Result;
use kernfs::Text;
use process::{ExitState, Process, Resource, Thread, Usage};
use sched::{Task, TaskFlags, TaskRef};
use vm::Layout;

use super::subject::{Scope, Subject, may_inspect};
use super::{name_of, state_of};

/// Nanoseconds in the unit of time that user space is shown (`USER_HZ` is 100).
pub(super) const CLOCK_TICK: u64 = time::SECOND / 100;

/// `stat`: 52 fields in one line.
pub(super) fn stat(subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let thread = Thread::of(task);
    let process = thread.process();
    let namespace = subject.namespace();
    let number =
        |pid: Option<alloc::sync::Arc<process::Pid>>| pid.map_or(0, |pid| pid.number_in(namespace));
    let session = process::session_of(process);
    let terminal = session.as_ref().and_then(|session| session.terminal());
    let parent = process::parent_of(process).map(|parent| parent.pid().clone());

    write!(text, "{} (", subject.number())?;
    text.push(&name_of(task))?;
    let mut state = [0; 4];
    text.push(b") ")?;
    text.push(state_of(task).0.encode_utf8(&mut state).as_bytes())?;
    text.push_fields(&[
        number(parent).into(),
        number(process::group_of(process)).into(),
        number(session.map(|session| session.id().clone())).into(),
    ])?;
    text.push_signed_field(terminal.as_ref().map_or(0, |it| it.device_number()).into())?;
    let foreground = terminal.map(|terminal| i64::from(number(terminal.foreground_group())));
    text.push_signed_field(foreground.unwrap_or(-1))?;

    let (own, children) = usage(subject, task);
    // Page faults are not counted: fields 10 to 13.
    let ticks = |nanoseconds| nanoseconds / CLOCK_TICK;
    let used = [own.user, own.system, children.user, children.system].map(ticks);
    text.push_fields(&[flags(task).into(), 0, 0, 0, 0])?;
    text.push_fields(&used)?;

    let attributes = task.attributes();
    text.push_signed_field(priority(task).into())?;
    text.push_signed_field(attributes.nice.into())?;
    text.push_fields(&[process.thread_count() as u64, 0, ticks(thread.start_time())])?;

    // Addresses are shown to those who could look for themselves.
    let permitted = may_inspect(task);
    let statistics = thread.mm().map(|mm| mm.statistics()).unwrap_or_default();
    let layout = shown_layout(thread, permitted);
    text.push_fields(&[
        (statistics.size * memory::PAGE_SIZE) as u64,
        statistics.resident as u64,
        process.limit(Resource::Resident).soft,
        layout.code.0 as u64,
        layout.code.1 as u64,
        layout.start_stack as u64,
        0,
        0,
    ])?;

    let signals = process::signal_status(task);
    let low = |set: process::SigSet| set.bits() & 0x7fff_ffff;
    let sets = [signals.pending, signals.blocked, signals.ignored, signals.caught].map(low);
    let waiting = u64::from(!task.is_queued() && !task.is_on_cpu());
    text.push_fields(&sets)?;
    text.push_fields(&[waiting, 0, 0])?;
    text.push_signed_field(exit_signal(thread))?;
    let (priority, policy) = (attributes.priority, attributes.policy.number());
    text.push_fields(&[task.cpu() as u64, priority.into(), policy.into()])?;

    text.push_fields(&[
        0,
        0,
        0,
        layout.data.0 as u64,
        layout.data.1 as u64,
        layout.start_brk as u64,
        layout.arguments.0 as u64,
        layout.arguments.1 as u64,
        layout.environment.0 as u64,
        layout.environment.1 as u64,
        if permitted { exit_code(thread).into() } else { 0 },
    ])?;
    text.push(b"\n")
}

/// Where things are in a task's memory, as it is shown: to who may not know it, that there is code somewhere (1) and nothing else.
fn shown_layout(thread: &Thread, permitted: bool) -> Layout {
    match thread.mm() {
        None => Layout::empty(),
        Some(mm) if permitted => mm.layout(),
        Some(_) => Layout { code: (1, 1), ..Layout::empty() },
    }
}

/// `statm`: sizes in pages.
pub(super) fn statm(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let statistics = Thread::of(task).mm().map(|mm| mm.statistics()).unwrap_or_default();
    writeln!(
        text,
        "{} {} {} {} 0 {} 0",
        statistics.size,
        statistics.resident,
        statistics.file + statistics.shared_memory,
        statistics.code,
        statistics.data + statistics.stack,
    )?;
    Ok(())
}

/// What the subject used, and what its children used that it has waited for.
fn usage(subject: &Subject, task: &TaskRef) -> (Usage, Usage) {
    let process: &Process = Thread::of(task).process();
    match subject.scope() {
        Scope::Process => (process.usage(), process.children_usage()),
        Scope::Thread => (Usage::of_task(task), process.children_usage()),
    }
}

/// Field 18: 20 plus nice, or for real-time tasks -1 minus their priority, and for deadline tasks -101; what a task is lent shows here.
fn priority(task: &Task) -> i32 {
    task.priority_in_force() - 100
}

/// Field 38: threads other than the leader end without a signal.
fn exit_signal(thread: &Thread) -> i64 {
    if thread.is_leader() { i64::from(thread.process().exit_signal()) } else { -1 }
}

fn exit_code(thread: &Thread) -> u32 {
    match thread.exit_state() {
        ExitState::Alive => 0,
        ExitState::Zombie | ExitState::Dead => thread.exit_code(),
    }
}

/// Field 9: the task's flags by Linux's numbers (`PF_*`).
fn flags(task: &Task) -> u32 {
    const NUMBERS: [(TaskFlags, u32); 7] = [
        (TaskFlags::IDLE, 0x2),
        (TaskFlags::EXITING, 0x4),
        (TaskFlags::FORKNOEXEC, 0x40),
        (TaskFlags::SIGNALED, 0x400),
        (TaskFlags::NOFREEZE, 0x8000),
        (TaskFlags::KTHREAD, 0x20_0000),
        (TaskFlags::NO_SETAFFINITY, 0x400_0000),
    ];
    let set = task.flags();
    NUMBERS.iter().filter(|(flag, _)| set.contains(*flag)).map(|(_, number)| number).sum()
}
