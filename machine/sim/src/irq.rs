//! Interrupts.

use contract::{CpuId, InterruptCounts, Ipi};

use crate::machine::here;
use crate::schedule;
use crate::trace::Event;

/// What can come in, as a bit of a CPU's pending word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Vector {
    Timer = 1,
    Reschedule = 2,
    CallFunction = 4,
    Console = 8,
}

impl Vector {
    /// The vector of a bit number.
    pub(crate) fn of_bit(bit: usize) -> Self {
        [Self::Timer, Self::Reschedule, Self::CallFunction, Self::Console][bit]
    }

    /// Its name in the trace.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Timer => "timer",
            Self::Reschedule => "reschedule",
            Self::CallFunction => "call_function",
            Self::Console => "console",
        }
    }
}

/// Whether this CPU takes interrupts.
#[inline]
#[must_use]
pub fn enabled() -> bool {
    here().cpu().interrupts.get()
}

/// Lets interrupts in. Some of those that wait are often taken before this returns.
#[inline]
pub fn enable() {
    let machine = here();
    machine.cpu().interrupts.set(true);
    if machine.active.get() {
        schedule::interrupts_on(machine);
    }
}

/// Keeps interrupts out. Returns whether they were let in before.
#[inline]
pub fn disable() -> bool {
    let machine = here();
    if !machine.cpu().interrupts.get() {
        return false;
    }
    // The last moment at which one can come in.
    schedule::point(machine);
    machine.cpu().interrupts.replace(false)
}

/// Keeps interrupts out, for who knows that they are let in.
#[inline]
pub fn mask() {
    disable();
}

/// Sends an interrupt to a running CPU.
///
/// # Panics
/// If there is no such CPU.
pub fn send(cpu: CpuId, ipi: Ipi) {
    let machine = here();
    assert!(cpu < machine.cpus().len(), "an interrupt for CPU {cpu}, which does not exist");
    if !machine.active.get() {
        return;
    }
    let vector = match ipi {
        Ipi::Reschedule => Vector::Reschedule,
        Ipi::CallFunction => Vector::CallFunction,
    };
    machine.trace.record(machine, Event::Send, vector.name(), cpu as u64);
    schedule::raise(machine, cpu, vector);
    schedule::point(machine);
}

/// Has a running CPU call the kernel soon, whether it takes interrupts or not.
///
/// # Panics
/// If there is no such CPU.
pub fn send_nmi(cpu: CpuId) {
    let machine = here();
    assert!(cpu < machine.cpus().len(), "an NMI for CPU {cpu}, which does not exist");
    if machine.active.get() {
        machine.trace.record(machine, Event::Send, "nmi", cpu as u64);
        schedule::raise_nmi(machine, cpu);
        schedule::point(machine);
    }
}

/// A place where an interrupt or another CPU may come in between.
#[inline]
pub fn point() {
    schedule::point(here());
}

/// How many interrupts of each kind a CPU has taken.
#[must_use]
pub fn counts(cpu: CpuId) -> InterruptCounts {
    here().cpus().get(cpu).map_or(InterruptCounts::default(), |cpu| cpu.counts.get())
}
