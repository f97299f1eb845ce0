//! Errors in kernel code: panics, bad accesses, stacks that run over.
//!
//! All of them end in [`Upcalls::oops`](contract::Upcalls::oops), on the CPU and, for a panic, on
//! the very stack they happened on: nothing is unwound, so locks stay held and counts stay raised,
//! as on a real machine.

use std::panic::PanicHookInfo;
use std::sync::Once;

use contract::{Access, Oops, OopsKind};

use crate::arch;
use crate::machine::Machine;
use crate::run::{is_over, running};
use crate::sim;

/// Bytes of the stacks on which signals and stack overflows are handled.
const HANDLER_STACK: usize = 256 * 1024;
/// Oopses inside each other on one CPU before the run is given up.
const DEEPEST: u32 = 3;

/// What a handler finds out for the code it sends the CPU to.
#[derive(Clone, Copy)]
struct Crash {
    kind: OopsKind,
    what: &'static str,
    instruction: usize,
    frame_pointer: usize,
}

thread_local! {
    static CRASH: core::cell::Cell<Option<Crash>> = const { core::cell::Cell::new(None) };
    static OVERFLOW_STACK: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
}

/// Takes over panics, in the parent: setting a hook takes a lock, and a child of a process with
/// several threads may find that lock taken for ever.
pub(crate) fn take_over_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let outside_of_runs = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match running() {
            Some(machine) => on_panic(machine, info),
            // Something that the report looks at is broken. It says so.
            None if is_over() => {}
            None => crate::run::report_outside(|| outside_of_runs(info)),
        }));
    });
}

/// Takes over fatal signals and the alarm in the child. The alarm goes by the time that the child has used a processor: a
/// busy host does not make a run too long.
pub(crate) fn prepare(host_milliseconds: u64) {
    let Ok(stacks) = crate::thread::map_host_memory(0, 2 * HANDLER_STACK) else { return };
    OVERFLOW_STACK.set(stacks + 2 * HANDLER_STACK);
    let stack = libc::stack_t { ss_sp: stacks as *mut _, ss_flags: 0, ss_size: HANDLER_STACK };
    // SAFETY: the memory is ours for good. The handler below is made for SA_SIGINFO.
    unsafe {
        libc::sigaltstack(&raw const stack, core::ptr::null_mut());
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGPROF] {
            libc::sigaction(signal, &raw const action, core::ptr::null_mut());
        }
    }
    alarm(host_milliseconds);
}

/// The run has ended: what happens now is the simulator's own affair.
pub(crate) fn disarm() {
    alarm(0);
    // SAFETY: default actions need nothing.
    unsafe {
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE] {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

fn alarm(milliseconds: u64) {
    let value = libc::timeval {
        tv_sec: (milliseconds / 1000) as libc::time_t,
        tv_usec: (milliseconds % 1000 * 1000) as libc::suseconds_t,
    };
    let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let timer = libc::itimerval { it_interval: never, it_value: value };
    // SAFETY: the structure lives through the call.
    unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const timer, core::ptr::null_mut()) };
}

/// Rust code panicked.
fn on_panic(machine: &Machine, info: &PanicHookInfo<'_>) -> ! {
    let place = info.location().map_or_else(String::new, |at| format!(" at {at}"));
    let message = format!("{}{place}", info.payload_as_str().unwrap_or("panic"));
    *machine.last_panic.borrow_mut() = Some(message.clone());
    // This hook never returns, so the runtime would believe this thread to be in it for ever, and
    // would abort at the next panic. An unwinding caught in here makes it forget.
    let _ = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(())));
    oops(
        machine,
        &Oops {
            kind: OopsKind::Panic,
            message: &message,
            interrupts_on: machine.cpu().interrupts.get(),
            registers: None,
            frame_pointer: arch::frame_pointer(),
        },
    )
}

/// Hands an error to the kernel, if it is there to take it.
fn oops(machine: &Machine, oops: &Oops<'_>) -> ! {
    let cpu = machine.cpu();
    cpu.interrupts.set(false);
    let depth = cpu.oopses.get() + 1;
    cpu.oopses.set(depth);
    match machine.upcalls() {
        Some(upcalls) if depth <= DEEPEST => {
            // The kernel ends the task or the run. A switch to another task sets the depth back.
            (upcalls.oops)(oops)
        }
        _ => sim::fail_oops(oops),
    }
}

/// A fatal signal, or the alarm. Runs on the handler's stack; the work is done after it, on a stack
/// that is safe to leave.
extern "C" fn on_signal(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let Some(machine) = running() else {
        // SAFETY: async-signal-safe, and there is nothing to go on with.
        unsafe { libc::_exit(128 + signal) }
    };
    // SAFETY: the kernel passes both for SA_SIGINFO.
    let (address, context) =
        unsafe { ((*info).si_addr() as usize, &mut *context.cast::<libc::ucontext_t>()) };
    let (kind, what) = match signal {
        libc::SIGPROF => (OopsKind::Panic, ALARM),
        libc::SIGSEGV | libc::SIGBUS if machine.stacks.is_guard(address) => {
            (OopsKind::StackOverflow { address }, "a kernel stack ran over")
        }
        libc::SIGSEGV | libc::SIGBUS => {
            (OopsKind::PageFault { address, access: Access::Read }, "a bad access in kernel code")
        }
        libc::SIGFPE => (OopsKind::Exception { vector: 0, code: 0 }, "an arithmetic error"),
        _ => (OopsKind::Exception { vector: 6, code: 0 }, "not an instruction"),
    };
    let top = OVERFLOW_STACK.get();
    let (instruction, frame_pointer) = arch::redirect(context, top, after_signal, 0);
    CRASH.set(Some(Crash { kind, what, instruction, frame_pointer }));
}

const ALARM: &str = "the run takes too long";

/// Where a signal handler sends the CPU.
extern "C" fn after_signal(_: usize) -> ! {
    let (Some(machine), Some(crash)) = (running(), CRASH.take()) else { std::process::abort() };
    if crash.what == ALARM {
        sim::fail(&format!("{ALARM}: {} points, {} ns", machine.points.get(), machine.clock.get()));
    }
    let Crash { kind, what, instruction, frame_pointer } = crash;
    let interrupts_on = machine.cpu().interrupts.get();
    let registers = crate::backtrace::registers(instruction, frame_pointer);
    let registers = Some(&registers);
    oops(machine, &Oops { kind, message: &what, interrupts_on, registers, frame_pointer })
}
