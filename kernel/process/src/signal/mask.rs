//! Blocking signals, and waiting for them.

use errno::{Errno, Result};
use sched::{Sleep, Task, WaitError, WaitQueue};
use sync::SpinIrqGuard;

use super::deliver::dequeue;
use super::group::{self, GroupSignals, ThreadSignals};
use super::info::SigInfo;
use super::number::SigSet;
use super::stack::AlternateStack;
use crate::thread::Thread;

/// How `sigprocmask` combines the sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Block these too.
    Block,
    /// Do not block these.
    Unblock,
    /// Block exactly these.
    Set,
}

impl How {
    /// From user space's number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Block),
            1 => Some(Self::Unblock),
            2 => Some(Self::Set),
            _ => None,
        }
    }

    const fn apply(self, old: SigSet, set: SigSet) -> SigSet {
        match self {
            Self::Block => old.union(set),
            Self::Unblock => old.minus(set),
            Self::Set => set,
        }
    }
}

/// What the running thread blocks.
pub fn blocked() -> SigSet {
    Thread::of(&sched::current()).signals.lock_irq().blocked
}

/// Changes what the running thread blocks and returns what it did before. SIGKILL and SIGSTOP
/// cannot be blocked.
pub fn change_mask(how: How, set: SigSet) -> SigSet {
    let me = sched::current();
    let thread = Thread::of(&me);
    let group = thread.process().signals().lock_irq();
    let signals = thread.signals.lock_irq();
    let new = how.apply(signals.blocked, set);
    block(&me, thread, &group, signals, new)
}

/// Blocks exactly `set`, and returns what was blocked before.
fn block<'a>(
    me: &Task,
    thread: &'a Thread,
    group: &GroupSignals,
    mut signals: SpinIrqGuard<'a, ThreadSignals>,
    set: SigSet,
) -> SigSet {
    let new = set.minus(SigSet::UNMASKABLE);
    let old = core::mem::replace(&mut signals.blocked, new);
    let newly = new.minus(old);
    if !newly.is_empty() {
        // They may have been sent to this thread for the process: others take them, whose signals are looked at.
        drop(signals);
        super::pass_on::pass_on(group, newly);
        signals = thread.signals.lock_irq();
    }
    group::recalculate_locked(me, group, &signals);
    old
}

/// What a handler's return brings back: the mask, and the alternate stack, which stays as it is if none is given or if the thread, with this stack
/// pointer, is on it.
pub fn handler_left(set: SigSet, stack: Option<AlternateStack>, stack_pointer: usize) {
    let me = sched::current();
    let thread = Thread::of(&me);
    let group = thread.process().signals().lock_irq();
    let mut signals = thread.signals.lock_irq();
    if let Some(stack) = stack
        && !signals.alternate_stack.is_in_use(stack_pointer)
    {
        signals.alternate_stack = stack;
    }
    block(&me, thread, &group, signals, set);
}

/// Sets what the running thread blocks.
pub fn set_mask(set: SigSet) {
    change_mask(How::Set, set);
}

/// Blocks exactly `set` until the next signal has been dealt with: for system calls that wait with
/// a mask of their own. Then either a handler runs, whose return brings the old mask back, or
/// [`restore_saved_mask`] does.
pub fn set_temporary_mask(set: SigSet) {
    let old = change_mask(How::Set, set);
    Thread::of(&sched::current()).signals.lock_irq().saved_mask = Some(old);
}

/// Takes back what [`set_temporary_mask`] did, if no handler has.
pub fn restore_saved_mask() {
    let saved = Thread::of(&sched::current()).signals.lock_irq().saved_mask.take();
    if let Some(saved) = saved {
        change_mask(How::Set, saved);
    }
}

/// All signals that wait for the running thread, blocked or not.
pub fn all_pending() -> SigSet {
    let me = sched::current();
    let thread = Thread::of(&me);
    let group = thread.process().signals().lock_irq();
    let signals = thread.signals.lock_irq();
    signals.pending.set().union(group.pending.set())
}

/// The blocked signals that wait for the running thread.
pub fn pending() -> SigSet {
    all_pending().and(blocked())
}

/// `sigsuspend`: sleeps with another mask until a signal comes that does something. May sleep.
///
/// # Errors
/// ERESTARTNOHAND, always.
pub fn wait_for_signal(mask: SigSet) -> Result<()> {
    set_temporary_mask(mask);
    let queue = WaitQueue::new();
    let _ = queue.wait_interruptible(|| false);
    Err(Errno::ERESTARTNOHAND)
}

/// `sigtimedwait`: takes a signal of `wanted`, which are blocked, waiting for one until `deadline`
/// on the monotonic clock. May sleep.
///
/// # Errors
/// EAGAIN: the time is up. EINTR: another signal came.
pub fn sigtimedwait(wanted: SigSet, deadline: Option<u64>) -> Result<SigInfo> {
    let wanted = wanted.minus(SigSet::UNMASKABLE);
    if let Some(info) = dequeue(Some(wanted)) {
        return Ok(info);
    }
    let me = sched::current_ref();
    let thread = Thread::of(&me);
    let change_wish = |wish: SigSet| {
        let group = thread.process().signals().lock_irq();
        {
            let mut signals = thread.signals.lock_irq();
            // While they are waited for they wake the thread like any other: unblocked, in a way.
            signals.blocked = if wish.is_empty() {
                signals.blocked.union(signals.waited_for)
            } else {
                signals.blocked.minus(wish)
            };
            signals.waited_for = wish;
        }
        group::recalculate(&me, &group);
    };
    let was_blocked = blocked().and(wanted);
    change_wish(was_blocked);
    let queue = WaitQueue::new();
    let woken = queue.wait_map::<()>(Sleep::Interruptible, deadline, || None);
    change_wish(SigSet::EMPTY);
    match dequeue(Some(wanted)) {
        Some(info) => Ok(info),
        None if woken == Err(WaitError::TimedOut) => Err(Errno::EAGAIN),
        None => Err(Errno::EINTR),
    }
}

/// The running thread's alternate stack.
pub fn alternate_stack() -> AlternateStack {
    Thread::of(&sched::current()).signals.lock_irq().alternate_stack
}

/// Changes the running thread's alternate stack.
///
/// # Errors
/// EPERM: the thread, with this stack pointer, is on the old one.
pub fn set_alternate_stack(stack: AlternateStack, stack_pointer: usize) -> Result<()> {
    let me = sched::current();
    let mut signals = Thread::of(&me).signals.lock_irq();
    if signals.alternate_stack.is_in_use(stack_pointer) {
        return Err(Errno::EPERM);
    }
    signals.alternate_stack = stack;
    Ok(())
}
