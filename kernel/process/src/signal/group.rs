//! What signals have done and are about to do to a process and to its threads.

use alloc::boxed::Box;
use alloc::sync::Arc;

use sched::{SIGNAL_FATAL, SIGNAL_PENDING, Task, TaskFlags, TaskRef, state};

use super::number::{SigSet, Signal};
use super::pending::Pending;
use crate::process::{Process, Threads};
use crate::ptrace::{Stop, Trace};
use crate::thread::{ExitState, Thread};

/// Whether job control lets the process run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobState {
    /// It runs.
    Running,
    /// `left` threads have yet to stop.
    Stopping { signal: Signal, left: usize },
    /// All threads have stopped. `reported`: somebody has waited for that.
    Stopped { signal: Signal, reported: bool },
}

/// What the parent is to be told of by the next thread that takes signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChildNews {
    Stopped,
    Continued,
}

/// What is pending for a process, and how it is stopped and ended. Under `process.signals`.
pub(crate) struct GroupSignals {
    /// The threads that have not been released; the leader first.
    pub(crate) threads: Threads,
    /// What any of them may take.
    pub(crate) pending: Pending,
    /// The process ends, with this exit code.
    pub(crate) exit: Option<u32>,
    pub(crate) job: JobState,
    /// It was continued, and nobody has waited for that.
    pub(crate) continued: bool,
    pub(crate) news: Option<ChildNews>,
    /// This thread executes a program and ends all others first.
    pub(crate) only_survivor: Option<TaskRef>,
    /// It is the first of its namespace and has been hit by a fault of its own: nothing protects it
    /// any more.
    pub(crate) protection_lost: bool,
}

impl GroupSignals {
    pub(crate) fn new() -> Self {
        Self {
            threads: Threads::new(),
            pending: Pending::new(),
            exit: None,
            job: JobState::Running,
            continued: false,
            news: None,
            only_survivor: None,
            protection_lost: false,
        }
    }

    pub(crate) fn add_thread(&mut self, task: &TaskRef) {
        self.threads.push(task.clone());
    }

    pub(crate) fn remove_thread(&mut self, task: &TaskRef) -> Option<TaskRef> {
        let place = self.threads.iter().position(|other| Arc::ptr_eq(other, task))?;
        Some(self.threads.remove(place))
    }

    /// Whether the leader has ended and no other thread is left.
    pub(crate) fn has_only_a_zombie(&self) -> bool {
        match &*self.threads {
            [leader] => Thread::of(leader).exit_state() == ExitState::Zombie,
            _ => false,
        }
    }

    /// Whether its signals do to it only what it has handlers for.
    pub(crate) fn is_protected(&self, process: &Process) -> bool {
        process.pid().is_namespace_init() && !self.protection_lost
    }

    /// Whether a thread has to end for the sake of another that executes a program.
    pub(crate) fn gives_way(&self, task: &TaskRef) -> bool {
        self.only_survivor.as_ref().is_some_and(|survivor| !Arc::ptr_eq(survivor, task))
    }

    /// Decides that the process ends with `code`, unless that has been decided already, and kills
    /// all threads but `except`. Returns the code that holds.
    pub(crate) fn start_exit(&mut self, code: u32, except: Option<&TaskRef>) -> u32 {
        if let Some(decided) = self.exit {
            return decided;
        }
        self.exit = Some(code);
        self.job = JobState::Running;
        for task in &self.threads {
            if except.is_none_or(|except| !Arc::ptr_eq(except, task)) {
                kill_thread(task);
            }
        }
        code
    }
}

/// Marks a thread as killed and gets it out of whatever sleep. Its process's signals are locked.
pub(crate) fn kill_thread(task: &TaskRef) {
    {
        let mut signals = Thread::of(task).signals.lock_irq();
        signals.must_stop = false;
        signals.owes_stop = false;
        signals.stopped = false;
        signals.pending.push_bare(Signal::SIGKILL);
    }
    if !task.flags().contains(TaskFlags::EXITING) {
        wake(task, true);
    }
}

/// Tells a thread that it has a signal to take: out of an interruptible sleep, or out of user mode.
/// `fatal`: out of killable sleeps and stops too. Any context.
pub(crate) fn wake(task: &TaskRef, fatal: bool) {
    let (bits, states) = if fatal {
        let states = state::INTERRUPTIBLE | state::WAKEKILL | state::STOPPED | state::TRACED;
        (SIGNAL_PENDING | SIGNAL_FATAL, states)
    } else {
        (SIGNAL_PENDING, state::INTERRUPTIBLE)
    };
    // The bits come before the look at the state, the sleeper sets its state before it looks at the
    // bits.
    task.add_signal(bits);
    if !sched::wake_up_state(task, states) {
        sched::kick(task);
    }
}

/// What is pending for a thread, and what it blocks. Under `thread.signals`.
pub(crate) struct ThreadSignals {
    pub(crate) pending: Pending,
    pub(crate) blocked: SigSet,
    /// The mask to go back to when the next signal has been dealt with, set by a system call that
    /// waits with a mask of its own (`sigsuspend`, `ppoll`).
    pub(crate) saved_mask: Option<SigSet>,
    /// What a `sigtimedwait` waits for although it is blocked.
    pub(crate) waited_for: SigSet,
    pub(crate) alternate_stack: super::stack::AlternateStack,
    /// It has to take part in the stop of its process.
    pub(crate) must_stop: bool,
    /// It is among those whose stop is counted, and has not been counted.
    pub(crate) owes_stop: bool,
    /// It takes part in the stop, and sleeps.
    pub(crate) stopped: bool,
    /// It has taken a stop signal and not acted on it yet. SIGCONT cancels that too.
    pub(crate) takes_stop: bool,
    /// Who traces it, and how.
    pub(crate) trace: Option<Box<Trace>>,
    /// It is stopped for its tracer.
    pub(crate) trace_stop: Option<Box<Stop>>,
}

impl ThreadSignals {
    pub(crate) fn new(blocked: SigSet) -> Self {
        Self {
            pending: Pending::new(),
            blocked,
            saved_mask: None,
            waited_for: SigSet::EMPTY,
            alternate_stack: super::stack::AlternateStack::NONE,
            must_stop: false,
            owes_stop: false,
            stopped: false,
            takes_stop: false,
            trace: None,
            trace_stop: None,
        }
    }

    /// What a thread starts with: its creator's mask, nothing pending; the alternate stack only in
    /// memory of its own, or in memory that its creator does not use meanwhile.
    #[inline(always)]
    pub(crate) fn for_child(creator: &Thread, keeps_stack: bool) -> Self {
        let (blocked, stack) = {
            let signals = creator.signals.lock_irq();
            (signals.blocked, signals.alternate_stack)
        };
        let mut child = Self::new(blocked);
        if keeps_stack {
            child.alternate_stack = stack;
        }
        child
    }
}

/// Looks again whether the running thread has a signal to take. Its process's signals are locked.
pub(crate) fn recalculate(task: &Task, group: &GroupSignals) {
    let signals = Thread::of(task).signals.lock_irq();
    recalculate_locked(task, group, &signals);
}

/// The same, of a thread whose own signals are locked, too.
pub(crate) fn recalculate_locked(task: &Task, group: &GroupSignals, signals: &ThreadSignals) {
    let waiting = signals.pending.set().union(group.pending.set());
    let relevant = !waiting.minus(signals.blocked).is_empty()
        || signals.must_stop
        || signals.trace.as_ref().is_some_and(|trace| trace.must_trap || trace.must_notify)
        || group.exit.is_some()
        || group.news.is_some();
    if relevant {
        task.add_signal(SIGNAL_PENDING);
    } else if !task.signal_pending() {
        // Nothing to take back.
    } else if task.is_kthread() {
        // It has taken what it allowed, SIGKILL perhaps, and lives on.
        task.remove_signal(SIGNAL_PENDING | SIGNAL_FATAL);
    } else if !task.fatal_signal_pending() {
        task.remove_signal(SIGNAL_PENDING);
    }
}
