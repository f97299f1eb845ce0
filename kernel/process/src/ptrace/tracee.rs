//! What a tracer has arranged for a thread, and a stop of it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bitflags::bitflags;
use machine::user::UserContext;
use machine::{DebugRegisters, UserRegisters};
use sched::{SIGNAL_PENDING, TaskRef, state};

use crate::process::Process;
use crate::signal::{SigInfo, ThreadSignals};

bitflags! {
    /// What a thread has to look out for on a tracer's behalf: the one word that a thread without a
    /// tracer looks at.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TraceFlags: u32 {
        /// Somebody traces it.
        const TRACED = 1 << 0;
        /// It stops before and after each system call.
        const CALLS = 1 << 1;
        /// It stops before each system call, which is not carried out.
        const EMULATED_CALLS = 1 << 2;
        /// It stops after each instruction.
        const STEP = 1 << 3;
    }
}

bitflags! {
    /// What a tracer wants (`PTRACE_O_*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Options: u32 {
        /// System-call stops are marked as such.
        const SYSGOOD = 1 << 0;
        /// Stop at `fork`, and trace the child.
        const FORK = 1 << 1;
        /// Stop at `vfork`, and trace the child.
        const VFORK = 1 << 2;
        /// Stop at any other clone, and trace the child.
        const CLONE = 1 << 3;
        /// Stop at `execve`.
        const EXEC = 1 << 4;
        /// Stop when the child of a `vfork` has let its parent go on.
        const VFORK_DONE = 1 << 5;
        /// Stop before the end.
        const EXIT = 1 << 6;
        /// Stop at what a system-call filter says. There are none here.
        const SECCOMP = 1 << 7;
        /// Kill the tracee when the tracer ends.
        const EXITKILL = 1 << 20;
    }
}

/// What a tracer has arranged for a thread. Under the thread's `signals`.
pub(crate) struct Trace {
    pub(crate) tracer: Arc<Process>,
    /// By `PTRACE_SEIZE`, which has other stops than `PTRACE_ATTACH`.
    pub(crate) seized: bool,
    pub(crate) options: Options,
    /// It has to stop because its process stops, or because the tracer asked (`JOBCTL_TRAP_STOP`).
    pub(crate) must_trap: bool,
    /// It has to stop because its tracer wants to hear of every change (`JOBCTL_TRAP_NOTIFY`).
    pub(crate) must_notify: bool,
    /// It was stopped with its process when its tracer came, and turns that into a stop for the
    /// tracer, who waits for it.
    pub(crate) is_turning: bool,
    /// What `PTRACE_GETEVENTMSG` gives.
    pub(crate) message: u64,
}

impl Trace {
    pub(crate) fn new(tracer: Arc<Process>, seized: bool, options: Options) -> Self {
        Self {
            tracer,
            seized,
            options,
            must_trap: false,
            must_notify: false,
            is_turning: false,
            message: 0,
        }
    }
}

/// Where a stop is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The tracee waits for its tracer.
    Stopped,
    /// The tracer listens: the tracee stays, the tracer hears of changes (`PTRACE_LISTEN`).
    Listening,
    /// The tracee may go on, with this signal if it is not 0.
    Released(u32),
}

/// A tracee's stop. There from the moment it decides to stop until it goes on.
pub(crate) struct Stop {
    /// The signal and the event: what `wait` shows.
    pub(crate) code: u32,
    /// Somebody has waited for it.
    pub(crate) reported: bool,
    pub(crate) phase: Phase,
    /// What `PTRACE_GETSIGINFO` shows; none for a stop of the process under `PTRACE_ATTACH`.
    pub(crate) info: Option<SigInfo>,
    pub(crate) snapshot: Snapshot,
}

/// The registers of a stopped tracee. What its tracer changes here, the tracee takes over when it
/// goes on.
pub struct Snapshot {
    registers: UserRegisters,
    extended: Vec<u8>,
    debug: DebugRegisters,
    /// Which of them the tracer has changed.
    changed: Changed,
}

bitflags! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Changed: u8 {
        const REGISTERS = 1 << 0;
        const EXTENDED = 1 << 1;
        const DEBUG = 1 << 2;
    }
}

impl Snapshot {
    /// Takes the running thread's.
    pub(super) fn of(context: &UserContext) -> Self {
        let mut extended = Vec::new();
        let size = machine::user::extended_state_size();
        // Without memory the tracer sees all but these.
        if extended.try_reserve_exact(size).is_ok() {
            extended.resize(size, 0);
            context.extended_state(&mut extended);
        }
        let (registers, debug) = (context.registers(), context.debug_registers());
        Self { registers, extended, debug, changed: Changed::empty() }
    }

    /// Gives the running thread what has been changed.
    pub(super) fn restore(&self, context: &mut UserContext) {
        if self.changed.contains(Changed::REGISTERS) {
            context.set_registers(&self.registers);
        }
        if self.changed.contains(Changed::EXTENDED) {
            // It was checked as far as it can be without the processor; what is left is refused
            // there, and the old state stays.
            let _ = context.set_extended_state(&self.extended);
        }
        if self.changed.contains(Changed::DEBUG) {
            context.set_debug_registers(&self.debug);
        }
    }

    /// The general registers.
    pub fn registers(&self) -> &UserRegisters {
        &self.registers
    }

    /// The general registers, for a change.
    pub fn registers_mut(&mut self) -> &mut UserRegisters {
        self.changed |= Changed::REGISTERS;
        &mut self.registers
    }

    /// The floating-point and vector registers in the machine's layout; empty if there was no
    /// memory for them.
    pub fn extended(&self) -> &[u8] {
        &self.extended
    }

    /// The floating-point and vector registers, for a change.
    pub fn extended_mut(&mut self) -> &mut [u8] {
        self.changed |= Changed::EXTENDED;
        &mut self.extended
    }

    /// The watched addresses.
    pub fn debug(&self) -> &DebugRegisters {
        &self.debug
    }

    /// The watched addresses, for a change. The caller sees to it that they make sense.
    pub fn debug_mut(&mut self) -> &mut DebugRegisters {
        self.changed |= Changed::DEBUG;
        &mut self.debug
    }
}

/// The tracer of a seized thread hears of a change of its process's stop: the thread stops for it
/// again, at once if the tracer listens. Its process's signals are locked, and `signals` are its
/// own.
pub(crate) fn notify_listener(task: &TaskRef, signals: &mut ThreadSignals) {
    let Some(trace) = &mut signals.trace else { return };
    if !trace.seized {
        return;
    }
    trace.must_notify = true;
    task.add_signal(SIGNAL_PENDING);
    end_listening(task, signals);
}

/// Wakes a thread out of a stop in which its tracer only listens.
pub(super) fn end_listening(task: &TaskRef, signals: &mut ThreadSignals) {
    if let Some(stop) = &mut signals.trace_stop
        && stop.phase == Phase::Listening
    {
        stop.phase = Phase::Released(0);
        sched::wake_up_state(task, state::TRACED);
    }
}
