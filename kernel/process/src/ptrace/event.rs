//! What a tracee stops for, besides signals and stops of its process.

use alloc::sync::Arc;

use machine::user::UserContext;
use sched::{SIGNAL_FATAL, TaskRef};

use super::stop::{Reason, pass_signal, stop};
use super::tracee::{Options, TraceFlags};
use crate::flags::CloneFlags;
use crate::pid::Pid;
use crate::signal::info::{Details, SI_USER, TRAP_BRKPT};
use crate::signal::{SigInfo, SigSet, Signal, signal_thread};
use crate::thread::Thread;

/// An event, by the number that `wait` shows above the signal (`PTRACE_EVENT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Event {
    /// A `fork`; the message is the child's number.
    Fork = 1,
    /// A `vfork`; the message is the child's number.
    Vfork = 2,
    /// Another clone; the message is the child's number.
    Clone = 3,
    /// A program has been executed; the message is the thread's number before that.
    Exec = 4,
    /// The child of a `vfork` has let its parent go on; the message is its number.
    VforkDone = 5,
    /// The thread is about to end; the message is its exit code.
    Exit = 6,
    /// The thread stops with its process, or because the tracer has asked.
    Stop = 128,
}

impl Event {
    /// The option that asks for it.
    const fn option(self) -> Options {
        match self {
            Self::Fork => Options::FORK,
            Self::Vfork => Options::VFORK,
            Self::Clone => Options::CLONE,
            Self::Exec => Options::EXEC,
            Self::VforkDone => Options::VFORK_DONE,
            Self::Exit => Options::EXIT,
            Self::Stop => Options::empty(),
        }
    }

    const fn code(self, signal: Signal) -> u32 {
        signal.number() | (self as u32) << 8
    }
}

/// Whether a stop is an [`Event::Stop`].
pub(super) fn is_stop_event(info: &SigInfo) -> bool {
    info.code >> 8 == Event::Stop as i32
}

/// The reason of an [`Event::Stop`].
pub(super) fn stop_event(signal: Signal) -> Reason {
    let code = Event::Stop.code(signal);
    Reason { code, info: Some(info_of(code)), message: Some(0), with_process: true }
}

/// What a stop for no signal tells: the thread itself, and in `si_code` what it is.
fn info_of(code: u32) -> SigInfo {
    let me = sched::current();
    let thread = Thread::of(&me);
    let details = Details::Sender { pid: crate::tid(), uid: thread.user().uid() };
    let signal = Signal::from_number(code & 0x7f).unwrap_or(Signal::SIGTRAP);
    SigInfo { signal, errno: 0, code: code as i32, details }
}

fn is_wanted(thread: &Thread, event: Event) -> bool {
    thread.is_traced()
        && thread
            .signals
            .lock_irq()
            .trace
            .as_ref()
            .is_some_and(|trace| trace.options.contains(event.option()))
}

/// Stops the running thread for an event if its tracer wants that.
pub(crate) fn event_stop(event: Event, message: u64, context: &mut UserContext) {
    let me = sched::current_ref();
    if is_wanted(Thread::of(&me), event) {
        notify(&me, event.code(Signal::SIGTRAP), message, context);
    }
}

/// Stops the running thread with SIGTRAP and a code, and sends it the signal that its tracer then
/// gives it.
fn notify(me: &TaskRef, code: u32, message: u64, context: &mut UserContext) {
    let reason =
        Reason { code, info: Some(info_of(code)), message: Some(message), with_process: false };
    if let Some(release) = stop(me, context, reason) {
        pass_signal(me, release);
    }
}

/// The event that a clone by the running thread is, if its tracer wants to know.
pub(crate) fn clone_event(flags: CloneFlags, exit_signal: u32) -> Option<Event> {
    let me = sched::current();
    let thread = Thread::of(&me);
    if !thread.is_traced() || flags.contains(CloneFlags::UNTRACED) {
        return None;
    }
    let event = if flags.contains(CloneFlags::VFORK) {
        Event::Vfork
    } else if exit_signal != Signal::SIGCHLD.number() {
        Event::Clone
    } else {
        Event::Fork
    };
    is_wanted(thread, event).then_some(event)
}

/// Whether a system call that the running thread makes is of interest to a tracer.
#[inline]
pub fn reports_calls(thread: &Thread) -> bool {
    let of_interest = TraceFlags::CALLS.union(TraceFlags::EMULATED_CALLS).union(TraceFlags::STEP);
    thread.trace_flags().intersects(of_interest)
}

/// The two stops of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStop {
    /// Before it is carried out.
    Entry = 1,
    /// Afterwards.
    Exit = 2,
}

/// Stops the running thread at a system call, if its tracer wants that. May sleep.
pub fn call_stop(which: CallStop, context: &mut UserContext) {
    let me = sched::current_ref();
    let thread = Thread::of(&me);
    let good = {
        let signals = thread.signals.lock_irq();
        let Some(trace) = &signals.trace else { return };
        trace.options.contains(Options::SYSGOOD)
    };
    let mark = if good { 0x80 } else { 0 };
    notify(&me, Signal::SIGTRAP.number() | mark, which as u64, context);
}

/// A single step was made where the processor does not tell: over a system call.
pub fn single_step_stop() {
    let me = sched::current_ref();
    let _ = signal_thread(&me, SigInfo::fault(Signal::SIGTRAP, TRAP_BRKPT, 0));
}

/// A handler has been entered in a single step: its first instruction is the next one.
pub fn handler_stop(context: &mut UserContext) {
    let me = sched::current_ref();
    if Thread::of(&me).trace_flags().contains(TraceFlags::STEP) {
        notify(&me, Signal::SIGTRAP.number(), 0, context);
    }
}

/// The number of a thread as its tracer sees it; 0 without one.
pub(crate) fn number_for_tracer(thread: &Thread, pid: &Pid) -> u32 {
    let tracer = thread.signals.lock_irq().trace.as_ref().map(|trace| trace.tracer.clone());
    let namespace = tracer.as_ref().and_then(|tracer| tracer.pid().namespace());
    namespace.map_or(0, |namespace| pid.number_in(namespace))
}

/// The running thread executes a new program, in which it was `old` before.
pub fn exec_stop(old: &Arc<Pid>, context: &mut UserContext) {
    let me = sched::current_ref();
    let thread = Thread::of(&me);
    if !thread.is_traced() {
        return;
    }
    if is_wanted(thread, Event::Exec) {
        let number = number_for_tracer(thread, old);
        notify(&me, Event::Exec.code(Signal::SIGTRAP), number.into(), context);
    } else {
        exec_signal(&me);
    }
}

/// The oldest way to tell of an `execve`: a SIGTRAP.
fn exec_signal(me: &TaskRef) {
    let is_seized =
        Thread::of(me).signals.lock_irq().trace.as_ref().is_none_or(|trace| trace.seized);
    if !is_seized {
        let details = Details::Sender { pid: crate::tgid(), uid: Thread::of(me).user().uid() };
        let info = SigInfo { signal: Signal::SIGTRAP, errno: 0, code: SI_USER, details };
        let _ = signal_thread(me, info);
    }
}

/// The running thread is about to end with an exit code. May sleep.
pub fn exit_stop(code: u32, context: &mut UserContext) {
    let me = sched::current_ref();
    let thread = Thread::of(&me);
    if !is_wanted(thread, Event::Exit) {
        return;
    }
    {
        // What kills it has been dealt with, and is no reason not to stop.
        let _group = thread.process().signals().lock_irq();
        thread.signals.lock_irq().pending.discard(SigSet::of(Signal::SIGKILL));
        me.remove_signal(SIGNAL_FATAL);
    }
    notify(&me, Event::Exit.code(Signal::SIGTRAP), code.into(), context);
}
