//! A system call of a thread whose tracer wants to know: it stops before and after.
//!
//! Everything that the tracer can change it changes in the registers, so between the steps they say
//! what happens: the number of the call, -1 for none; its result, and with it whether an
//! interrupted call is made again.

use errno::{Errno, Result};
use machine::UserRegisters;
use machine::user::UserContext;
use process::Thread;
use process::ptrace::{self, CallStop, TraceFlags};

use crate::call::{Call, Restart, restart_syscall};
use crate::delivery::{self, Next};
use crate::table;

/// `restart_syscall`, which is how a tracer sees that a call goes on.
const RESTART_SYSCALL: u64 = 219;

/// Makes the system call that trapped. Gives the exit code if it was the task's last.
#[cold]
pub(crate) fn make(context: &mut UserContext, restart: &mut Option<Restart>) -> Option<u32> {
    let end = stop_and_make(context, restart, table::dispatch);
    finish(context, restart, end)
}

/// Goes on with a call that was interrupted before its tracer wanted to know: as a rule it was the
/// tracer that interrupted it. Gives the exit code if it was the task's last.
#[cold]
pub(crate) fn resume(context: &mut UserContext, restart: &mut Option<Restart>) -> Option<u32> {
    let end = stop_and_resume(context, restart);
    finish(context, restart, end)
}

/// Goes on with the call for as long as it is interrupted.
fn finish(
    context: &mut UserContext,
    restart: &mut Option<Restart>,
    mut end: Option<u32>,
) -> Option<u32> {
    let me = sched::current_ref();
    loop {
        if end.is_some() {
            return end;
        }
        let interrupted = delivery::left_interrupted(context)?;
        match delivery::deliver(&me, context, Some(interrupted)) {
            Next::Go => return None,
            Next::End(code) => return Some(code),
            Next::Resume => end = stop_and_resume(context, restart),
        }
    }
}

/// An interrupted call with its stops, as the one that it is to a tracer from now on.
fn stop_and_resume(context: &mut UserContext, restart: &mut Option<Restart>) -> Option<u32> {
    let mut registers = context.registers();
    registers.0[UserRegisters::SYSTEM_CALL] = RESTART_SYSCALL;
    context.set_registers(&registers);
    stop_and_make(context, restart, restart_syscall)
}

/// The call with its stops.
fn stop_and_make(
    context: &mut UserContext,
    restart: &mut Option<Restart>,
    carry_out: fn(&mut Call<'_>) -> Result<usize>,
) -> Option<u32> {
    let me = sched::current_ref();
    let thread = Thread::of(&me);
    let flags = thread.trace_flags();
    // What a tracer that forgets the call leaves as its result.
    context.set_result(Errno::ENOSYS.as_return());
    if flags.intersects(TraceFlags::CALLS | TraceFlags::EMULATED_CALLS) {
        ptrace::call_stop(CallStop::Entry, context);
    }
    let emulated = flags.contains(TraceFlags::EMULATED_CALLS);
    let forgotten = context.registers().system_call().is_none();
    let mut end = None;
    if !emulated && !forgotten && !me.fatal_signal_pending() {
        let mut call = Call::new(context, restart);
        let outcome = carry_out(&mut call);
        end = call.end();
        match outcome {
            Ok(value) => context.set_result(value as isize),
            Err(error) => context.set_result(error.as_return()),
        }
    }
    if end.is_some() {
        return end;
    }
    let flags = thread.trace_flags();
    if flags.contains(TraceFlags::STEP) {
        ptrace::single_step_stop();
    } else if flags.contains(TraceFlags::CALLS) {
        ptrace::call_stop(CallStop::Exit, context);
    }
    None
}
