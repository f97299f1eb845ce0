//! Sending signals.
//!
//! Everything here may be called from any context, with the process table locked or not. The
//! decision and the queueing happen under the receiving process's `signals` lock, so they are one
//! step for whoever takes signals.

use alloc::sync::Arc;

use errno::{Errno, Result};
use sched::{TaskFlags, TaskRef, state};

use super::action::Handler;
use super::group::{self, ChildNews, GroupSignals, JobState};
use super::info::{SI_USER, SigInfo};
use super::number::{DefaultAction, SigSet, Signal};
use super::pending::Pending;
use crate::process::Process;
use crate::rlimit::Resource;
use crate::thread::Thread;

/// How hard a signal hits the first process of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Force {
    /// Only if it has a handler.
    No,
    /// SIGKILL and SIGSTOP do: from outside its namespace.
    FromOutside,
    /// Anything does: its own fault.
    Fault,
}

/// The signal went to a process or to one of its threads.
#[derive(Clone, Copy)]
enum Target<'a> {
    Process,
    Thread(&'a TaskRef),
}

/// Sends a signal to a process: any of its threads may take it. Any context.
///
/// # Errors
/// ESRCH: the process has been waited for. EAGAIN: a real-time signal of a user with too many
/// queued.
pub fn signal_process(process: &Arc<Process>, info: SigInfo) -> Result<()> {
    send(process, Target::Process, info, force_of(process, &info))
}

/// Sends a signal to one thread. Any context.
///
/// # Errors
/// ESRCH: the thread has been released. EAGAIN: a real-time signal of a user with too many queued.
pub fn signal_thread(task: &TaskRef, info: SigInfo) -> Result<()> {
    let Some(thread) = Thread::try_of(task) else { return Err(Errno::ESRCH) };
    let process = thread.process();
    send(process, Target::Thread(task), info, force_of(process, &info))
}

/// Sends a signal from the kernel to one thread. Any context.
pub fn send_kernel_signal(task: &TaskRef, signal: Signal) {
    // A thread that has been released needs no signal; and the kernel's are not counted.
    let _ = signal_thread(task, SigInfo::kernel(signal));
}

/// Sends a signal to the running thread, as a consequence of what it does (SIGPIPE).
pub fn send_to_current(info: SigInfo) {
    // The running thread has not been released; and a lost real-time signal is nobody's business
    // here.
    let _ = signal_thread(&sched::current_ref(), info);
}

/// Makes the running thread take a signal for what it has just done (a fault): blocked or ignored,
/// it ends the process.
pub fn force_signal(info: SigInfo) {
    let me = sched::current_ref();
    let thread = Thread::of(&me);
    let process = thread.process();
    let sighand = process.sighand();
    {
        let mut group = process.signals().lock_irq();
        let mut signals = thread.signals.lock_irq();
        let was_blocked = signals.blocked.contains(info.signal);
        let mut action = sighand.get(info.signal);
        if was_blocked || action.handler == Handler::Ignore {
            action.handler = Handler::Default;
            sighand.set(info.signal, action);
        }
        if was_blocked {
            signals.blocked = signals.blocked.minus(SigSet::of(info.signal));
        }
        if action.handler == Handler::Default {
            group.protection_lost = true;
        }
    }
    // The thread is running, so it has not been released; and a fault's signal is not a real-time
    // one.
    let _ = send(process, Target::Thread(&me), info, Force::Fault);
}

fn force_of(process: &Process, info: &SigInfo) -> Force {
    if !info.is_from_user() {
        return Force::FromOutside;
    }
    let sender = sched::current();
    let from_inside = match (Thread::try_of(&sender), process.pid().namespace()) {
        (Some(sender), Some(namespace)) => sender.number_in(namespace) != 0,
        _ => true,
    };
    if from_inside { Force::No } else { Force::FromOutside }
}

fn send(process: &Arc<Process>, target: Target<'_>, info: SigInfo, force: Force) -> Result<()> {
    let signal = info.signal;
    let mut signals = process.signals().lock_irq();
    let main = match target {
        Target::Thread(task) => Some(task),
        Target::Process => signals.threads.first(),
    };
    let main = main.cloned().ok_or(Errno::ESRCH)?;
    if signals.exit.is_some() {
        // It is on its way out already.
        return Ok(());
    }
    job_control(&mut signals, signal);
    if is_ignored(process, &signals, &main, signal, force) {
        return Ok(());
    }
    if !queue(process, &mut signals, target, &main, info)? {
        return Ok(());
    }
    process.wake_signalled();
    complete(process, &mut signals, target, &main, signal);
    Ok(())
}

/// What stop signals and SIGCONT do when they are *sent*, whether blocked, ignored or handled: each
/// cancels the other where it is pending, and SIGCONT lets the process go on.
fn job_control(group: &mut GroupSignals, signal: Signal) {
    if signal.stops() {
        discard_everywhere(group, SigSet::of(Signal::SIGCONT));
        return;
    }
    if signal != Signal::SIGCONT {
        return;
    }
    discard_everywhere(group, SigSet::STOPPING);
    for task in &group.threads {
        {
            let mut signals = Thread::of(task).signals.lock_irq();
            signals.must_stop = false;
            signals.owes_stop = false;
            signals.stopped = false;
            signals.takes_stop = false;
            crate::ptrace::notify_listener(task, &mut signals);
        }
        sched::wake_up_state(task, state::STOPPED);
    }
    match group.job {
        JobState::Running => return,
        // It never got so far as to tell that it has stopped.
        JobState::Stopping { .. } => group.news = Some(ChildNews::Stopped),
        JobState::Stopped { .. } => group.news = Some(ChildNews::Continued),
    }
    group.continued = true;
    group.job = JobState::Running;
    // Somebody has to tell the parent, from a context that may take the process table's lock.
    let teller = group.threads.iter().find(|task| !task.flags().contains(TaskFlags::EXITING));
    if let Some(teller) = teller {
        group::wake(teller, false);
    }
}

fn discard_everywhere(group: &mut GroupSignals, signals: SigSet) {
    group.pending.discard(signals);
    for task in &group.threads {
        Thread::of(task).signals.lock_irq().pending.discard(signals);
    }
}

/// Whether the signal would do nothing, so that it need not even wait.
fn is_ignored(
    process: &Process,
    group: &GroupSignals,
    task: &TaskRef,
    signal: Signal,
    force: Force,
) -> bool {
    let thread = Thread::of(task);
    if task.is_kthread() {
        return !thread.allowed_signals().contains(signal);
    }
    {
        let signals = thread.signals.lock_irq();
        if signals.blocked.union(signals.waited_for).contains(signal) {
            // By the time it is unblocked there may be a handler.
            return false;
        }
    }
    if thread.is_traced() && signal != Signal::SIGKILL {
        // The tracer decides.
        return false;
    }
    let action = process.sighand().get(signal);
    let forced = match force {
        Force::No => false,
        Force::FromOutside => SigSet::UNMASKABLE.contains(signal),
        Force::Fault => true,
    };
    if action.handler == Handler::Default && group.is_protected(process) && !forced {
        return true;
    }
    action.ignores(signal)
}

/// Notes the signal. False: an ordinary one that is pending already.
fn queue(
    process: &Process,
    group: &mut GroupSignals,
    target: Target<'_>,
    main: &TaskRef,
    info: SigInfo,
) -> Result<bool> {
    match target {
        Target::Process => note(process, &mut group.pending, main, info),
        Target::Thread(task) => {
            note(process, &mut Thread::of(task).signals.lock_irq().pending, main, info)
        }
    }
}

fn note(process: &Process, pending: &mut Pending, main: &TaskRef, info: SigInfo) -> Result<bool> {
    let signal = info.signal;
    if pending.merge_timer(&info) || !signal.is_real_time() && pending.has(signal) {
        return Ok(false);
    }
    if signal == Signal::SIGKILL {
        // Nobody asks who sent it.
        pending.push_bare(signal);
        return Ok(true);
    }
    // What the kernel or `kill` says of an ordinary signal waits once at most, and is not counted.
    let limit = if !signal.is_real_time() && info.code >= 0 {
        u64::MAX
    } else {
        process.limit(Resource::SignalsPending).soft
    };
    let user = Thread::of(main).user();
    if user.may_queue_signal(limit) && pending.push(info, user) {
        return Ok(true);
    }
    if signal.is_real_time() && info.code != SI_USER {
        // The sender can be told that what it carries would be lost.
        return Err(Errno::EAGAIN);
    }
    pending.push_bare(signal);
    Ok(true)
}

/// Finds the thread that is to take the signal and gets it going. A signal that is sure to end the
/// process ends it now: all threads are killed.
fn complete(
    process: &Process,
    group: &mut GroupSignals,
    target: Target<'_>,
    main: &TaskRef,
    signal: Signal,
) {
    let taker = if wants(main, signal) {
        Some(main.clone())
    } else {
        match target {
            Target::Thread(_) => None,
            Target::Process => group.threads.iter().find(|task| wants(task, signal)).cloned(),
        }
    };
    // Nobody takes it now; it waits until somebody unblocks it.
    let Some(taker) = taker else { return };
    let decides_itself = Thread::of(&taker).is_traced() && signal != Signal::SIGKILL;
    let ends_all = !taker.is_kthread()
        && !decides_itself
        && signal.default_action() == DefaultAction::Terminate
        && process.sighand().get(signal).handler == Handler::Default
        && !Thread::of(&taker).signals.lock_irq().waited_for.contains(signal);
    if ends_all {
        group.start_exit(signal.number(), None);
    } else {
        group::wake(&taker, signal == Signal::SIGKILL);
    }
}

/// Whether a thread would take this signal now.
pub(super) fn wants(task: &TaskRef, signal: Signal) -> bool {
    if task.flags().contains(TaskFlags::EXITING) {
        return false;
    }
    if signal == Signal::SIGKILL {
        return true;
    }
    let signals = Thread::of(task).signals.lock_irq();
    if signals.waited_for.contains(signal) {
        return true;
    }
    !signals.blocked.contains(signal) && !signals.stopped && signals.trace_stop.is_none()
}
