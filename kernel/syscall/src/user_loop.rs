//! The life of a task in user mode.
//!
//! ```text
//!            ┌──────────── signals: a handler's frame, a stop, the end ◄───────────┐
//!            v                                                                     │
//!   run ──> user mode ──trap──┬─ system call ──> dispatch ──> result ──────────────┤
//!                             ├─ page fault ───> brought in, or a signal ──────────┤
//!                             ├─ exception ────> a signal ─────────────────────────┤
//!                             └─ interrupt (served already) ───────────────────────┘
//! ```
//!
//! The last look before user mode is at one word of the task: signals, whether it has registered for restartable
//! sequences ([`rseq`]), and whether it has used up its runtime as a deadline task.
//!
//! Preemption needs no place here: the kernel is preemptible, so a reschedule that is wanted
//! happens when the interrupt that wanted it ends.

use errno::Errno;
use machine::user::UserContext;
use machine::{Access, DebugRegisters, Trap};
use process::Thread;
use process::ptrace;
use process::signal::info::{
    BUS_ADRALN, BUS_ADRERR, FPE_FLTUNK, FPE_INTDIV, ILL_ILLOPN, SEGV_ACCERR, SEGV_MAPERR,
    SI_KERNEL, TRAP_BRKPT, TRAP_HWBKPT, TRAP_TRACE,
};
use process::{SigInfo, Signal, force_signal};
use sched::{DEADLINE_OVERRUN, TaskRef};
use vm::FaultError;

use crate::call::{Call, Restart, restart_syscall};
use crate::delivery::{self, Next};
use crate::{out_of_memory, rseq, table, traced_call};

/// Runs the program whose registers these are until the task's end, and returns its exit code. To
/// be called by the task itself, last of all: its start function returns what this returns.
pub fn run(mut context: UserContext) -> u32 {
    let code = run_until_end(&mut context);
    if Thread::of(&sched::current()).is_traced() {
        ptrace::exit_stop(code, &mut context);
    }
    code
}

fn run_until_end(context: &mut UserContext) -> u32 {
    let me = sched::current_ref();
    let thread = Thread::of(&me);
    let mut restart = None;
    loop {
        // A signal that comes after the look sends an interrupt, which finds the task in user mode
        // if interrupts are off until then.
        machine::irq::disable();
        if me.return_work() != 0 {
            if me.return_work() & DEADLINE_OVERRUN != 0 {
                machine::irq::enable();
                tell_of_overrun(&me);
                continue;
            }
            if me.signal_pending() {
                machine::irq::enable();
                if let Next::End(code) = delivery::deliver(&me, context, None) {
                    return code;
                }
                continue;
            }
            if thread.rseq().is_stale(&me) {
                machine::irq::enable();
                rseq::bring_up_to_date(context);
                continue;
            }
        }
        me.set_in_user(true);
        let trap = context.run();
        me.set_in_user(false);
        match trap {
            Trap::SystemCall => {
                let end = if ptrace::reports_calls(thread) {
                    traced_call::make(context, &mut restart)
                } else {
                    system_call(context, &mut restart)
                };
                if let Some(code) = end {
                    return code;
                }
            }
            Trap::Interrupt => {}
            Trap::PageFault { address, access, .. } => page_fault(address, access),
            Trap::Debug => force_signal(debug_signal(context)),
            exception => force_signal(signal_of(exception, context.instruction_pointer())),
        }
    }
}

/// The running task has used up its runtime as a deadline task, and its process asked to be told.
#[cold]
fn tell_of_overrun(me: &TaskRef) {
    me.remove_signal(DEADLINE_OVERRUN);
    // One that is there already says the same.
    let _ = process::signal_process(Thread::of(me).process(), SigInfo::kernel(Signal::SIGXCPU));
}

/// Makes the system call that trapped. Gives the exit code if it was the task's last.
#[inline]
fn system_call(context: &mut UserContext, restart: &mut Option<Restart>) -> Option<u32> {
    let mut call = Call::new(context, restart);
    let outcome = table::dispatch(&mut call);
    let end = call.end();
    match outcome {
        Ok(value) => context.set_result(value as isize),
        Err(error) => return failed(context, restart, error).or(end),
    }
    end
}

/// An error: for the program, or to be dealt with by making the call again after the signals.
#[cold]
fn failed(
    context: &mut UserContext,
    restart: &mut Option<Restart>,
    mut error: Errno,
) -> Option<u32> {
    if !delivery::is_restart(error) {
        context.set_result(error.as_return());
        return None;
    }
    let me = sched::current_ref();
    loop {
        match delivery::deliver(&me, context, Some(error)) {
            Next::Go => return None,
            Next::End(code) => return Some(code),
            Next::Resume if ptrace::reports_calls(Thread::of(&sched::current())) => {
                return traced_call::resume(context, restart);
            }
            Next::Resume => match restart_syscall(&mut Call::new(context, restart)) {
                Ok(value) => {
                    context.set_result(value as isize);
                    return None;
                }
                Err(again) if delivery::is_restart(again) => error = again,
                Err(last) => {
                    context.set_result(last.as_return());
                    return None;
                }
            },
        }
    }
}

fn page_fault(address: usize, access: Access) {
    let mm = Thread::of(&sched::current()).mm();
    let outcome = match mm {
        Some(mm) => mm.handle_fault(address, access),
        None => Err(FaultError::SegvMaperr),
    };
    let Err(error) = outcome else { return };
    force_signal(match error {
        FaultError::SegvMaperr => SigInfo::fault(Signal::SIGSEGV, SEGV_MAPERR, address),
        FaultError::SegvAccerr => SigInfo::fault(Signal::SIGSEGV, SEGV_ACCERR, address),
        FaultError::Bus => SigInfo::fault(Signal::SIGBUS, BUS_ADRERR, address),
        // The instruction is tried again, or the task is among those who end.
        FaultError::Oom if out_of_memory::make_room() => return,
        FaultError::Oom => SigInfo::kernel(Signal::SIGKILL),
    });
}

/// What the program is told of a single step or of a watched address.
fn debug_signal(context: &UserContext) -> SigInfo {
    let status = context.debug_registers().status;
    let code = if status & DebugRegisters::STEP != 0 {
        TRAP_TRACE
    } else if status & DebugRegisters::HITS != 0 {
        TRAP_HWBKPT
    } else {
        TRAP_BRKPT
    };
    SigInfo::fault(Signal::SIGTRAP, code, context.instruction_pointer())
}

/// What the program is told of an exception at an instruction.
fn signal_of(exception: Trap, instruction: usize) -> SigInfo {
    let (signal, code) = match exception {
        Trap::DivideError => (Signal::SIGFPE, FPE_INTDIV),
        Trap::FloatingPoint => (Signal::SIGFPE, FPE_FLTUNK),
        Trap::Breakpoint => (Signal::SIGTRAP, SI_KERNEL),
        Trap::InvalidInstruction => (Signal::SIGILL, ILL_ILLOPN),
        Trap::AlignmentCheck => (Signal::SIGBUS, BUS_ADRALN),
        Trap::StackSegment => (Signal::SIGBUS, SI_KERNEL),
        Trap::Overflow
        | Trap::BoundRange
        | Trap::GeneralProtection
        | Trap::SystemCall
        | Trap::Debug
        | Trap::Interrupt
        | Trap::PageFault { .. } => (Signal::SIGSEGV, SI_KERNEL),
    };
    if code == SI_KERNEL {
        SigInfo::kernel(signal)
    } else {
        SigInfo::fault(signal, code, instruction)
    }
}

/// The kernel touched a user address in a copy and found no page there: the machine's `user_fault`
/// upcall. True: try again. May sleep.
pub fn user_fault(address: usize, access: Access) -> bool {
    if !sched::has_current() {
        return false;
    }
    let me = sched::current();
    let Some(mm) = Thread::try_of(&me).and_then(Thread::mm) else { return false };
    match mm.handle_fault(address, access) {
        Ok(()) => true,
        Err(FaultError::Oom) => out_of_memory::make_room(),
        Err(_) => false,
    }
}
