//! A run, from fork to verdict.

use core::cell::Cell;
use std::backtrace::Backtrace;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::arch;
use crate::crash;
use crate::machine::{Machine, here};
use crate::outcome::{Failure, Outcome, Summary};
use crate::report;
use crate::sim::Config;
use crate::thread::{STACK_SIZE, first_frame};

/// How many times as long as its processor time may be the child has to report: its own alarm comes first, however busy the
/// host is. This is for a child that stands still.
const PATIENCE: u32 = 20;

/// Runs `entry` on CPU 0 of a fresh machine in a child process. Returning from `entry` is passing.
#[must_use]
pub fn run(config: &Config, entry: impl Fn()) -> Outcome {
    run_dyn(config, &entry)
}

/// [`run`], compiled once.
pub(crate) fn run_dyn(config: &Config, entry: &dyn Fn()) -> Outcome {
    let failed = |message: String| {
        Outcome::Failed(Failure { message, seed: config.seed, ..Failure::default() })
    };
    crash::take_over_panics();
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return failed(format!("no pipe: {}", std::io::Error::last_os_error()));
    }
    // SAFETY: the descriptors are new and nobody else's.
    let [from_child, to_parent] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    // SAFETY: the child uses only this thread, and of the process's other threads needs no lock:
    // `fork` leaves the allocator usable, that of backtraces is free, and standard error is written only when tracing.
    match unsafe { fork() } {
        -1 => failed(format!("no process: {}", std::io::Error::last_os_error())),
        0 => {
            drop(from_child);
            child(config, entry, File::from(to_parent))
        }
        pid => {
            drop(to_parent);
            let (bytes, in_time) = receive(File::from(from_child), pid, config);
            let status = reap(pid);
            match Outcome::decode_last(&bytes) {
                Some(outcome) => outcome,
                None if !in_time => failed("no answer, and none to the alarm either".into()),
                None => failed(format!("the simulator died: {}", describe(status))),
            }
        }
    }
}

/// Held while a child is made, and while a panic outside of runs is reported: that takes a lock of the standard library's, which a child
/// that is made meanwhile would find taken for ever when it has a failure to report in its turn.
static REPORTING: Mutex<()> = Mutex::new(());

/// Reports a panic outside of runs.
pub(crate) fn report_outside(report: impl FnOnce()) {
    let _reporting = REPORTING.lock().unwrap_or_else(PoisonError::into_inner);
    report();
}

/// `fork`, while nobody reports a panic.
///
/// # Safety
/// As for `fork`.
pub(crate) unsafe fn fork() -> libc::pid_t {
    let _reporting = REPORTING.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the caller's promise.
    unsafe { libc::fork() }
}

/// Reads what the child sends, and kills it if it does not come to an end. Returns whether it did.
fn receive(mut pipe: File, pid: libc::pid_t, config: &Config) -> (Vec<u8>, bool) {
    use std::os::fd::AsRawFd;
    let allowed = Duration::from_millis(config.limits.host_milliseconds);
    let deadline = Instant::now() + PATIENCE * allowed;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut poll = libc::pollfd { fd: pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, ours.
        let ready = unsafe { libc::poll(&raw mut poll, 1, left.as_millis() as libc::c_int) };
        if ready == 0 {
            // SAFETY: the child has not been waited for, so the number is still its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            return (bytes, false);
        }
        match pipe.read(&mut buffer) {
            Ok(0) => return (bytes, true),
            Ok(count) => bytes.extend(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return (bytes, true),
        }
    }
}

pub(crate) fn reap(pid: libc::pid_t) -> libc::c_int {
    let mut status = 0;
    // SAFETY: the child is ours, and `status` may be written.
    while unsafe { libc::waitpid(pid, &raw mut status, 0) } == -1
        && std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
    {}
    status
}

fn describe(status: libc::c_int) -> String {
    if libc::WIFSIGNALED(status) {
        format!("signal {}", libc::WTERMSIG(status))
    } else {
        format!("exit status {} without a verdict", libc::WEXITSTATUS(status))
    }
}

/// What the kernel's end of the run leaves for the host's own stack.
struct Handover {
    host_stack: Cell<usize>,
    verdict: Cell<Option<Verdict>>,
}

/// A verdict, with what must be found out before the kernel's stack is left.
enum Verdict {
    Passed,
    Failed { message: String, backtrace: Box<Backtrace> },
}

thread_local! {
    static HANDOVER: Cell<Option<&'static Handover>> = const { Cell::new(None) };
}

/// The child: becomes the machine, runs the kernel, reports.
fn child(config: &Config, entry: &dyn Fn(), mut pipe: File) -> ! {
    // SAFETY: plain system call. A child of a parent that is gone has nobody to report to.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let machine = Machine::new(config, true).take_host_thread();
    let handover: &'static Handover =
        Box::leak(Box::new(Handover { host_stack: Cell::new(0), verdict: Cell::new(None) }));
    HANDOVER.set(Some(handover));
    crash::prepare(config.limits.host_milliseconds);
    crate::memory::map_fresh(config.memory_bytes);
    if let Ok(bottom) = machine.stacks.take() {
        machine.boot_stack.set((bottom, bottom + STACK_SIZE));
        let argument = (&raw const entry) as usize;
        // SAFETY: the stack is fresh, and this one is left as `switch_stacks` leaves it, to be gone
        // back to once by `finish`.
        unsafe {
            let boot = arch::new_stack(first_frame(bottom + STACK_SIZE), boot, argument);
            arch::switch_stacks(handover.host_stack.as_ptr(), boot);
        }
    }
    crash::disarm();
    machine.active.set(false);
    let mut send = |outcome: Outcome| pipe.write_all(&outcome.encode());
    let sent = match handover.verdict.take() {
        Some(Verdict::Passed) => send(Outcome::Passed(summary(machine))),
        Some(Verdict::Failed { message, backtrace }) => {
            let mut failure = Failure {
                message,
                seed: machine.seed,
                report: report::state(machine, &backtrace),
                trace_tail: machine.trace.tail(),
                log: machine.console.borrow().log(),
                console: machine.console.borrow().output(),
            };
            // Asking the stacks may fail where the kernel has spoilt them. What is known is sent
            // before; what is sent later replaces it.
            let first = send(Outcome::Failed(failure.clone()));
            failure.report += &report::whereabouts(machine);
            first.and_then(|()| send(Outcome::Failed(failure)))
        }
        None => send(Outcome::Failed(Failure {
            message: "the host has no memory for the boot stack".into(),
            seed: machine.seed,
            ..Failure::default()
        })),
    };
    // SAFETY: ends the process without running what the parent registered for its own end.
    unsafe { libc::_exit(i32::from(sent.is_err())) }
}

extern "C" fn boot(entry: usize) -> ! {
    // SAFETY: `child` passed the address of its parameter, on a stack that stays as it is until
    // `finish`.
    let entry: &dyn Fn() = unsafe { *(entry as *const &dyn Fn()) };
    entry();
    finish(None)
}

/// Ends the run: goes back to the host's stack with the verdict.
pub(crate) fn finish(failure: Option<&str>) -> ! {
    let Some(handover) = HANDOVER.get() else {
        match failure {
            Some(message) => panic!("{message}"),
            None => panic!("a run ends that never began"),
        }
    };
    let verdict = match failure {
        None => Verdict::Passed,
        Some(message) => Verdict::Failed {
            message: message.into(),
            backtrace: Box::new(Backtrace::force_capture()),
        },
    };
    handover.verdict.set(Some(verdict));
    let mut nobody_returns_here = 0;
    let host_stack = handover.host_stack.replace(0);
    if host_stack == 0 {
        // The report itself failed. Nothing better is left than to say so by dying.
        std::process::abort();
    }
    // SAFETY: the host's stack was left by `child` through `switch_stacks`, and is gone back to
    // once.
    unsafe { arch::switch_stacks(&raw mut nobody_returns_here, host_stack) };
    unreachable!("the host's stack ends the process")
}

fn summary(machine: &Machine) -> Summary {
    Summary {
        trace_hash: machine.trace.hash(),
        points: machine.points.get(),
        nanoseconds: machine.clock.get(),
        fault_points: machine.fault_points.get(),
    }
}

/// Starts this program again without address randomisation, if it is on and the host lets us, so
/// that code that looks at addresses behaves the same in every process, too. Call it first thing in
/// `main`.
pub fn steady_addresses() {
    use std::os::unix::process::CommandExt;
    const QUERY: libc::c_ulong = 0xffff_ffff;
    // SAFETY: asks for the process's own flags.
    let flags = unsafe { libc::personality(QUERY) };
    if flags == -1 || flags & libc::ADDR_NO_RANDOMIZE != 0 {
        return;
    }
    let wanted = (flags | libc::ADDR_NO_RANDOMIZE) as libc::c_ulong;
    // SAFETY: changes what the next program image gets, nothing in this one.
    if unsafe { libc::personality(wanted) } == -1 {
        return;
    }
    // Where the flag is silently not kept this would go on for ever.
    // SAFETY: as above.
    if unsafe { libc::personality(QUERY) } & libc::ADDR_NO_RANDOMIZE == 0 {
        return;
    }
    let mut arguments = std::env::args_os();
    if let (Some(name), Ok(program)) = (arguments.next(), std::env::current_exe()) {
        // Comes back only if it fails, and then addresses stay as they are.
        let _ = std::process::Command::new(program).arg0(name).args(arguments).exec();
    }
}

/// The machine, for the crash handlers: `None` unless a run is on.
pub(crate) fn running() -> Option<&'static Machine> {
    HANDOVER.get().map(|_| here()).filter(|machine| machine.active.get())
}

/// The run has ended, and the report is being made: no other context goes on any more.
pub(crate) fn is_over() -> bool {
    HANDOVER.get().is_some() && !here().active.get() && !here().aside.get()
}
