//! The tracer's side: what it asks of a tracee.
//!
//! All but [`interrupt`] and [`kill`] want a stopped tracee, and answer ESRCH for one that is not,
//! or that listens. The tracee may be killed at any moment; then it is gone for the next request,
//! and this one has looked at what it left behind.

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};
use sched::{SIGNAL_PENDING, TaskFlags, TaskRef, state};
use vm::Mm;

use super::event::{CallStop, is_stop_event};
use super::stop::from_tracer;
use super::tracee::{Options, Phase, Snapshot, Stop, Trace, TraceFlags, end_listening};
use crate::signal::{SigInfo, SigSet, Signal, ThreadSignals, group, signal_thread};
use crate::thread::{ExitState, Thread};

/// How a tracee goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Until something happens (`PTRACE_CONT`).
    Continue,
    /// To the next system call (`PTRACE_SYSCALL`).
    ToCall,
    /// To the next system call, which is not carried out (`PTRACE_SYSEMU`).
    ToEmulatedCall,
    /// One instruction (`PTRACE_SINGLESTEP`).
    Step,
    /// One instruction, and no system call (`PTRACE_SYSEMU_SINGLESTEP`).
    StepEmulatingCalls,
}

impl Resume {
    const fn flags(self) -> TraceFlags {
        match self {
            Self::Continue => TraceFlags::TRACED,
            Self::ToCall => TraceFlags::TRACED.union(TraceFlags::CALLS),
            Self::ToEmulatedCall => TraceFlags::TRACED.union(TraceFlags::EMULATED_CALLS),
            Self::Step => TraceFlags::TRACED.union(TraceFlags::STEP),
            Self::StepEmulatingCalls => {
                TraceFlags::TRACED.union(TraceFlags::STEP).union(TraceFlags::EMULATED_CALLS)
            }
        }
    }
}

/// Which stop of a system call a tracee is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyscallPhase {
    /// In none, or one that is not marked (`PTRACE_O_TRACESYSGOOD`).
    None,
    /// Before it.
    Entry,
    /// After it.
    Exit,
}

/// Whether the trace is the running process's.
fn is_mine(trace: &Trace) -> bool {
    Arc::ptr_eq(&trace.tracer, Thread::of(&sched::current()).process())
}

/// Runs `body` on a tracee's signals and trace.
fn with_trace<R>(task: &TaskRef, body: impl FnOnce(&mut ThreadSignals) -> Result<R>) -> Result<R> {
    let thread = Thread::try_of(task).ok_or(Errno::ESRCH)?;
    let _group = thread.process().signals().lock_irq();
    let mut signals = thread.signals.lock_irq();
    if !signals.trace.as_ref().is_some_and(|trace| is_mine(trace)) {
        return Err(Errno::ESRCH);
    }
    body(&mut signals)
}

/// As [`with_trace`], and the tracee is stopped.
fn with_stopped<R>(
    task: &TaskRef,
    body: impl FnOnce(&mut ThreadSignals) -> Result<R>,
) -> Result<R> {
    with_trace(task, |signals| {
        match &signals.trace_stop {
            Some(stop) if stop.phase == Phase::Stopped && !task.fatal_signal_pending() => {}
            _ => return Err(Errno::ESRCH),
        }
        body(signals)
    })
}

fn with_stop<R>(task: &TaskRef, body: impl FnOnce(&mut Stop) -> Result<R>) -> Result<R> {
    with_stopped(task, |signals| match &mut signals.trace_stop {
        Some(stop) => body(stop),
        None => Err(Errno::ESRCH),
    })
}

/// # Errors
/// ESRCH: not a stopped tracee of the running process.
pub(super) fn check_stopped(task: &TaskRef) -> Result<()> {
    with_stopped(task, |_| Ok(()))
}

/// Looks at a stopped tracee's registers, or changes them. `body` runs under spin locks.
///
/// # Errors
/// ESRCH; those of `body`.
pub fn with_snapshot<R>(
    task: &TaskRef,
    body: impl FnOnce(&mut Snapshot) -> Result<R>,
) -> Result<R> {
    with_stop(task, |stop| body(&mut stop.snapshot))
}

/// A stopped tracee's memory.
///
/// # Errors
/// ESRCH. EIO: it has none any more.
pub fn memory(task: &TaskRef) -> Result<Arc<Mm>> {
    check_stopped(task)?;
    Thread::of(task).mm().ok_or(Errno::EIO)
}

/// Lets a stopped tracee go on.
///
/// # Errors
/// ESRCH.
pub fn resume(task: &TaskRef, how: Resume, signal: Option<Signal>) -> Result<()> {
    with_stopped(task, |signals| {
        Thread::of(task).set_trace_flags(how.flags());
        if let Some(stop) = &mut signals.trace_stop {
            stop.phase = Phase::Released(signal.map_or(0, Signal::number));
        }
        sched::wake_up_state(task, state::TRACED);
        Ok(())
    })
}

/// Stops a seized tracee, wherever it is.
///
/// # Errors
/// ESRCH. EIO: it was not seized.
pub fn interrupt(task: &TaskRef) -> Result<()> {
    with_trace(task, |signals| {
        let trace = signals.trace.as_mut().filter(|trace| trace.seized).ok_or(Errno::EIO)?;
        trace.must_trap = true;
        end_listening(task, signals);
        if !task.flags().contains(TaskFlags::EXITING) {
            group::wake(task, false);
        }
        Ok(())
    })
}

/// Leaves a seized tracee in the stop of its process, and wants to hear when that changes.
///
/// # Errors
/// ESRCH. EIO: it was not seized, or is in another stop.
pub fn listen(task: &TaskRef) -> Result<()> {
    with_stopped(task, |signals| {
        let trace = signals.trace.as_ref().filter(|trace| trace.seized).ok_or(Errno::EIO)?;
        let has_news = trace.must_notify;
        let stop = signals.trace_stop.as_mut().ok_or(Errno::ESRCH)?;
        if !stop.info.is_some_and(|info| is_stop_event(&info)) {
            return Err(Errno::EIO);
        }
        stop.phase = Phase::Listening;
        if has_news {
            end_listening(task, signals);
        }
        Ok(())
    })
}

/// Kills a tracee, stopped or not.
///
/// # Errors
/// ESRCH.
pub fn kill(task: &TaskRef) -> Result<()> {
    with_trace(task, |_| Ok(()))?;
    if Thread::of(task).exit_state() == ExitState::Alive {
        // As the tracer's own, which the first process of a namespace survives. It may just have
        // ended.
        let _ = signal_thread(task, from_tracer(Thread::of(task), Signal::SIGKILL));
    }
    Ok(())
}

/// Sets what a stopped tracee's tracer wants.
///
/// # Errors
/// ESRCH.
pub fn set_options(task: &TaskRef, options: Options) -> Result<()> {
    with_stopped(task, |signals| {
        if let Some(trace) = &mut signals.trace {
            trace.options = options;
        }
        Ok(())
    })
}

/// The message of a stopped tracee's last event.
///
/// # Errors
/// ESRCH.
pub fn event_message(task: &TaskRef) -> Result<u64> {
    with_stopped(task, |signals| Ok(signals.trace.as_ref().map_or(0, |trace| trace.message)))
}

/// What a tracee is stopped for.
///
/// # Errors
/// ESRCH. EINVAL: for a stop of its process, which carries nothing.
pub fn signal_info(task: &TaskRef) -> Result<SigInfo> {
    with_stop(task, |stop| stop.info.ok_or(Errno::EINVAL))
}

/// Changes what a tracee is stopped for.
///
/// # Errors
/// As [`signal_info`].
pub fn change_signal_info(task: &TaskRef, info: SigInfo) -> Result<()> {
    with_stop(task, |stop| match &mut stop.info {
        Some(old) => {
            *old = info;
            Ok(())
        }
        None => Err(Errno::EINVAL),
    })
}

/// What a stopped tracee blocks.
///
/// # Errors
/// ESRCH.
pub fn signal_mask(task: &TaskRef) -> Result<SigSet> {
    with_stopped(task, |signals| Ok(signals.saved_mask.unwrap_or(signals.blocked)))
}

/// Changes what a stopped tracee blocks.
///
/// # Errors
/// ESRCH.
pub fn set_signal_mask(task: &TaskRef, mask: SigSet) -> Result<()> {
    with_stopped(task, |signals| {
        signals.blocked = mask.minus(SigSet::UNMASKABLE);
        signals.saved_mask = None;
        // It looks again when it goes on.
        task.add_signal(SIGNAL_PENDING);
        Ok(())
    })
}

/// Which stop of a system call a tracee is in.
///
/// # Errors
/// ESRCH.
pub fn syscall_phase(task: &TaskRef) -> Result<SyscallPhase> {
    with_stopped(task, |signals| {
        let code = signals.trace_stop.as_ref().and_then(|stop| stop.info).map(|info| info.code);
        let message = signals.trace.as_ref().map_or(0, |trace| trace.message);
        Ok(match message {
            _ if code != Some(Signal::SIGTRAP.number() as i32 | 0x80) => SyscallPhase::None,
            message if message == CallStop::Entry as u64 => SyscallPhase::Entry,
            message if message == CallStop::Exit as u64 => SyscallPhase::Exit,
            _ => SyscallPhase::None,
        })
    })
}

/// What waits for a stopped tracee, or for any thread of its process (`shared`): up to `count`
/// signals from the one in place `offset` on.
///
/// # Errors
/// ESRCH. ENOMEM.
pub fn peek_signals(
    task: &TaskRef,
    shared: bool,
    offset: usize,
    count: usize,
) -> Result<Vec<SigInfo>> {
    let mut found = Vec::new();
    check_stopped(task)?;
    let thread = Thread::of(task);
    let length = |shared| {
        let group = thread.process().signals().lock_irq();
        if shared {
            group.pending.queued().count()
        } else {
            thread.signals.lock_irq().pending.queued().count()
        }
    };
    found.try_reserve(length(shared).min(count)).map_err(|_| Errno::ENOMEM)?;
    let group = thread.process().signals().lock_irq();
    let room = found.capacity().min(count);
    if shared {
        found.extend(group.pending.queued().skip(offset).take(room));
    } else {
        found.extend(thread.signals.lock_irq().pending.queued().skip(offset).take(room));
    }
    Ok(found)
}
