//! CPUs: who runs, the per-CPU words, and waiting.

use crate::percpu::{self, PerCpu};
use crate::registers::{cli, sti_hlt};
use crate::{memory, time, tlb};
use contract::preempt::NO_RESCHED;
use contract::{CpuId, NodeId};
use core::arch::asm;
use core::mem::offset_of;
use core::sync::atomic::Ordering::*;

pub use crate::description::describe;
pub use crate::smp::start;

/// CPUs present, started or not.
pub fn count() -> usize {
    percpu::cpus()
}

/// The CPU that this runs on. Stays true only while preemption is off.
#[inline]
pub fn id() -> CpuId {
    let id: u32;
    // SAFETY: reads a word of this CPU's data.
    unsafe {
        asm!("mov {:e}, gs:[{}]", out(reg) id, const offset_of!(PerCpu, id),
            options(readonly, nostack, preserves_flags));
    }
    id as CpuId
}

/// The NUMA node of a CPU; 0 for one that does not exist.
pub fn node(id: CpuId) -> NodeId {
    percpu::of(id).map_or(0, PerCpu::node)
}

/// Whether the CPU has been started and has not parked.
pub fn is_running(id: CpuId) -> bool {
    percpu::of(id).is_some_and(|cpu| cpu.running.load(Acquire))
}

/// The calling CPU counts as running from here on, and knows no translation from before. In this order: who unmaps something
/// without asking this CPU has done so before the flush. The flush is a serializing instruction, the store is done by then.
pub(crate) fn mark_running() {
    percpu::this().running.store(true, SeqCst);
    tlb::flush_everything();
}

/// Takes this CPU out of service until `start` is called for it. See the contract.
///
/// The CPU sleeps with interrupts on, so that it still flushes translations for those who asked
/// before they could know; nothing of it reaches the kernel.
pub fn park() {
    let cpu = percpu::this();
    time::set_timer(None);
    memory::load_kernel_only();
    cpu.parked.store(true, Relaxed);
    cpu.running.store(false, Release);
    while !cpu.wake.swap(false, Acquire) {
        sti_hlt();
        cli();
    }
    cpu.parked.store(false, Relaxed);
    mark_running();
}

/// One turn of a spin loop. Also does what other CPUs wait for this one to do: a spinning CPU may have
/// its interrupts off.
#[inline]
pub fn relax() {
    tlb::serve();
    core::hint::spin_loop();
}

/// Lets interrupts in and stops until one was taken. Call with interrupts off; they are on afterwards.
#[inline]
pub fn wait_for_interrupt() {
    sti_hlt();
}

/// The preemption count.
#[inline]
pub fn preempt_count() -> u32 {
    let count: u32;
    // SAFETY: reads a word of this CPU's data.
    unsafe {
        asm!("mov {:e}, gs:[{}]", out(reg) count, const offset_of!(PerCpu, preempt_count),
            options(readonly, nostack, preserves_flags));
    }
    count
}

/// Adds to the preemption count.
#[inline]
pub fn preempt_add(value: u32) {
    // SAFETY: changes a word of this CPU's data in one instruction. Not `nomem`: what comes after is
    // protected by it and must not be moved before it.
    unsafe {
        asm!("add dword ptr gs:[{}], {:e}", const offset_of!(PerCpu, preempt_count), in(reg) value,
            options(nostack));
    }
}

/// Takes from the preemption count, and returns what is left. An interrupt may come between the two
/// steps: it leaves the count as it found it, but for `NO_RESCHED`, which is read with the rest.
#[inline]
pub fn preempt_sub(value: u32) -> u32 {
    let mut change = value.wrapping_neg();
    // SAFETY: changes a word of this CPU's data in one instruction.
    unsafe {
        asm!("xadd dword ptr gs:[{}], {:e}", const offset_of!(PerCpu, preempt_count),
            inout(reg) change, options(nostack));
    }
    change.wrapping_sub(value)
}

/// Overwrites the preemption count.
#[inline]
pub fn preempt_set(value: u32) {
    // SAFETY: writes a word of this CPU's data.
    unsafe {
        asm!("mov dword ptr gs:[{}], {:e}", const offset_of!(PerCpu, preempt_count), in(reg) value,
            options(nostack, preserves_flags));
    }
}

/// A reschedule is wanted on this CPU.
#[inline]
pub fn set_need_resched() {
    // SAFETY: changes a word of this CPU's data in one instruction.
    unsafe {
        asm!("and dword ptr gs:[{}], {}", const offset_of!(PerCpu, preempt_count),
            const !NO_RESCHED as i32, options(nostack));
    }
}

/// No reschedule is wanted on this CPU any more.
#[inline]
pub fn clear_need_resched() {
    // SAFETY: changes a word of this CPU's data in one instruction.
    unsafe {
        asm!("or dword ptr gs:[{}], {}", const offset_of!(PerCpu, preempt_count),
            const NO_RESCHED as i32, options(nostack));
    }
}

/// The kernel's word for the running task.
#[inline]
pub fn current() -> *const () {
    let current;
    // SAFETY: reads a word of this CPU's data.
    unsafe {
        asm!("mov {}, gs:[{}]", out(reg) current, const offset_of!(PerCpu, current),
            options(readonly, nostack, preserves_flags));
    }
    current
}

/// Sets the kernel's word for the running task.
#[inline]
pub fn set_current(current: *const ()) {
    // SAFETY: writes a word of this CPU's data, which only `current` reads.
    unsafe {
        asm!("mov gs:[{}], {}", const offset_of!(PerCpu, current), in(reg) current,
            options(nostack, preserves_flags));
    }
}

/// Whether a program can read its CPU's number and node, by RDTSCP.
pub fn user_number() -> bool {
    crate::features::get().rdtscp
}
