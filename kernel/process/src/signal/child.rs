//! What a parent is told about its children.

use alloc::sync::Arc;

use sched::TaskRef;

use super::action::{ActionFlags, Handler};
use super::info::{Details, SigInfo, end_of};
use super::number::Signal;
use super::send::signal_process;
use crate::exit::Zombie;
use crate::pid::Pid;
use crate::process::Process;
use crate::thread::Thread;

/// Tells a parent that its child has ended, and whether somebody will wait for it. The process
/// table is locked.
pub(crate) fn send_child_ended(parent: &Arc<Process>, child: &Process) -> Zombie {
    let Some(signal) = Signal::from_number(child.exit_signal()) else { return Zombie::Wanted };
    // A kernel thread is not worth looking at its child for.
    if let Some(known) = without_looking(parent, signal) {
        return known;
    }
    let Some(leader) = child.leader() else { return Zombie::Wanted };
    let code = child.final_exit_code(&leader);
    tell_of_end(parent, Thread::of(&leader), child.pid(), code, signal)
}

/// What a parent wants that is a kernel thread, or is gone.
fn without_looking(parent: &Process, signal: Signal) -> Option<Zombie> {
    match parent.signals().lock_irq().threads.first() {
        Some(leader)
            if leader.is_kthread() && !Thread::of(leader).allowed_signals().contains(signal) =>
        {
            Some(Zombie::Unwanted)
        }
        Some(_) => None,
        None => Some(Zombie::Wanted),
    }
}

/// Tells whoever waits for a thread, its process's parent or its tracer, that it has ended.
pub(crate) fn tell_of_end(
    parent: &Arc<Process>,
    thread: &Thread,
    pid: &Pid,
    code: u32,
    signal: Signal,
) -> Zombie {
    let action = parent.sighand().get(signal);
    let unwanted = signal == Signal::SIGCHLD
        && (action.handler == Handler::Ignore || action.flags.contains(ActionFlags::NOCLDWAIT));
    if !(signal == Signal::SIGCHLD && action.handler == Handler::Ignore) {
        // The parent may be ending; then nobody wants to know.
        let (why, status) = end_of(code);
        let _ = signal_process(parent, info(parent, thread, pid, signal, (why, status)));
    }
    if unwanted { Zombie::Unwanted } else { Zombie::Wanted }
}

/// Tells a tracer that a thread has stopped for it.
pub(crate) fn tell_of_stop(tracer: &Arc<Process>, task: &TaskRef, code: i32, status: i32) {
    let action = tracer.sighand().get(Signal::SIGCHLD);
    if action.handler == Handler::Ignore || action.flags.contains(ActionFlags::NOCLDSTOP) {
        return;
    }
    let thread = Thread::of(task);
    let pid = thread.pid();
    // A tracer that is ending does not want to know.
    let _ = signal_process(tracer, info(tracer, thread, &pid, Signal::SIGCHLD, (code, status)));
}

/// The `siginfo` of news about a child.
pub(crate) fn child_info(
    parent: &Process,
    child: &Process,
    signal: Signal,
    code: i32,
    status: i32,
) -> SigInfo {
    match child.leader() {
        Some(leader) => info(parent, Thread::of(&leader), child.pid(), signal, (code, status)),
        None => SigInfo::kernel(signal),
    }
}

fn info(
    parent: &Process,
    thread: &Thread,
    pid: &Pid,
    signal: Signal,
    (code, status): (i32, i32),
) -> SigInfo {
    let pid = parent.pid().namespace().map_or(0, |namespace| pid.number_in(namespace));
    let usage = thread.process().usage.lock_irq().ended_threads;
    let details = Details::Child {
        pid,
        uid: thread.user().uid(),
        status,
        utime: usage.user / crate::usage::CLOCK_TICK,
        stime: usage.system / crate::usage::CLOCK_TICK,
    };
    SigInfo { signal, errno: 0, code, details }
}
