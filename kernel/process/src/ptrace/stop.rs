//! The tracee's side of a stop.
//!
//! The order is that of every sleep: the stop is there, and the tracer told, before the thread
//! looks whether it may go on; whoever lets it go on changes the stop first and wakes it then. A
//! fatal signal ends the stop like a release.

use alloc::boxed::Box;
use alloc::sync::Arc;

use machine::user::UserContext;
use sched::{TaskRef, state};

use super::tracee::{Phase, Snapshot, Stop};
use super::{TraceFlags, event};
use crate::process::Process;
use crate::signal::group::{self, GroupSignals, JobState};
use crate::signal::info::{CLD_STOPPED, CLD_TRAPPED, Details, SI_USER};
use crate::signal::{SigInfo, Signal, child, signal_thread, stop as job_stop};
use crate::thread::Thread;

/// Why a thread stops for its tracer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reason {
    /// The signal, and the event above it.
    pub(super) code: u32,
    /// What the tracer may look at and change.
    pub(super) info: Option<SigInfo>,
    /// The event's message; the last one stays if there is none.
    pub(super) message: Option<u64>,
    /// The thread takes part in a stop of its process.
    pub(super) with_process: bool,
}

/// How a stop ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Release {
    /// The signal that the tracer wants delivered; 0 for none.
    pub(super) signal: u32,
    /// What the tracer has made of the stop's information.
    pub(super) info: Option<SigInfo>,
}

/// What a thread is in that is stopped for its tracer.
const STATE: u32 = state::TRACED | state::WAKEKILL;

/// Stops the running thread for its tracer and sleeps until it may go on. None: it has no tracer
/// any more, or is being killed, and has not stopped. May sleep; no lock held.
pub(super) fn stop(me: &TaskRef, context: &mut UserContext, reason: Reason) -> Option<Release> {
    let thread = Thread::of(me);
    let snapshot = Snapshot::of(context);
    let (tracer, news) = {
        let mut group = thread.process().signals().lock_irq();
        let mut signals = thread.signals.lock_irq();
        if me.fatal_signal_pending() {
            return None;
        }
        let Some(trace) = &mut signals.trace else { return None };
        if let Some(message) = reason.message {
            trace.message = message;
        }
        trace.must_trap = false;
        trace.is_turning = false;
        if reason.info.is_some_and(|info| event::is_stop_event(&info)) {
            trace.must_notify = false;
        }
        let tracer = trace.tracer.clone();
        // Before the stop can be seen: whoever has waited for it finds the thread in this state.
        sched::set_current_state(STATE);
        signals.trace_stop = Some(Box::new(Stop {
            code: reason.code,
            reported: false,
            phase: Phase::Stopped,
            info: reason.info,
            snapshot,
        }));
        if reason.with_process {
            job_stop::count_stopped(&mut signals, &mut group);
        }
        drop(signals);
        (tracer, group.news.take())
    };
    tell_tracer(&tracer, me, reason);
    if let Some(news) = news {
        job_stop::tell_parent(thread.process(), news);
    }
    sleep_until_released(me, thread);
    let (stop, flags) = {
        let group = thread.process().signals().lock_irq();
        let stop = thread.signals.lock_irq().trace_stop.take();
        group::recalculate(me, &group);
        (stop, thread.trace_flags())
    };
    let stop = stop?;
    stop.snapshot.restore(context);
    context.set_single_step(flags.contains(TraceFlags::STEP));
    let signal = match stop.phase {
        Phase::Released(signal) => signal,
        Phase::Stopped | Phase::Listening => 0,
    };
    Some(Release { signal, info: stop.info })
}

fn sleep_until_released(me: &TaskRef, thread: &Thread) {
    loop {
        // The state comes before the look; whoever releases the stop changes it before the wake-up.
        sched::set_current_state(STATE);
        let released = {
            let signals = thread.signals.lock_irq();
            signals.trace_stop.as_ref().is_none_or(|stop| matches!(stop.phase, Phase::Released(_)))
        };
        if released || me.fatal_signal_pending() {
            break;
        }
        sched::schedule();
    }
    sched::set_current_state(state::RUNNING);
}

/// SIGCHLD for the tracer, unless it does not want it, and a wake-up for whoever waits.
fn tell_tracer(tracer: &Arc<Process>, me: &TaskRef, reason: Reason) {
    let code = if reason.with_process { CLD_STOPPED } else { CLD_TRAPPED };
    child::tell_of_stop(tracer, me, code, (reason.code & 0x7f) as i32);
    tracer.children_changed.wake_all();
}

/// A signal is about to be delivered: the tracer may look at it, change it or take it away. None:
/// there is nothing to deliver any more. Otherwise, with the signal, whether a SIGCONT came
/// meanwhile: a stop signal has lost its effect then.
pub(crate) fn signal_stop(
    me: &TaskRef,
    context: &mut UserContext,
    info: SigInfo,
) -> Option<(SigInfo, bool)> {
    let thread = Thread::of(me);
    thread.signals.lock_irq().takes_stop = true;
    let reason =
        Reason { code: info.signal.number(), info: Some(info), message: None, with_process: false };
    let release = stop(me, context, reason);
    let continued = !core::mem::take(&mut thread.signals.lock_irq().takes_stop);
    let Some(release) = release else { return Some((info, continued)) };
    let signal = Signal::from_number(release.signal)?;
    let mut info = release.info.unwrap_or(info);
    if signal != info.signal {
        // Another signal than the one that was there: as if the tracer had sent it.
        info = from_tracer(thread, signal);
    }
    if thread.signals.lock_irq().blocked.contains(signal) {
        let _ = signal_thread(me, info);
        return None;
    }
    Some((info, continued))
}

/// A signal that a tracee's tracer has thought of.
pub(super) fn from_tracer(thread: &Thread, signal: Signal) -> SigInfo {
    let tracer = thread.signals.lock_irq().trace.as_ref().map(|trace| trace.tracer.clone());
    let (pid, uid) = match (&tracer, thread.process().pid().namespace()) {
        (Some(tracer), Some(namespace)) => {
            let uid = tracer.leader().map_or(0, |leader| Thread::of(&leader).user().uid());
            (tracer.pid().number_in(namespace), uid)
        }
        _ => (0, 0),
    };
    SigInfo { signal, errno: 0, code: SI_USER, details: Details::Sender { pid, uid } }
}

/// The stop that the process or the tracer has asked for. The caller holds no lock.
pub(crate) fn trap(me: &TaskRef, context: &mut UserContext) {
    let thread = Thread::of(me);
    let (seized, signal) = {
        let group = thread.process().signals().lock_irq();
        let signals = thread.signals.lock_irq();
        let Some(trace) = &signals.trace else { return };
        (trace.seized, signal_of_stop(&group))
    };
    let reason = if seized {
        // Without a stop of the process it is the tracer's own wish.
        event::stop_event(signal.unwrap_or(Signal::SIGTRAP))
    } else {
        let code = signal.unwrap_or(Signal::SIGSTOP).number();
        Reason { code, info: None, message: None, with_process: true }
    };
    stop(me, context, reason);
}

/// The signal that stops the process, or is about to.
fn signal_of_stop(group: &GroupSignals) -> Option<Signal> {
    match group.job {
        JobState::Running => None,
        JobState::Stopping { signal, .. } | JobState::Stopped { signal, .. } => Some(signal),
    }
}

/// Sends the running thread the signal with which its tracer has let it go on from a stop that was
/// for no signal.
pub(super) fn pass_signal(me: &TaskRef, release: Release) {
    let thread = Thread::of(me);
    if let Some(signal) = Signal::from_number(release.signal) {
        let _ = signal_thread(me, from_tracer(thread, signal));
    }
}
