//! Who traces whom.
//!
//! A link begins with [`attach`], [`seize`], [`trace_me`], or at birth if the creator is traced, and
//! ends with [`detach`], with the tracer, or when the tracer has waited for the tracee's end. The
//! tracer lists its tracees, the tracee's [`Trace`] names the tracer; both change together, with the
//! process table locked.

use alloc::boxed::Box;
use alloc::sync::Arc;

use errno::{Errno, Result};
use sched::{SIGNAL_PENDING, TaskFlags, TaskRef, state};

use super::access::{Identity, may_access};
use super::tracee::{Options, Phase, Trace, TraceFlags};
use super::wait::{notify_zombie, release_thread};
use crate::exit::{Released, Zombie};
use crate::process::Process;
use crate::signal::{JobState, SigInfo, Signal, group, signal_thread};
use crate::table::{Table, tasklist};
use crate::thread::{ExitState, Thread};

/// The running thread wants to be traced by its parent. The parent that is ending already traces
/// nobody.
///
/// # Errors
/// EPERM: it is traced already. ENOMEM.
pub fn trace_me() -> Result<()> {
    let me = sched::current_ref();
    let mut table = tasklist();
    let parent = table.parent(Thread::of(&me).process()).cloned().ok_or(Errno::EPERM)?;
    if Thread::of(&me).is_traced() {
        return Err(Errno::EPERM);
    }
    if parent.is_ending() {
        return Ok(());
    }
    reserve(&parent)?;
    link(&mut table, &me, Trace::new(parent, false, Options::empty()));
    Ok(())
}

/// The running process traces a thread from now on, and stops it with SIGSTOP. May sleep.
///
/// # Errors
/// EPERM: a kernel thread, a thread of the same process, one that is traced already or that the
/// caller may not look into, or one that has ended. ENOMEM.
pub fn attach(task: &TaskRef) -> Result<()> {
    begin(task, false, Options::empty())
}

/// The running process traces a thread from now on, without stopping it. May sleep.
///
/// # Errors
/// As [`attach`].
pub fn seize(task: &TaskRef, options: Options) -> Result<()> {
    begin(task, true, options)
}

fn begin(task: &TaskRef, seized: bool, options: Options) -> Result<()> {
    let tracer = crate::current_process();
    let thread = Thread::of(task);
    let refused = task.is_kthread() || Arc::ptr_eq(thread.process(), &tracer);
    if refused || !may_access(task, Identity::Real) {
        return Err(Errno::EPERM);
    }
    {
        let mut table = tasklist();
        if thread.exit_state() != ExitState::Alive || thread.is_traced() {
            return Err(Errno::EPERM);
        }
        reserve(&tracer)?;
        link(&mut table, task, Trace::new(tracer.clone(), seized, options));
        if !seized {
            // It has not ended, with the table locked.
            let _ = signal_thread(task, SigInfo::kernel(Signal::SIGSTOP));
        }
        turn_stop(task);
    }
    // Whoever has attached to a stopped thread finds it stopped at the first look.
    let settled = || {
        let turning = thread.signals.lock_irq().trace.as_ref().is_some_and(|t| t.is_turning);
        !turning || task.fatal_signal_pending() || thread.exit_state() != ExitState::Alive
    };
    let _ = tracer.children_changed.wait_killable(settled);
    crate::events::traced(task, Some(&tracer));
    Ok(())
}

/// A thread that is stopped with its process stops for its new tracer instead.
fn turn_stop(task: &TaskRef) {
    let thread = Thread::of(task);
    let _group = thread.process().signals().lock_irq();
    let mut signals = thread.signals.lock_irq();
    if !core::mem::take(&mut signals.stopped) {
        return;
    }
    if let Some(trace) = &mut signals.trace {
        trace.must_trap = true;
        trace.is_turning = true;
    }
    task.add_signal(SIGNAL_PENDING);
    sched::wake_up_state(task, state::STOPPED);
}

/// Makes room for one more tracee, for the [`link`] that follows with the table still locked.
fn reserve(tracer: &Process) -> Result<()> {
    tracer.tracees.lock_irq().try_reserve(1).map_err(|_| Errno::ENOMEM)
}

fn link(_table: &mut Table, task: &TaskRef, trace: Trace) {
    let thread = Thread::of(task);
    let tracer = trace.tracer.clone();
    {
        let _group = thread.process().signals().lock_irq();
        thread.signals.lock_irq().trace = Some(Box::new(trace));
        thread.set_trace_flags(TraceFlags::TRACED);
    }
    thread.process().one_more_traced();
    tracer.tracees.lock_irq().push(task.clone());
    tracer.set_traces(true);
}

/// Ends the link, and lets the tracee go on with `signal` if it is stopped for its tracer. What is
/// returned is to be dropped after the table is unlocked.
#[must_use = "dropped after the table's lock"]
pub(crate) fn unlink(_table: &mut Table, task: &TaskRef, signal: u32) -> Option<Box<Trace>> {
    let thread = Thread::of(task);
    let trace = {
        let group = thread.process().signals().lock_irq();
        let mut signals = thread.signals.lock_irq();
        let trace = signals.trace.take()?;
        thread.set_trace_flags(TraceFlags::empty());
        if let Some(stop) = &mut signals.trace_stop
            && !matches!(stop.phase, Phase::Released(_))
        {
            stop.phase = Phase::Released(signal);
        }
        if group.job != JobState::Running && !task.flags().contains(TaskFlags::EXITING) {
            // Its process is stopped, and so is it, from now on like the others.
            signals.must_stop = true;
        }
        let goes_on = signals.must_stop || signals.trace_stop.is_some();
        drop(signals);
        if goes_on {
            group::wake(task, false);
            sched::wake_up_state(task, state::TRACED);
        }
        trace
    };
    thread.process().one_fewer_traced();
    let mut tracees = trace.tracer.tracees.lock_irq();
    tracees.retain(|other| !Arc::ptr_eq(other, task));
    trace.tracer.set_traces(!tracees.is_empty());
    drop(tracees);
    Some(trace)
}

/// As [`unlink`], for a thread that is gone.
pub(crate) fn forget(table: &mut Table, task: &TaskRef, released: &mut Released) {
    if Thread::of(task).is_traced() {
        released.keep_trace(unlink(table, task, 0));
    }
}

/// The running process traces a stopped thread no longer, which goes on with a signal.
///
/// # Errors
/// ESRCH: it is not a stopped tracee of the running process.
pub fn detach(task: &TaskRef, signal: Option<Signal>) -> Result<()> {
    let trace = {
        let mut table = tasklist();
        super::request::check_stopped(task)?;
        unlink(&mut table, task, signal.map_or(0, Signal::number))
    };
    drop(trace);
    crate::events::traced(task, None);
    Ok(())
}

/// Who traces a thread.
pub fn tracer_of(task: &TaskRef) -> Option<Arc<Process>> {
    let thread = Thread::of(task);
    if !thread.is_traced() {
        return None;
    }
    thread.signals.lock_irq().trace.as_ref().map(|trace| trace.tracer.clone())
}

/// What a new thread has of its creator's trace.
pub(crate) struct Inherited(Trace);

impl Inherited {
    /// Looks whether there is something to inherit, and makes room for it. The table stays locked
    /// until [`give`](Self::give).
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn prepare(_table: &Table, creator: &Thread) -> Result<Option<Self>> {
        let trace = {
            let signals = creator.signals.lock_irq();
            let Some(trace) = &signals.trace else { return Ok(None) };
            Trace::new(trace.tracer.clone(), trace.seized, trace.options)
        };
        reserve(&trace.tracer)?;
        Ok(Some(Self(trace)))
    }

    /// Gives it to the child, which stops before its first step.
    pub(crate) fn give(self, table: &mut Table, child: &TaskRef) {
        let seized = self.0.seized;
        link(table, child, self.0);
        let thread = Thread::of(child);
        let _group = thread.process().signals().lock_irq();
        let mut signals = thread.signals.lock_irq();
        match &mut signals.trace {
            Some(trace) if seized => trace.must_trap = true,
            _ => signals.pending.push_bare(Signal::SIGSTOP),
        }
        child.add_signal(SIGNAL_PENDING);
    }
}

/// A tracer ends: its tracees go on without it, or are killed if it wanted that. Those that have
/// ended are their parents' affair again.
pub(crate) fn release_tracees(table: &mut Table, tracer: &Arc<Process>, released: &mut Released) {
    if !tracer.traces() {
        return;
    }
    loop {
        let tracee = tracer.tracees.lock_irq().last().cloned();
        let Some(task) = tracee else { return };
        let trace = unlink(table, &task, 0);
        let kill = trace.as_ref().is_some_and(|trace| trace.options.contains(Options::EXITKILL));
        released.keep_trace(trace);
        if kill {
            let _ = signal_thread(&task, SigInfo::kernel(Signal::SIGKILL));
        }
        let thread = Thread::of(&task);
        if thread.exit_state() == ExitState::Zombie {
            if !thread.is_leader() {
                release_thread(table, &task, released);
            } else if !table.is_child(thread.process(), tracer)
                && thread.process().is_waitable_zombie()
                && notify_zombie(table, thread.process(), released) == Zombie::Unwanted
            {
                released.add_process(table, thread.process());
            }
        }
        released.keep(Some(task));
    }
}
