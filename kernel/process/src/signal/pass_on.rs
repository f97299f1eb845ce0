//! Passing shared signals on: a thread that was to take one for its process does not, and another
//! has to.

use sched::{TaskFlags, TaskRef};

use super::group::{self, GroupSignals};
use super::number::SigSet;
use super::{send, stop};
use crate::thread::{ExitState, Thread};

/// From here on the running thread takes no signals: what was meant for any thread goes to another.
pub(crate) fn stop_taking(me: &TaskRef, thread: &Thread) {
    let mut group = thread.process().signals().lock_irq();
    me.add_flags(TaskFlags::EXITING);
    debug_assert_eq!(thread.exit_state(), ExitState::Alive);
    if group.threads.len() == 1 {
        return;
    }
    let mine = SigSet::ALL.minus(thread.signals.lock_irq().blocked);
    pass_on(&group, mine);
    leave_stop(&mut group, thread);
    let news = group.news.take();
    drop(group);
    // All others may be asleep in the stop by now.
    if let Some(news) = news {
        stop::tell_parent(thread.process(), news);
    }
}

/// Wakes a thread for each shared signal of the set that waits: the running one takes them no longer. No thread's signals are locked.
pub(super) fn pass_on(group: &GroupSignals, signals: SigSet) {
    let mut left = group.pending.set().and(signals);
    while let Some(signal) = left.first() {
        left = left.minus(SigSet::of(signal));
        if let Some(other) = group.threads.iter().find(|task| send::wants(task, signal)) {
            group::wake(other, false);
        }
    }
}

/// The thread was to take part in a stop and ends instead; it may have been the last one that was
/// waited for.
fn leave_stop(group: &mut GroupSignals, thread: &Thread) {
    stop::count_stopped(&mut thread.signals.lock_irq(), group);
}
