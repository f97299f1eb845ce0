//! Signals on the way to user mode, and what becomes of a system call that they interrupted.

use errno::Errno;
use machine::SignalFrame;
use machine::user::UserContext;
use process::Thread;
use process::ptrace::{self, TraceFlags};
use process::signal::{
    self, Action, ActionFlags, AlternateStack, Delivery, Handler, SigInfo, SigSet, Signal,
};
use sched::TaskRef;

use crate::rseq;

/// How the task goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// In user mode.
    Go,
    /// With what is left of the interrupted system call.
    Resume,
    /// Not: it ends, with this exit code.
    End(u32),
}

/// Whether the error asks for the call to be made again, and is not for the program to see.
pub fn is_restart(error: Errno) -> bool {
    matches!(
        error,
        Errno::ERESTARTSYS
            | Errno::ERESTARTNOINTR
            | Errno::ERESTARTNOHAND
            | Errno::ERESTART_RESTARTBLOCK
    )
}

/// Deals with all signals that wait. `interrupted` is what the system call said that they may have
/// interrupted; it has its result, or is about to be made again, when this is done. May sleep,
/// while the process is stopped.
pub fn deliver(me: &TaskRef, context: &mut UserContext, mut interrupted: Option<Errno>) -> Next {
    let thread = Thread::of(me);
    loop {
        if let Some(error) = interrupted
            && thread.is_traced()
        {
            // A tracer sees the error, and may make it another result.
            context.set_result(error.as_return());
        }
        let delivery = signal::next_delivery(me, context);
        if interrupted.is_some() && thread.is_traced() {
            interrupted = left_interrupted(context);
        }
        match delivery {
            Delivery::Terminate { code } => return Next::End(code),
            Delivery::Handler { action, info, saved_mask, alternate_stack } => {
                if let Some(error) = interrupted.take() {
                    settle(context, error, &action);
                }
                rseq::before_handler(thread, context);
                enter_handler(me, context, &action, &info, saved_mask, &alternate_stack);
                // With the handler in place it was looked again for what there is to take.
                if !me.signal_pending() {
                    return Next::Go;
                }
            }
            Delivery::None => break,
        }
    }
    signal::restore_saved_mask();
    match interrupted {
        None => Next::Go,
        Some(Errno::ERESTART_RESTARTBLOCK) => Next::Resume,
        Some(_) => {
            context.restart_system_call();
            Next::Go
        }
    }
}

/// What the registers say of a call that waits to be made again. A tracer may have seen to it that
/// it is not.
pub fn left_interrupted(context: &UserContext) -> Option<Errno> {
    let registers = context.registers();
    registers.system_call()?;
    [Errno::ERESTARTSYS, Errno::ERESTARTNOINTR, Errno::ERESTARTNOHAND, Errno::ERESTART_RESTARTBLOCK]
        .into_iter()
        .find(|error| error.as_return() == registers.result())
}

/// A handler runs: it decides whether the interrupted call is made again after it.
fn settle(context: &mut UserContext, error: Errno, action: &Action) {
    let again = match error {
        Errno::ERESTARTNOINTR => true,
        Errno::ERESTARTSYS => action.flags.contains(ActionFlags::RESTART),
        _ => false,
    };
    if again {
        context.restart_system_call();
    } else {
        context.set_result(Errno::EINTR.as_return());
    }
}

/// Makes user mode go on in the handler.
#[inline]
fn enter_handler(
    me: &TaskRef,
    context: &mut UserContext,
    action: &Action,
    info: &SigInfo,
    saved_mask: SigSet,
    stack: &AlternateStack,
) {
    let Handler::User(handler) = action.handler else { return };
    let stack_pointer = context.stack_pointer();
    let switches = action.flags.contains(ActionFlags::ONSTACK)
        && stack.size != 0
        && !stack.contains(stack_pointer);
    let frame = SignalFrame {
        signal: info.signal.number(),
        handler,
        restorer: action.restorer,
        info: &info.to_bytes(),
        saved_mask: saved_mask.bits(),
        stack_top: switches.then(|| stack.top()),
        alternate_stack: (stack.address, stack.user_flags(stack_pointer), stack.size),
    };
    // Without a restorer there is no way back; C libraries always give one.
    // The handler runs without single steps until its entry has been told of.
    let steps = Thread::of(me).trace_flags().contains(TraceFlags::STEP);
    if steps {
        context.set_single_step(false);
    }
    let delivered =
        action.flags.contains(ActionFlags::RESTORER) && context.deliver_signal(&frame).is_ok();
    if delivered {
        signal::handler_entered(me, info.signal, action);
        if steps {
            ptrace::handler_stop(context);
        }
    } else {
        no_room_for_frame(info.signal);
    }
}

/// The frame could not be written: SIGSEGV, which must not go the same way.
fn no_room_for_frame(signal: Signal) {
    if signal == Signal::SIGSEGV {
        // Its action may always be chosen.
        let _ = signal::set_action(signal, Some(Action::DEFAULT));
    }
    signal::force_signal(SigInfo::kernel(Signal::SIGSEGV));
}
