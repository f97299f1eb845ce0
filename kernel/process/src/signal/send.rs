//! Sending signals.
//!
//! Everything here may be called from any context, with the process table locked or not. The
//! decision and the queueing happen under the receiving process's `signals` lock, so they are one
//! step for whoever takes signals.

use alloc::sync::Arc;

use errno::{Errno, Result};
use sched::{TaskFlags, TaskRef, state};
use sync::SpinIrqGuard;

use super::action::{ActionFlags, Handler};
use super::group::{self, ChildNews, GroupSignals, JobState};
use super::info::{Details, SigInfo, end_of};
use super::number::{DefaultAction, SigSet, Signal};
use crate::exit::Zombie;
use crate::process::Process;
use crate::rlimit::Resource;
use crate::thread::{ExitState, Thread};

/// What waits for a task, and what it has chosen, as `/proc/PID/status` shows it.
#[derive(Clone, Copy, Debug)]
pub struct SignalStatus {
    /// What waits for the thread.
    pub pending: SigSet,
    /// What waits for any thread of the process.
    pub shared_pending: SigSet,
    /// What the thread blocks.
    pub blocked: SigSet,
    /// What the process ignores.
    pub ignored: SigSet,
    /// What the process has handlers for.
    pub caught: SigSet,
    /// How many signals the user has queued, for all its processes.
    pub queued: u64,
}

/// What waits for a task, and what it has chosen. A kernel thread ignores all that it has not
/// allowed.
pub fn signal_status(task: &TaskRef) -> SignalStatus {
    let thread = Thread::of(task);
    let process = thread.process();
    let (pending, blocked) = {
        let signals = thread.signals.lock_irq();
        (signals.pending.set(), signals.blocked)
    };
    let (ignored, caught) = if task.is_kthread() {
        (SigSet::ALL.minus(thread.allowed_signals()), thread.allowed_signals())
    } else {
        process.sighand().ignored_and_caught()
    };
    SignalStatus {
        pending,
        shared_pending: process.signals().lock_irq().pending.set(),
        blocked,
        ignored,
        caught,
        queued: thread.user().signals(),
    }
}

/// Whether the running thread blocks or ignores a signal: job control leaves it alone then.
pub fn is_ignored_by_current(signal: Signal) -> bool {
    let me = sched::current();
    let thread = Thread::of(&me);
    thread.signals.lock_irq().blocked.contains(signal)
        || thread.process().sighand().get(signal).handler == Handler::Ignore
}

/// How hard a signal hits the first process of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Force {
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
    signal_process_with(process, info, force_of(process, &info))
}

/// Sends a signal to a process with the given force.
pub(crate) fn signal_process_with(
    process: &Arc<Process>,
    info: SigInfo,
    force: Force,
) -> Result<()> {
    send(process, Target::Process, info, force)
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
    job_control(process, &mut signals, signal);
    if is_ignored(process, &signals, &main, signal, force) {
        return Ok(());
    }
    if !queue(process, &mut signals, target, info)? {
        return Ok(());
    }
    complete(process, &mut signals, target, &main, signal);
    Ok(())
}

/// What stop signals and SIGCONT do when they are *sent*, whether blocked, ignored or handled: each
/// cancels the other where it is pending, and SIGCONT lets the process go on.
fn job_control(process: &Process, group: &mut GroupSignals, signal: Signal) {
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
            signals.stopped = false;
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
    let _ = process;
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
    group: &mut SpinIrqGuard<'_, GroupSignals>,
    target: Target<'_>,
    info: SigInfo,
) -> Result<bool> {
    let signal = info.signal;
    let note = |pending: &mut super::Pending| {
        if !signal.is_real_time() && pending.has(signal) {
            return Ok(false);
        }
        if signal == Signal::SIGKILL {
            // Nobody asks who sent it.
            pending.push_bare(signal);
            return Ok(true);
        }
        // Whoever is hit by the limit is the sender, as in Linux it is the receiver's user that is
        // counted.
        let user = process.leader().map(|leader| Thread::of(&leader).user());
        let limit = process.limit(Resource::SignalsPending).soft;
        // What the kernel says always gets through.
        let limit =
            if info.is_from_user() && signal.is_real_time() { limit } else { limit.max(1 << 20) };
        let counted = user.as_ref().is_none_or(|user| user.may_queue_signal(limit));
        if counted && pending.push(info, user) {
            return Ok(true);
        }
        if signal.is_real_time() && info.code == super::info::SI_QUEUE {
            // The sender can be told; the information would be lost.
            return Err(Errno::EAGAIN);
        }
        pending.push_bare(signal);
        Ok(true)
    };
    match target {
        Target::Process => note(&mut group.pending),
        Target::Thread(task) => note(&mut Thread::of(task).signals.lock_irq().pending),
    }
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
    let ends_all = !taker.is_kthread()
        && signal.default_action() == DefaultAction::Terminate
        && process.sighand().get(signal).handler == Handler::Default
        && !Thread::of(&taker).signals.lock_irq().waited_for.contains(signal);
    if ends_all {
        group.start_exit(signal.number(), None);
    } else {
        group::wake(&taker, signal == Signal::SIGKILL);
    }
}

fn wants(task: &TaskRef, signal: Signal) -> bool {
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
    !signals.blocked.contains(signal) && !signals.stopped
}

/// Tells a parent that its child has ended, and whether somebody will wait for it. The process
/// table is locked.
pub(crate) fn send_child_ended(parent: &Arc<Process>, child: &Process) -> Zombie {
    let Some(signal) = Signal::from_number(child.exit_signal()) else { return Zombie::Wanted };
    let Some(leader) = parent.signals().lock_irq().threads.first().cloned() else {
        return Zombie::Wanted;
    };
    if leader.is_kthread() && !Thread::of(&leader).allowed_signals().contains(signal) {
        return Zombie::Unwanted;
    }
    let action = parent.sighand().get(signal);
    let unwanted = signal == Signal::SIGCHLD
        && (action.handler == Handler::Ignore || action.flags.contains(ActionFlags::NOCLDWAIT));
    if !(signal == Signal::SIGCHLD && action.handler == Handler::Ignore) {
        // The parent may be ending; then nobody wants to know.
        let _ = signal_process(parent, child_ended_info(parent, child, signal));
    }
    if unwanted { Zombie::Unwanted } else { Zombie::Wanted }
}

fn child_ended_info(parent: &Process, child: &Process, signal: Signal) -> SigInfo {
    let leader = child.leader();
    let code = leader.as_ref().map_or(0, |leader| child.final_exit_code(leader));
    let (why, status) = end_of(code);
    child_info(parent, child, signal, why, status)
}

/// The `siginfo` of news about a child.
pub(crate) fn child_info(
    parent: &Process,
    child: &Process,
    signal: Signal,
    code: i32,
    status: i32,
) -> SigInfo {
    let pid = parent.pid().namespace().map_or(0, |namespace| child.pid().number_in(namespace));
    let uid = child.leader().map_or(0, |leader| Thread::of(&leader).user().uid());
    let usage = child.usage.lock_irq().ended_threads;
    let details = Details::Child {
        pid,
        uid,
        status,
        utime: usage.user / crate::usage::CLOCK_TICK,
        stime: usage.system / crate::usage::CLOCK_TICK,
    };
    SigInfo { signal, errno: 0, code, details }
}

/// From here on the running thread takes no signals: what was meant for any thread goes to another.
pub(crate) fn stop_taking(me: &TaskRef) {
    let thread = Thread::of(me);
    let process = thread.process();
    let mut group = process.signals().lock_irq();
    me.add_flags(TaskFlags::EXITING);
    if group.threads.len() > 1 {
        retarget(&mut group, thread);
        leave_stop(&mut group, thread);
    }
    debug_assert_eq!(thread.exit_state(), ExitState::Alive);
}

/// Wakes others for the shared signals that this thread might have been woken for.
fn retarget(group: &mut GroupSignals, thread: &Thread) {
    let mine = group.pending.set().minus(thread.signals.lock_irq().blocked);
    let mut left = mine;
    while let Some(signal) = left.first() {
        left = left.minus(SigSet::of(signal));
        if let Some(other) = group.threads.iter().find(|task| wants(task, signal)) {
            group::wake(other, false);
        }
    }
}

/// The running thread blocks more than before (`old`): what it might have been woken for, others
/// take.
pub(super) fn pass_on_blocked(group: &GroupSignals, thread: &Thread, old: SigSet) {
    let blocked = thread.signals.lock_irq().blocked;
    let mut left = group.pending.set().and(blocked.minus(old));
    while let Some(signal) = left.first() {
        left = left.minus(SigSet::of(signal));
        if let Some(other) = group.threads.iter().find(|task| wants(task, signal)) {
            group::wake(other, false);
        }
    }
}

/// The thread was to take part in a stop and ends instead; it may have been the last one that was
/// waited for.
fn leave_stop(group: &mut GroupSignals, thread: &Thread) {
    let was_to_stop = core::mem::take(&mut thread.signals.lock_irq().must_stop);
    if was_to_stop {
        super::stop::one_less_to_stop(group);
    }
}
