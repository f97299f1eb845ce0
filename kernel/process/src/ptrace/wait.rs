//! How a tracer learns of its tracees, and what becomes of those that have ended.
//!
//! To its tracer every thread is a child: each stops and ends on its own account, and stays as a
//! zombie until its tracer has waited for it. The end of the whole process is the parent's affair
//! only after that.

use alloc::sync::Arc;

use sched::TaskRef;

use super::link::unlink;
use super::tracee::Phase;
use crate::exit::{Released, Zombie, notify_parent};
use crate::pid::Pid;
use crate::process::Process;
use crate::signal::{Signal, child};
use crate::table::Table;
use crate::thread::{ExitState, Thread};
use crate::wait::{ChildEvent, WaitOptions};

/// An event of a tracee.
pub(crate) struct TraceeEvent {
    pub(crate) task: TaskRef,
    pub(crate) event: ChildEvent,
}

/// Looks for an event of a tracee of `tracer` that `is_meant`. Also whether there is such a tracee.
pub(crate) fn look_at_tracees(
    _table: &Table,
    tracer: &Process,
    is_meant: impl Fn(&Thread) -> bool,
    options: WaitOptions,
) -> (bool, Option<TraceeEvent>) {
    let mut any = false;
    let tracees = tracer.tracees.lock_irq();
    for task in tracees.iter() {
        let thread = Thread::of(task);
        if !is_meant(thread) {
            continue;
        }
        any = true;
        if let Some(event) = event_of(thread, options) {
            return (true, Some(TraceeEvent { task: task.clone(), event }));
        }
    }
    (any, None)
}

/// The event of a tracee, taken unless the options say otherwise.
fn event_of(thread: &Thread, options: WaitOptions) -> Option<ChildEvent> {
    let process = thread.process();
    let take = !options.contains(WaitOptions::NOWAIT);
    if thread.exit_state() != ExitState::Alive {
        let ended = thread.exit_state() == ExitState::Zombie
            && options.contains(WaitOptions::EXITED)
            // A leader ends with its process.
            && (!thread.is_leader() || process.is_waitable_zombie());
        return ended.then(|| ChildEvent::Ended(exit_code_of(thread)));
    }
    let mut group = process.signals().lock_irq();
    let mut signals = thread.signals.lock_irq();
    if let Some(stop) = &mut signals.trace_stop
        && stop.phase == Phase::Stopped
        && !stop.reported
    {
        stop.reported = take;
        return Some(ChildEvent::Traced(stop.code));
    }
    if thread.is_leader() && group.continued && options.contains(WaitOptions::CONTINUED) {
        group.continued = !take;
        return Some(ChildEvent::Continued);
    }
    None
}

/// `wait`'s status of an ended thread: its process's, if that was ended as one.
fn exit_code_of(thread: &Thread) -> u32 {
    let decided = thread.process().signals().lock_irq().exit;
    decided.unwrap_or(thread.exit_code())
}

/// The tracer has waited for the end of a tracee. True: the tracee was the tracer's own child as
/// well, and its process is the caller's to release.
pub(crate) fn reap(
    table: &mut Table,
    tracer: &Process,
    task: &TaskRef,
    released: &mut Released,
) -> bool {
    let thread = Thread::of(task);
    let process = thread.process();
    released.keep_trace(unlink(table, task, 0));
    if !thread.is_leader() {
        release_thread(table, task, released);
        return false;
    }
    if table.is_child(process, tracer) {
        return true;
    }
    // Now its parent may wait for it.
    if notify_parent(table, process) == Zombie::Unwanted {
        released.add_process(table, process);
    }
    false
}

/// Takes an ended thread that is not a leader out of its process.
pub(crate) fn release_thread(table: &mut Table, task: &TaskRef, released: &mut Released) {
    let thread = Thread::of(task);
    let process = thread.process();
    thread.set_exit_state(ExitState::Dead);
    let (removed, is_over) = {
        let mut group = process.signals().lock_irq();
        (group.remove_thread(task), group.has_only_a_zombie())
    };
    released.add(table, removed);
    // Perhaps another thread wants to be the only one.
    process.children_changed.wake_all();
    if is_over && notify_zombie(table, process, released) == Zombie::Unwanted {
        released.add_process(table, process);
    }
}

/// Tells whoever is to wait for an ended process: its leader's tracer, else its parent. Without a
/// wish for it, its trace has ended with it.
pub(crate) fn notify_zombie(
    table: &mut Table,
    process: &Arc<Process>,
    released: &mut Released,
) -> Zombie {
    let leader = if process.is_traced() { process.leader() } else { None };
    let Some(leader) = leader else { return notify_parent(table, process) };
    let outcome = match super::tracer_of(&leader) {
        Some(tracer) if !table.is_child(process, &tracer) => {
            process.pid().wake_ended();
            tell_of_end(&tracer, &leader)
        }
        _ => notify_parent(table, process),
    };
    if outcome == Zombie::Unwanted {
        super::forget(table, &leader, released);
    }
    released.keep(Some(leader));
    outcome
}

/// A traced thread that is not a leader has ended: its tracer is told. Without a wish for it, the
/// trace is over.
pub(crate) fn notify_thread(table: &mut Table, task: &TaskRef, released: &mut Released) -> Zombie {
    let Some(tracer) = super::tracer_of(task) else { return Zombie::Unwanted };
    let outcome = tell_of_end(&tracer, task);
    if outcome == Zombie::Unwanted {
        super::forget(table, task, released);
    }
    outcome
}

fn tell_of_end(tracer: &Arc<Process>, task: &TaskRef) -> Zombie {
    let thread = Thread::of(task);
    let pid: Arc<Pid> = thread.pid();
    let code = exit_code_of(thread);
    let outcome = child::tell_of_end(tracer, thread, &pid, code, Signal::SIGCHLD);
    tracer.children_changed.wake_all();
    outcome
}
