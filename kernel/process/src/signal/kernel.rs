//! Signals and kernel threads: ignored, until one is allowed.

use sched::{SIGNAL_FATAL, SIGNAL_PENDING, Task};

use super::group;
use super::number::{SigSet, Signal};
use crate::thread::Thread;

/// From now on the running kernel thread sees this signal when it is sent one.
pub fn allow_signal(signal: Signal) {
    let me = sched::current();
    let thread = Thread::of(&me);
    let _group = thread.process().signals().lock_irq();
    thread.set_allowed_signals(thread.allowed_signals().with(signal));
}

/// From now on the running kernel thread ignores this signal again; one that was pending is gone.
pub fn disallow_signal(signal: Signal) {
    let me = sched::current_ref();
    let thread = Thread::of(&me);
    let mut group = thread.process().signals().lock_irq();
    let set = SigSet::of(signal);
    thread.set_allowed_signals(thread.allowed_signals().minus(set));
    thread.signals.lock_irq().pending.discard(set);
    group.pending.discard(set);
    group::recalculate(&me, &group);
}

/// Makes a task ignore every signal, and forget those that wait: kthreadd's first act.
pub fn ignore_signals(task: &Task) {
    let thread = Thread::of(task);
    let mut group = thread.process().signals().lock_irq();
    thread.set_allowed_signals(SigSet::EMPTY);
    thread.signals.lock_irq().pending.discard(SigSet::ALL);
    group.pending.discard(SigSet::ALL);
    task.remove_signal(SIGNAL_PENDING | SIGNAL_FATAL);
}
