//! Interrupts of this CPU, and interrupts between CPUs.

use crate::interrupt::vector;
use crate::registers::{RFLAGS_IF, cli, rflags, sti};
use crate::{apic, percpu};
use contract::{CpuId, InterruptCounts, Ipi};
use core::sync::atomic::Ordering::Relaxed;

/// Whether this CPU takes interrupts.
#[inline]
pub fn enabled() -> bool {
    rflags() & RFLAGS_IF != 0
}

/// Lets interrupts in.
#[inline]
pub fn enable() {
    sti();
}

/// Keeps interrupts out, and says whether they were let in before.
#[inline]
pub fn disable() -> bool {
    let before = enabled();
    cli();
    before
}

/// Keeps interrupts out, for who knows that they are let in.
#[inline]
pub fn mask() {
    cli();
}

/// Sends an interrupt to a running CPU, this one included. Any context. Nothing happens for a CPU that
/// does not exist or does not run.
pub fn send(target: CpuId, ipi: Ipi) {
    if let Some(cpu) = percpu::of(target).filter(|cpu| cpu.running.load(Relaxed)) {
        let vector = match ipi {
            Ipi::Reschedule => vector::RESCHEDULE,
            Ipi::CallFunction => vector::CALL_FUNCTION,
        };
        apic::send(cpu.apic_id.load(Relaxed), vector);
    }
}

/// Has a running CPU call the kernel in a non-maskable interrupt. Any context. Nothing happens for a CPU that does not exist
/// or does not run.
pub fn send_nmi(target: CpuId) {
    if let Some(cpu) = percpu::of(target).filter(|cpu| cpu.running.load(Relaxed)) {
        apic::send_nmi(cpu.apic_id.load(Relaxed));
    }
}

/// A place where another CPU may come in between: on real hardware, every place is.
#[inline]
pub fn point() {}

/// What a CPU has taken since boot; zeros for a CPU that does not exist.
pub fn counts(id: CpuId) -> InterruptCounts {
    let Some(cpu) = percpu::of(id) else { return InterruptCounts::default() };
    let counts = &cpu.counts;
    InterruptCounts {
        timer: counts.timer.load(Relaxed),
        reschedule: counts.reschedule.load(Relaxed),
        call_function: counts.call_function.load(Relaxed),
        tlb: counts.tlb.load(Relaxed),
        console: counts.console.load(Relaxed),
        nmi: counts.nmi.load(Relaxed),
    }
}
