//! What can be seen of a task's signals.

use sched::TaskRef;

use super::action::Handler;
use super::number::{SigSet, Signal};
use crate::thread::Thread;

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
