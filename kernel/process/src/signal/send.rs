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
use crate::process::{Process, Threads};
use crate::rlimit::Resource;
use crate::thread::Thread;

/// Where a signal comes from, which says how hard it hits the first process of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The running task. From inside the namespace it does nothing that there is no handler for; from outside SIGKILL and SIGSTOP do.
    Sender,
    /// The kernel: as from outside.
    Kernel,
    /// Its own fault: anything does.
    Fault,
}

impl Origin {
    fn of(info: &SigInfo) -> Self {
        if info.is_from_user() { Self::Sender } else { Self::Kernel }
    }

    /// Whether the signal does what it does to others although the process is protected.
    fn hits_protected(self, process: &Process, signal: Signal) -> bool {
        match self {
            Self::Fault => true,
            Self::Sender if is_seen_by(process) => false,
            Self::Sender | Self::Kernel => SigSet::UNMASKABLE.contains(signal),
        }
    }
}

/// Whether the running task is in the process's namespace, or in one below.
fn is_seen_by(process: &Process) -> bool {
    let sender = sched::current();
    match (Thread::try_of(&sender), process.pid().namespace()) {
        (Some(sender), Some(namespace)) => sender.number_in(namespace) != 0,
        _ => true,
    }
}

/// The signal went to a process or to one of its threads.
#[derive(Clone, Copy)]
enum Target<'a> {
    Process,
    Thread(&'a TaskRef),
}

impl<'a> Target<'a> {
    /// The thread that is looked at first: for a process its leader. None: the process has been waited for.
    fn main(self, threads: &'a Threads) -> Option<&'a TaskRef> {
        match self {
            Self::Thread(task) => Some(task),
            Self::Process => threads.first(),
        }
    }
}

/// What becomes of a signal that is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It would do nothing, so that it need not even wait.
    Ignored,
    /// It waits for whoever decides: for a kernel thread, a tracer, or until it is unblocked.
    Waits,
    /// There is a handler.
    Handled,
    /// It does what it does by default.
    Default,
}

/// Sends a signal to a process: any of its threads may take it. Any context.
///
/// # Errors
/// ESRCH: the process has been waited for. EAGAIN: a real-time signal of a user with too many
/// queued.
pub fn signal_process(process: &Arc<Process>, info: SigInfo) -> Result<()> {
    send(process, Target::Process, info, Origin::of(&info))
}

/// Sends a signal to one thread. Any context.
///
/// # Errors
/// ESRCH: the thread has been released. EAGAIN: a real-time signal of a user with too many queued.
pub fn signal_thread(task: &TaskRef, info: SigInfo) -> Result<()> {
    let Some(thread) = Thread::try_of(task) else { return Err(Errno::ESRCH) };
    let process = thread.process();
    send(process, Target::Thread(task), info, Origin::of(&info))
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
    let _ = send(process, Target::Thread(&me), info, Origin::Fault);
}

fn send(process: &Arc<Process>, target: Target<'_>, info: SigInfo, origin: Origin) -> Result<()> {
    let signal = info.signal;
    let mut signals = process.signals().lock_irq();
    if target.main(&signals.threads).is_none() {
        return Err(Errno::ESRCH);
    }
    if signals.exit.is_some() {
        // It is on its way out already.
        return Ok(());
    }
    job_control(&mut signals, signal);
    let Some(main) = target.main(&signals.threads) else { return Err(Errno::ESRCH) };
    let fate = fate(process, &signals, main, signal, origin);
    if fate == Fate::Ignored || !queue(process, &mut signals, target, info)? {
        return Ok(());
    }
    process.wake_signalled();
    complete(process, &mut signals, target, signal, fate);
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

fn fate(
    process: &Process,
    group: &GroupSignals,
    task: &TaskRef,
    signal: Signal,
    origin: Origin,
) -> Fate {
    let thread = Thread::of(task);
    if task.is_kthread() {
        let is_allowed = thread.allowed_signals().contains(signal);
        return if is_allowed { Fate::Waits } else { Fate::Ignored };
    }
    {
        let signals = thread.signals.lock_irq();
        if signals.blocked.union(signals.waited_for).contains(signal) {
            // By the time it is unblocked there may be a handler.
            return Fate::Waits;
        }
    }
    if thread.is_traced() && signal != Signal::SIGKILL {
        // The tracer decides.
        return Fate::Waits;
    }
    let action = process.action(signal);
    let is_default = action.handler == Handler::Default;
    let spares =
        is_default && group.is_protected(process) && !origin.hits_protected(process, signal);
    if spares || action.ignores(signal) {
        Fate::Ignored
    } else if is_default {
        Fate::Default
    } else {
        Fate::Handled
    }
}

/// Notes the signal. False: an ordinary one that is pending already.
fn queue(
    process: &Process,
    group: &mut GroupSignals,
    target: Target<'_>,
    info: SigInfo,
) -> Result<bool> {
    match target {
        Target::Process => {
            let main = group.threads.first().ok_or(Errno::ESRCH)?;
            note(process, &mut group.pending, Thread::of(main), info)
        }
        Target::Thread(task) => {
            let thread = Thread::of(task);
            note(process, &mut thread.signals.lock_irq().pending, thread, info)
        }
    }
}

fn note(process: &Process, pending: &mut Pending, main: &Thread, info: SigInfo) -> Result<bool> {
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
    let user = main.user();
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
    signal: Signal,
    fate: Fate,
) {
    let main = target.main(&group.threads).filter(|main| wants(main, signal));
    let taker = main.or_else(|| match target {
        Target::Thread(_) => None,
        Target::Process => group.threads.iter().find(|task| wants(task, signal)),
    });
    // Nobody takes it now; it waits until somebody unblocks it.
    let Some(taker) = taker else { return };
    let is_default = || match fate {
        Fate::Default => true,
        Fate::Handled | Fate::Ignored => false,
        Fate::Waits => process.action(signal).handler == Handler::Default,
    };
    let decides_itself = || Thread::of(taker).is_traced() && signal != Signal::SIGKILL;
    let ends_all = signal.default_action() == DefaultAction::Terminate
        && !taker.is_kthread()
        && !decides_itself()
        && is_default()
        && !Thread::of(taker).signals.lock_irq().waited_for.contains(signal);
    if ends_all {
        group.start_exit(signal.number(), None);
    } else {
        group::wake(taker, signal == Signal::SIGKILL);
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
