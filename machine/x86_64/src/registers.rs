//! Control registers, model-specific registers, ports and flags: one function an instruction.
//!
//! These are safe to call as far as Rust's own rules go, because none of them touches memory that
//! Rust knows of; what they do to the machine is the calling module's affair, and nothing outside
//! this crate can reach them. The exceptions are marked unsafe.

use core::arch::asm;
use core::arch::x86_64::{__cpuid_count, CpuidResult};

/// Carry is always this: bit 1 of RFLAGS reads as one.
pub(crate) const RFLAGS_FIXED: u64 = 1 << 1;
/// Single step.
pub(crate) const RFLAGS_TF: u64 = 1 << 8;
/// Interrupts on.
pub(crate) const RFLAGS_IF: u64 = 1 << 9;
/// Direction of string instructions.
pub(crate) const RFLAGS_DF: u64 = 1 << 10;
/// Nested task.
pub(crate) const RFLAGS_NT: u64 = 1 << 14;
/// Resume: no instruction breakpoint at the next instruction.
pub(crate) const RFLAGS_RF: u64 = 1 << 16;
/// Alignment check in user mode, permission to touch user pages in kernel mode.
pub(crate) const RFLAGS_AC: u64 = 1 << 18;

/// Model-specific registers, by number.
pub(crate) mod msr {
    pub(crate) const TSC_DEADLINE: u32 = 0x6e0;
    pub(crate) const APIC_BASE: u32 = 0x1b;
    pub(crate) const X2APIC_FIRST: u32 = 0x800;
    pub(crate) const STAR: u32 = 0xc000_0081;
    pub(crate) const LSTAR: u32 = 0xc000_0082;
    pub(crate) const FMASK: u32 = 0xc000_0084;
    pub(crate) const FS_BASE: u32 = 0xc000_0100;
    pub(crate) const GS_BASE: u32 = 0xc000_0101;
    pub(crate) const KERNEL_GS_BASE: u32 = 0xc000_0102;
    pub(crate) const TSC_AUX: u32 = 0xc000_0103;
    pub(crate) const KVM_SYSTEM_TIME: u32 = 0x4b56_4d01;
}

/// Bits of CR4.
pub(crate) mod cr4 {
    pub(crate) const PGE: u64 = 1 << 7;
    pub(crate) const OSFXSR: u64 = 1 << 9;
    pub(crate) const OSXMMEXCPT: u64 = 1 << 10;
    pub(crate) const UMIP: u64 = 1 << 11;
    pub(crate) const FSGSBASE: u64 = 1 << 16;
    pub(crate) const PCIDE: u64 = 1 << 17;
    pub(crate) const OSXSAVE: u64 = 1 << 18;
    pub(crate) const SMEP: u64 = 1 << 20;
    pub(crate) const SMAP: u64 = 1 << 21;
}

pub(crate) fn inb(port: u16) -> u8 {
    let value;
    // SAFETY: reading a port changes no memory that Rust knows of.
    unsafe {
        asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags))
    };
    value
}

pub(crate) fn inl(port: u16) -> u32 {
    let value;
    // SAFETY: as for `inb`.
    unsafe {
        asm!("in eax, dx", in("dx") port, out("eax") value, options(nomem, nostack, preserves_flags))
    };
    value
}

pub(crate) fn outb(port: u16, value: u8) {
    // SAFETY: no device that this crate drives through ports does direct memory access.
    unsafe {
        asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags))
    };
}

pub(crate) fn outw(port: u16, value: u16) {
    // SAFETY: as for `outb`.
    unsafe {
        asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack, preserves_flags))
    };
}

/// Writes all bytes to one port with one string instruction.
pub(crate) fn outsb(port: u16, bytes: &[u8]) {
    // SAFETY: reads exactly the slice; see `outb` for the port.
    unsafe {
        asm!("rep outsb", in("dx") port, inout("rsi") bytes.as_ptr() => _, inout("rcx") bytes.len() => _,
            options(readonly, nostack, preserves_flags));
    }
}

pub(crate) fn rdmsr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reading one of the registers named above has no effect on memory.
    unsafe {
        asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// # Safety
/// The value must keep what Rust relies on: the segment bases, the entry points and the tables that
/// the processor follows stay valid.
pub(crate) unsafe fn wrmsr(register: u32, value: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nostack, preserves_flags));
    }
}

/// Reads a debug register.
pub(crate) fn dr<const NUMBER: u8>() -> u64 {
    let value;
    // SAFETY: reads a register.
    unsafe {
        asm!("mov {}, dr{}", out(reg) value, const NUMBER, options(nomem, nostack, preserves_flags))
    };
    value
}

/// Writes a debug register. Only user addresses are watched.
pub(crate) fn set_dr<const NUMBER: u8>(value: u64) {
    // SAFETY: what it can cause is a debug exception, which the kernel is made for.
    unsafe {
        asm!("mov dr{}, {}", const NUMBER, in(reg) value, options(nomem, nostack, preserves_flags))
    };
}

/// The selectors of DS, ES, FS and GS.
pub(crate) fn segments() -> [u64; 4] {
    let (ds, es, fs, gs);
    // SAFETY: reads registers.
    unsafe {
        asm!("mov {:x}, ds", "mov {:x}, es", "mov {:x}, fs", "mov {:x}, gs",
            out(reg) ds, out(reg) es, out(reg) fs, out(reg) gs, options(nomem, nostack, preserves_flags));
    }
    [ds, es, fs, gs].map(|selector: u64| selector & 0xffff)
}

pub(crate) fn cr0() -> u64 {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr0", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

pub(crate) fn cr2() -> u64 {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr2", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

pub(crate) fn cr3() -> u64 {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr3", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// # Safety
/// The tables must map the kernel as the present ones do.
pub(crate) unsafe fn set_cr3(value: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("mov cr3, {}", in(reg) value, options(nostack, preserves_flags)) };
}

pub(crate) fn cr4() -> u64 {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr4", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// # Safety
/// Only bits that the processor has, and none that changes how the kernel's memory is reached.
pub(crate) unsafe fn set_cr4(value: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("mov cr4, {}", in(reg) value, options(nostack, preserves_flags)) };
}

/// Drops the TLB entry of one page, global or not.
pub(crate) fn invlpg(address: usize) {
    // SAFETY: forgetting a cached translation is always allowed.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
}

#[inline]
pub(crate) fn rflags() -> u64 {
    let value;
    // SAFETY: pushes and pops one word; the kernel is built without a red zone.
    unsafe { asm!("pushfq; pop {}", out(reg) value, options(nomem, preserves_flags)) };
    value
}

/// Interrupts off.
#[inline]
pub(crate) fn cli() {
    // SAFETY: no effect on memory; not `nomem`, so that the compiler moves no access across it.
    unsafe { asm!("cli", options(nostack, preserves_flags)) };
}

/// Interrupts on.
#[inline]
pub(crate) fn sti() {
    // SAFETY: as for `cli`.
    unsafe { asm!("sti", options(nostack, preserves_flags)) };
}

/// Interrupts on and stop until one comes: `sti` takes effect after the next instruction, so no
/// interrupt is lost in between.
#[inline]
pub(crate) fn sti_hlt() {
    // SAFETY: as for `cli`.
    unsafe { asm!("sti; hlt", options(nostack, preserves_flags)) };
}

/// Stops this CPU for good.
pub(crate) fn halt_for_ever() -> ! {
    loop {
        // SAFETY: stopping has no effect on memory.
        unsafe { asm!("cli; hlt", options(nostack)) };
    }
}

/// The time-stamp counter, read after all loads before it.
#[inline]
pub(crate) fn rdtsc() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads a counter. Not `nomem`: the order of two reads matters.
    unsafe {
        asm!("lfence; rdtsc", out("eax") low, out("edx") high, options(nostack, preserves_flags))
    };
    u64::from(high) << 32 | u64::from(low)
}

pub(crate) fn cpuid(leaf: u32, subleaf: u32) -> CpuidResult {
    __cpuid_count(leaf, subleaf)
}
