//! Stopping and going on: job control.
//!
//! A thread that takes a stop signal starts the stop: every thread of its process has to take part.
//! Each does when it next looks for signals, and sleeps in state `STOPPED`; the last one tells the
//! parent. SIGCONT ends it when it is *sent*, SIGKILL too.
//!
//! ```text
//!   Running ──stop signal taken──> Stopping { left } ──the last thread stops──> Stopped
//!      ^                               │                                           │
//!      └──────── SIGCONT sent ─────────┴───────────────────────────────────────────┘
//! ```

use alloc::sync::Arc;

use errno::{Errno, Result};
use sched::{SIGNAL_PENDING, Task, TaskFlags, TaskRef, state};
use sync::SpinIrqGuard;

use super::action::ActionFlags;
use super::group::{self, ChildNews, GroupSignals, JobState, ThreadSignals};
use super::info::{CLD_CONTINUED, CLD_STOPPED};
use super::number::Signal;
use super::{child, send};
use crate::process::Process;
use crate::table::tasklist;
use crate::thread::Thread;

/// The thread with these signals stops with its process, or ends instead: it is counted, once.
pub(crate) fn count_stopped(signals: &mut ThreadSignals, group: &mut GroupSignals) {
    signals.must_stop = false;
    if core::mem::take(&mut signals.owes_stop) {
        one_less_to_stop(group);
    }
}

fn one_less_to_stop(group: &mut GroupSignals) {
    if let JobState::Stopping { signal, left } = group.job {
        group.job = match left {
            0 | 1 => {
                group.news = Some(ChildNews::Stopped);
                JobState::Stopped { signal, reported: false }
            }
            _ => JobState::Stopping { signal, left: left - 1 },
        };
    }
}

/// The running thread has taken a stop signal: every thread has to stop.
pub(crate) fn start(me: &TaskRef, group: &mut GroupSignals, signal: Signal) {
    if group.exit.is_some() {
        return;
    }
    if group.job != JobState::Running {
        // Only a tracer has let it run until here; it stops again.
        Thread::of(me).signals.lock_irq().must_stop = true;
        return;
    }
    let mut left = 0;
    for task in &group.threads {
        if task.flags().contains(TaskFlags::EXITING) {
            continue;
        }
        {
            let mut signals = Thread::of(task).signals.lock_irq();
            signals.must_stop = true;
            signals.owes_stop = true;
            crate::ptrace::notify_listener(task, &mut signals);
        }
        group::wake(task, false);
        left += 1;
    }
    group.continued = false;
    group.job = JobState::Stopping { signal, left };
}

/// A new thread of a process whose signals are locked: it takes part in a stop that is under way.
///
/// # Errors
/// ERESTARTNOINTR: the process ends, or all threads but another one; the creator will find out.
pub(crate) fn admit(group: &mut GroupSignals, creator: &Task, new: &TaskRef) -> Result<()> {
    let gives_way =
        group.only_survivor.as_ref().is_some_and(|survivor| !core::ptr::eq(&**survivor, creator));
    if group.exit.is_some() || gives_way {
        return Err(Errno::ERESTARTNOINTR);
    }
    if let JobState::Stopping { left, .. } = &mut group.job
        && Thread::of(creator).signals.lock_irq().must_stop
    {
        *left += 1;
        let mut signals = Thread::of(new).signals.lock_irq();
        signals.must_stop = true;
        signals.owes_stop = true;
        new.add_signal(SIGNAL_PENDING);
    }
    Ok(())
}

/// The running thread takes part in the stop of its process, and sleeps until that is over. May
/// sleep.
pub(crate) fn take_part(me: &TaskRef, mut group: SpinIrqGuard<'_, GroupSignals>) {
    const STATE: u32 = state::STOPPED | state::WAKEKILL;
    let thread = Thread::of(me);
    {
        let mut signals = thread.signals.lock_irq();
        // Before the stop can be seen: whoever has waited for it finds the thread in this state.
        sched::set_current_state(STATE);
        signals.stopped = true;
        count_stopped(&mut signals, &mut group);
    }
    let news = group.news.take();
    drop(group);
    if let Some(news) = news {
        tell_parent(thread.process(), news);
    }
    loop {
        // The state comes before the look, SIGCONT and SIGKILL clear the mark before they look at
        // the state.
        sched::set_current_state(STATE);
        if !thread.signals.lock_irq().stopped {
            break;
        }
        sched::schedule();
    }
    sched::set_current_state(state::RUNNING);
}

/// Tells the parent that the process has stopped or goes on: SIGCHLD if it wants to know, and a
/// wake-up for whoever waits.
pub(crate) fn tell_parent(process: &Arc<Process>, news: ChildNews) {
    let table = tasklist();
    let Some(parent) = table.parent(process) else { return };
    tell(parent, process, news);
    if process.is_traced()
        && let Some(tracer) = process.leader().and_then(|leader| crate::ptrace::tracer_of(&leader))
        && !Arc::ptr_eq(&tracer, parent)
        && news == ChildNews::Continued
    {
        // Of a stop it hears from each thread.
        tell(&tracer, process, news);
    }
}

fn tell(parent: &Arc<Process>, process: &Arc<Process>, news: ChildNews) {
    let signal = process.signals().lock_irq().job;
    let (code, status) = match (news, signal) {
        (ChildNews::Continued, _) => (CLD_CONTINUED, Signal::SIGCONT),
        (
            ChildNews::Stopped,
            JobState::Stopped { signal, .. } | JobState::Stopping { signal, .. },
        ) => (CLD_STOPPED, signal),
        // It has been continued since.
        (ChildNews::Stopped, JobState::Running) => (CLD_STOPPED, Signal::SIGSTOP),
    };
    let wants = !parent.sighand().get(Signal::SIGCHLD).flags.contains(ActionFlags::NOCLDSTOP);
    if wants {
        let info =
            child::child_info(parent, process, Signal::SIGCHLD, code, status.number() as i32);
        // A parent that is ending does not want to know.
        let _ = send::signal_process(parent, info);
    }
    parent.children_changed.wake_all();
}
