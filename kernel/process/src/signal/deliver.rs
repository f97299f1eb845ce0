//! Taking signals: what a thread does about them on its way back to user mode.

use alloc::sync::Arc;

use errno::{Errno, Result};
use machine::user::UserContext;
use sched::{TaskFlags, TaskRef};
use sync::{Once, SpinIrqGuard};

use super::action::{Action, ActionFlags, Handler, Sighand};
use super::group::{self, GroupSignals, ThreadSignals};
use super::info::{Details, SigInfo};
use super::number::{DefaultAction, SigSet, Signal};
use super::stack::AlternateStack;
use super::stop;
use crate::ptrace;
use crate::thread::Thread;

/// What a thread has to do before it goes on in user mode.
#[derive(Clone, Copy, Debug)]
pub enum Delivery {
    /// Nothing more. The mask that a system call set for its wait has still to be taken back:
    /// [`restore_saved_mask`](super::restore_saved_mask).
    None,
    /// Call a handler. When its frame is on the user stack: [`handler_entered`].
    Handler {
        /// What to call, and how.
        action: Action,
        /// What to tell it.
        info: SigInfo,
        /// The mask to go back to when it returns.
        saved_mask: SigSet,
        /// The thread's alternate stack, if it has one.
        alternate_stack: AlternateStack,
    },
    /// The process ends: return from the task's start function with this exit code.
    Terminate {
        /// As `wait` shows it.
        code: u32,
    },
}

/// Takes the running thread's next signal, and with it all that can be dealt with here: ignored
/// ones, stops, the end. Sleeps while the process is stopped. For user tasks, on the way to user
/// mode with [`signal_pending`](sched::Task::signal_pending); called again until it gives
/// [`Delivery::None`]. A tracer may change `context` meanwhile.
pub fn next_delivery(me: &TaskRef, context: &mut UserContext) -> Delivery {
    let thread = Thread::of(me);
    let process = thread.process();
    loop {
        let mut group = process.signals().lock_irq();
        if let Some(news) = group.news.take() {
            drop(group);
            stop::tell_parent(process, news);
            continue;
        }
        if let Some(code) = group.exit {
            return Delivery::Terminate { code };
        }
        if group.gives_way(me) {
            return Delivery::Terminate { code: 0 };
        }
        if must_trap(thread) {
            drop(group);
            ptrace::trap(me, context);
            continue;
        }
        let mut signals = thread.signals.lock_irq();
        if signals.must_stop {
            drop(signals);
            stop::take_part(me, group);
            continue;
        }
        let wanted = SigSet::ALL.minus(signals.blocked);
        let Some(info) = take(&mut signals, &mut group, wanted) else {
            group::recalculate_locked(me, &group, &signals);
            return Delivery::None;
        };
        let before = Before {
            mask: signals.saved_mask.unwrap_or(signals.blocked),
            alternate_stack: signals.alternate_stack,
        };
        drop(signals);
        if !thread.is_traced() || info.signal == Signal::SIGKILL {
            if let Some(delivery) = act(me, group, &info, before, Continued::No) {
                return delivery;
            }
            continue;
        }
        drop(group);
        if let Some((info, continued)) = ptrace::signal_stop(me, context, info) {
            let group = process.signals().lock_irq();
            let continued = if continued { Continued::Yes } else { Continued::No };
            if let Some(delivery) = act(me, group, &info, before, continued) {
                return delivery;
            }
        }
    }
}

/// Whether the running thread has to stop for its tracer. With a tracer, that is also how it takes
/// part in a stop of its process. The process's signals are locked.
fn must_trap(thread: &Thread) -> bool {
    if !thread.is_traced() {
        return false;
    }
    let signals = thread.signals.lock_irq();
    let must_stop = signals.must_stop;
    signals.trace.as_ref().is_some_and(|t| must_stop || t.must_trap || t.must_notify)
}

/// Whether a SIGCONT came while a tracer looked at a signal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Continued {
    No,
    Yes,
}

/// What a thread goes back to when a handler returns.
#[derive(Clone, Copy)]
struct Before {
    mask: SigSet,
    alternate_stack: AlternateStack,
}

/// Takes a signal out of the queues: the thread's own first. `wanted`: only these, blocked or not.
#[inline(always)]
fn take(signals: &mut ThreadSignals, group: &mut GroupSignals, wanted: SigSet) -> Option<SigInfo> {
    let info = signals.pending.take(wanted).or_else(|| group.pending.take(wanted))?;
    if let Details::Timer { id, overrun, .. } = info.details
        && let Some(hook) = TIMER_HOOK.get()
    {
        hook(id, overrun);
    }
    Some(info)
}

/// Who wants to know of the signals of timers that are taken.
static TIMER_HOOK: Once<fn(u32, i32)> = Once::new();

/// Says what is called when the running thread takes a timer's signal, with the timer's number and for how many expirations more
/// the signal stands. Signal locks are held. Once.
pub fn set_timer_signal_hook(hook: fn(u32, i32)) {
    let fresh = TIMER_HOOK.set(hook).is_ok();
    assert!(fresh, "the timer signal hook is set once");
}

/// What the process has chosen to do about a signal. None: it has been dealt with.
#[inline]
fn act(
    me: &TaskRef,
    mut group: SpinIrqGuard<'_, GroupSignals>,
    info: &SigInfo,
    before: Before,
    continued: Continued,
) -> Option<Delivery> {
    let signal = info.signal;
    let process = Thread::of(me).process();
    let action = process.action(signal);
    match action.handler {
        Handler::Ignore => None,
        Handler::User(_) => {
            if action.flags.contains(ActionFlags::RESETHAND) {
                let once = Action { handler: Handler::Default, ..action };
                process.sighand().set(signal, once);
            }
            let Before { mask, alternate_stack } = before;
            Some(Delivery::Handler { action, info: *info, saved_mask: mask, alternate_stack })
        }
        Handler::Default => {
            let protected = group.is_protected(process) && !SigSet::UNMASKABLE.contains(signal);
            match signal.default_action() {
                DefaultAction::Ignore | DefaultAction::Continue => None,
                _ if protected => None,
                DefaultAction::Stop if continued == Continued::Yes => None,
                DefaultAction::Stop => {
                    if signal == Signal::SIGSTOP {
                        stop::start(me, &mut group, signal);
                    } else {
                        stop_unless_orphaned(me, group, signal);
                    }
                    None
                }
                // No core files are written.
                DefaultAction::Terminate | DefaultAction::Core => Some(end(me, group, signal)),
            }
        }
    }
}

/// A stop signal that a terminal could have sent does nothing to a group that nobody is left to
/// continue.
fn stop_unless_orphaned(me: &TaskRef, group: SpinIrqGuard<'_, GroupSignals>, signal: Signal) {
    let thread = Thread::of(me);
    thread.signals.lock_irq().takes_stop = true;
    // The process table comes before the signals in the lock order.
    drop(group);
    let orphaned = crate::job::is_current_group_orphaned();
    let mut group = thread.process().signals().lock_irq();
    let not_cancelled = core::mem::take(&mut thread.signals.lock_irq().takes_stop);
    if not_cancelled && !orphaned {
        stop::start(me, &mut group, signal);
    }
}

fn end(me: &TaskRef, mut group: SpinIrqGuard<'_, GroupSignals>, signal: Signal) -> Delivery {
    me.add_flags(TaskFlags::SIGNALED);
    let code = group.start_exit(signal.number(), Some(me));
    Delivery::Terminate { code }
}

/// The handler's frame is in place: from here on what its action says is blocked.
pub fn handler_entered(me: &TaskRef, signal: Signal, action: &Action) {
    let thread = Thread::of(me);
    let group = thread.process().signals().lock_irq();
    let mut signals = thread.signals.lock_irq();
    let mut blocked = signals.blocked.union(action.mask);
    if !action.flags.contains(ActionFlags::NODEFER) {
        blocked = blocked.with(signal);
    }
    signals.blocked = blocked.minus(SigSet::UNMASKABLE);
    signals.saved_mask = None;
    group::recalculate_locked(me, &group, &signals);
}

/// Ends the running process with all its threads. Returns the exit code with which the caller is to
/// return from its start function.
pub fn group_exit(code: u32) -> u32 {
    let me = sched::current_ref();
    let mut group = Thread::of(&me).process().signals().lock_irq();
    if group.exit.is_none() && group.gives_way(&me) {
        // The process lives on with another program.
        return code;
    }
    group.start_exit(code, Some(&me))
}

/// Takes a signal of the running thread that is pending and not blocked, as a kernel thread does
/// that has allowed some.
pub fn dequeue_signal() -> Option<SigInfo> {
    dequeue(None)
}

/// Takes a pending signal of the running thread or of its process: one of `wanted`, blocked or not.
pub fn dequeue(wanted: Option<SigSet>) -> Option<SigInfo> {
    let me = sched::current_ref();
    let mut group = Thread::of(&me).process().signals().lock_irq();
    let mut signals = Thread::of(&me).signals.lock_irq();
    let wanted = wanted.unwrap_or(SigSet::ALL.minus(signals.blocked));
    let taken = take(&mut signals, &mut group, wanted);
    group::recalculate_locked(&me, &group, &signals);
    taken
}

/// `sigaction`: chooses what the running process does about a signal, and returns what it did
/// before. Without `action` it only looks.
///
/// # Errors
/// EINVAL: nobody chooses what SIGKILL and SIGSTOP do.
pub fn set_action(signal: Signal, action: Option<Action>) -> Result<Action> {
    let me = sched::current_ref();
    let process = Thread::of(&me).process();
    let sighand: Arc<Sighand> = process.sighand();
    let Some(mut action) = action else { return Ok(sighand.get(signal)) };
    if SigSet::UNMASKABLE.contains(signal) {
        return Err(Errno::EINVAL);
    }
    action.mask = action.mask.minus(SigSet::UNMASKABLE);
    let mut group = process.signals().lock_irq();
    let old = sighand.set(signal, action);
    if action.ignores(signal) {
        // Whoever found the old action has queued before this lock was taken; it goes, too.
        let set = SigSet::of(signal);
        group.pending.discard(set);
        for task in &group.threads {
            Thread::of(task).signals.lock_irq().pending.discard(set);
        }
    }
    Ok(old)
}
