//! Waiting for children: `wait4` and `waitid`.
//!
//! A parent waits for *events* of its children: that one has ended, stopped, or goes on. An event
//! is taken by one waiter, or only looked at (`NOWAIT`). Looking and taking are one step under the
//! process table's lock. Whoever causes an event changes the child first and wakes the parent's
//! `children_changed` then, so a waiter that finds nothing is woken.

use alloc::sync::Arc;

use bitflags::bitflags;
use errno::{Errno, Result};
use sched::{Sleep, TaskRef};
use trace::{SCHED_PROCESS_WAIT, SchedProcess};

use crate::exit::Released;
use crate::pid::Pid;
use crate::process::Process;
use crate::ptrace::{self, TraceeEvent, look_at_tracees};
use crate::signal::{JobState, Signal, info};
use crate::table::{Table, tasklist};
use crate::thread::Thread;
use crate::usage::Usage;

bitflags! {
    /// Which events, and how to wait (`W*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct WaitOptions: u32 {
        /// Do not sleep.
        const NOHANG = 1;
        /// Children that have stopped (`WUNTRACED`).
        const STOPPED = 2;
        /// Children that have ended.
        const EXITED = 4;
        /// Children that go on after a stop.
        const CONTINUED = 8;
        /// Only look: the event can be waited for again.
        const NOWAIT = 0x0100_0000;
        /// Only children of this thread. Here children belong to processes: without effect.
        const NOTHREAD = 0x2000_0000;
        /// All children, whatever signal they send at their end.
        const ALL = 0x4000_0000;
        /// Children that send another signal than SIGCHLD at their end, and no others.
        const CLONE = 0x8000_0000;
    }
}

/// Which children.
#[derive(Clone, Debug)]
pub enum WaitFor {
    /// Any child.
    Any,
    /// The child with this number.
    Process(Arc<Pid>),
    /// Those of the group with this number.
    Group(Arc<Pid>),
}

/// What has happened to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildEvent {
    /// It has ended, with this exit code.
    Ended(u32),
    /// A signal has stopped it.
    Stopped(Signal),
    /// It goes on.
    Continued,
    /// It has stopped for the caller, who traces it: the signal, and an event above it.
    Traced(u32),
}

impl ChildEvent {
    /// `wait4`'s status.
    pub const fn status(self) -> u32 {
        match self {
            Self::Ended(code) => code,
            Self::Stopped(signal) => signal.number() << 8 | 0x7f,
            Self::Continued => 0xffff,
            Self::Traced(code) => code << 8 | 0x7f,
        }
    }

    /// `waitid`'s `si_code` and `si_status`.
    pub const fn code_and_status(self) -> (i32, i32) {
        match self {
            Self::Ended(code) => info::end_of(code),
            Self::Stopped(signal) => (info::CLD_STOPPED, signal.number() as i32),
            Self::Continued => (info::CLD_CONTINUED, Signal::SIGCONT.number() as i32),
            Self::Traced(code) => (info::CLD_TRAPPED, code as i32),
        }
    }
}

/// A child, and what has happened to it.
#[derive(Clone, Copy, Debug)]
pub struct Waited {
    /// The child's number as the caller sees it.
    pub pid: u32,
    /// The child's real user.
    pub uid: u32,
    /// What has happened.
    pub event: ChildEvent,
    /// What the child and those it has waited for have used.
    pub usage: Usage,
}

/// Waits for an event of a child of the running process. None with `NOHANG`: nothing has happened
/// yet. May sleep.
///
/// # Errors
/// ECHILD: there is no such child. ERESTARTSYS: a signal came.
pub fn wait_for_child(who: &WaitFor, options: WaitOptions) -> Result<Option<Waited>> {
    SCHED_PROCESS_WAIT.record(|| {
        let (comm, _, prio) = sched::current().trace_identity();
        let pid = match who {
            WaitFor::Any => 0,
            WaitFor::Process(pid) | WaitFor::Group(pid) => pid.number() as i32,
        };
        SchedProcess { comm, pid, prio }
    });
    let parent = crate::current_process();
    let mut released = Released::default();
    let look = || match look(&parent, who, options, &mut released) {
        Found::Event(waited) => Some(Ok(Some(waited))),
        Found::Nobody => Some(Err(Errno::ECHILD)),
        Found::Nothing if options.contains(WaitOptions::NOHANG) => Some(Ok(None)),
        Found::Nothing => None,
    };
    let outcome = parent.children_changed.wait_map(Sleep::Interruptible, None, look);
    drop(released);
    outcome?
}

enum Found {
    /// An event.
    Event(Waited),
    /// Children that could have one.
    Nothing,
    /// No such children.
    Nobody,
}

fn look(
    parent: &Arc<Process>,
    who: &WaitFor,
    options: WaitOptions,
    released: &mut Released,
) -> Found {
    let mut table = tasklist();
    let mut found = Found::Nobody;
    let mut taken = None;
    for child in table.children(parent) {
        if !is_meant(&table, child, who, options) || is_tracee(child, parent) {
            continue;
        }
        found = Found::Nothing;
        if let Some(event) = event_of(child, options) {
            taken = Some((child.clone(), event));
            break;
        }
    }
    if taken.is_none() && parent.traces() {
        let meant = |thread: &Thread| is_meant_tracee(&table, thread, who);
        let (any, event) = look_at_tracees(&table, parent, meant, options);
        if let Some(TraceeEvent { task, event }) = event {
            return Found::Event(take_tracee(&mut table, parent, &task, event, options, released));
        }
        if any {
            found = Found::Nothing;
        }
    }
    let Some((child, event)) = taken else { return found };
    let waited = describe(&child, event);
    if matches!(event, ChildEvent::Ended(_)) && !options.contains(WaitOptions::NOWAIT) {
        parent.usage.lock_irq().children.add(&waited.usage);
        released.add_process(&mut table, &child);
    }
    Found::Event(waited)
}

/// A child whose leader the parent traces is looked at among the tracees.
fn is_tracee(child: &Process, parent: &Arc<Process>) -> bool {
    child.is_traced()
        && child
            .leader()
            .and_then(|leader| ptrace::tracer_of(&leader))
            .is_some_and(|tracer| Arc::ptr_eq(&tracer, parent))
}

/// A tracee is waited for whatever signal it sends at its end.
fn is_meant_tracee(table: &Table, thread: &Thread, who: &WaitFor) -> bool {
    match who {
        WaitFor::Any => true,
        WaitFor::Process(pid) => Arc::ptr_eq(&thread.pid(), pid),
        WaitFor::Group(id) => {
            table.group_of(thread.process()).is_some_and(|of| Arc::ptr_eq(of, id))
        }
    }
}

/// Takes an event of a tracee.
fn take_tracee(
    table: &mut Table,
    tracer: &Arc<Process>,
    task: &TaskRef,
    event: ChildEvent,
    options: WaitOptions,
    released: &mut Released,
) -> Waited {
    let thread = Thread::of(task);
    let process = thread.process();
    let waited = Waited {
        pid: thread.number_in(&crate::current_pid_namespace()),
        ..describe(process, event)
    };
    if matches!(event, ChildEvent::Ended(_))
        && !options.contains(WaitOptions::NOWAIT)
        && ptrace::reap(table, tracer, task, released)
    {
        tracer.usage.lock_irq().children.add(&waited.usage);
        released.add_process(table, process);
    }
    waited
}

fn is_meant(table: &Table, child: &Process, who: &WaitFor, options: WaitOptions) -> bool {
    let right_one = match who {
        WaitFor::Any => true,
        WaitFor::Process(pid) => Arc::ptr_eq(child.pid(), pid),
        WaitFor::Group(id) => table.group_of(child).is_some_and(|of| Arc::ptr_eq(of, id)),
    };
    let is_clone = child.exit_signal() != Signal::SIGCHLD.number();
    right_one
        && (options.contains(WaitOptions::ALL) || is_clone == options.contains(WaitOptions::CLONE))
}

/// The event of a child that the options ask for, taken unless they say otherwise.
fn event_of(child: &Process, options: WaitOptions) -> Option<ChildEvent> {
    let take = !options.contains(WaitOptions::NOWAIT);
    if child.is_waitable_zombie() {
        if !options.contains(WaitOptions::EXITED) {
            return None;
        }
        let leader = child.leader()?;
        if Thread::of(&leader).is_traced() {
            // Its tracer comes first.
            return None;
        }
        return Some(ChildEvent::Ended(child.final_exit_code(&leader)));
    }
    let mut signals = child.signals().lock_irq();
    if let JobState::Stopped { signal, reported: false } = signals.job
        && options.contains(WaitOptions::STOPPED)
    {
        if take {
            signals.job = JobState::Stopped { signal, reported: true };
        }
        return Some(ChildEvent::Stopped(signal));
    }
    if signals.continued && options.contains(WaitOptions::CONTINUED) {
        signals.continued = !take;
        return Some(ChildEvent::Continued);
    }
    None
}

fn describe(child: &Process, event: ChildEvent) -> Waited {
    let namespace = crate::current_pid_namespace();
    let shared = *child.usage.lock_irq();
    let mut usage = shared.ended_threads;
    usage.add(&shared.children);
    Waited {
        pid: child.pid().number_in(&namespace),
        uid: child.leader().map_or(0, |leader| Thread::of(&leader).user().uid()),
        event,
        usage,
    }
}

/// Releases the children that have ended, on behalf of a process that will not wait any more.
pub(crate) fn reap_all_of(process: &Arc<Process>) {
    loop {
        let mut released = Released::default();
        let options = WaitOptions::EXITED | WaitOptions::ALL;
        let found = look(process, &WaitFor::Any, options, &mut released);
        drop(released);
        if !matches!(found, Found::Event(_)) {
            return;
        }
    }
}
