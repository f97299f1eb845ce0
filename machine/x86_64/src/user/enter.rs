//! The way into user mode and back.
//!
//! Interrupts and exceptions come back through [`crate::interrupt`], system calls through
//! `system_call_entry` below. All end in the same place: the kernel stack that [`enter`] left, with the
//! program's registers stored where `enter` found them.

use super::Registers;
use super::state;
use crate::descriptor::{KERNEL_CODE, KERNEL_STACK_OFFSET, USER_CODE_32};
use crate::features;
use crate::interrupt::vector;
use crate::percpu::{self, PerCpu};
use crate::registers::{
    RFLAGS_AC, RFLAGS_DF, RFLAGS_IF, RFLAGS_NT, RFLAGS_RF, RFLAGS_TF, msr, wrmsr,
};
use contract::CPU_NUMBER_BITS;
use core::arch::naked_asm;
use core::mem::offset_of;

/// Flags with which the way back is `iretq`: `sysret` clears RF, and with TF the program would
/// trap before its first instruction.
const SLOW_FLAGS: u64 = RFLAGS_RF | RFLAGS_TF;

/// Finds out how much there is to save, and sets this CPU up.
pub(crate) fn start() {
    state::measure();
    start_cpu();
}

/// Makes `syscall` and floating point work on this CPU.
pub(crate) fn start_cpu() {
    let selectors = u64::from(USER_CODE_32) << 48 | u64::from(KERNEL_CODE) << 32;
    let masked = RFLAGS_IF | RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_AC | RFLAGS_RF;
    // SAFETY: the entry point is made for it, and the selectors are those of the segment table.
    unsafe {
        wrmsr(msr::STAR, selectors);
        wrmsr(msr::LSTAR, system_call_entry as *const () as u64);
        wrmsr(msr::FMASK, masked);
    }
    if features::get().rdtscp {
        let cpu = percpu::this();
        let place = cpu.node() << CPU_NUMBER_BITS | cpu.id();
        // SAFETY: nothing but what RDTSCP gives depends on it.
        unsafe { wrmsr(msr::TSC_AUX, place as u64) };
    }
    state::start_cpu();
}

/// The end of the registers of the program that runs on this CPU, or has run last.
pub(crate) fn trap_stack() -> usize {
    let value;
    // SAFETY: reads a word of this CPU's own data.
    unsafe {
        core::arch::asm!("mov {}, gs:[{}]", out(reg) value, const KERNEL_STACK_OFFSET,
            options(readonly, nostack, preserves_flags));
    }
    value
}

/// The body of a naked function that stores or loads a program's registers: their places in [`Registers`] are operands of their names,
/// and so are the places of this CPU's stacks.
macro_rules! asm_on_registers {
    ($($line:literal),*; $($operands:tt)*) => {
        naked_asm!(
            $($line,)*
            kernel_stack = const offset_of!(PerCpu, kernel_stack),
            trap_stack = const KERNEL_STACK_OFFSET,
            size = const size_of::<Registers>(),
            system_call = const vector::SYSTEM_CALL,
            vector = const offset_of!(Registers, vector),
            rip = const offset_of!(Registers, rip),
            rflags = const offset_of!(Registers, rflags),
            rsp = const offset_of!(Registers, rsp),
            rax = const offset_of!(Registers, rax),
            rbx = const offset_of!(Registers, rbx),
            rcx = const offset_of!(Registers, rcx),
            rdx = const offset_of!(Registers, rdx),
            rsi = const offset_of!(Registers, rsi),
            rdi = const offset_of!(Registers, rdi),
            rbp = const offset_of!(Registers, rbp),
            r8 = const offset_of!(Registers, r8),
            r9 = const offset_of!(Registers, r9),
            r10 = const offset_of!(Registers, r10),
            r11 = const offset_of!(Registers, r11),
            r12 = const offset_of!(Registers, r12),
            r13 = const offset_of!(Registers, r13),
            r14 = const offset_of!(Registers, r14),
            r15 = const offset_of!(Registers, r15),
            $($operands)*
        )
    };
}

/// Goes to user mode with these registers; returns at the next trap, with the registers stored and
/// interrupts off.
///
/// After a system call `sysret` is the fast way back. It takes the instruction pointer from RCX and
/// the flags from R11, so it will only do if they agree; whatever else changed the registers (a signal, a
/// debugger, a restart) makes them differ and takes `iretq`. The caller has checked that the instruction
/// pointer is canonical: `sysret` would fault on another one in kernel mode, on the user's stack.
///
/// # Safety
/// Interrupts are off. Selectors and flags are those of user mode, the instruction pointer is canonical.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn enter(registers: *mut Registers) {
    asm_on_registers!(
        "push rbp; push rbx; push r12; push r13; push r14; push r15",
        "mov gs:[{kernel_stack}], rsp",
        // Where the processor, or the system call's entry, will store registers.
        "lea rax, [rdi + {size}]",
        "mov gs:[{trap_stack}], rax",
        "cmp qword ptr [rdi + {vector}], {system_call}",
        "jne 2f",
        "mov rcx, [rdi + {rip}]",
        "mov r11, [rdi + {rflags}]",
        "cmp rcx, [rdi + {rcx}]",
        "jne 2f",
        "cmp r11, [rdi + {r11}]",
        "jne 2f",
        "test r11d, {slow}",
        "jnz 2f",
        "mov r15, [rdi + {r15}]",
        "mov r14, [rdi + {r14}]",
        "mov r13, [rdi + {r13}]",
        "mov r12, [rdi + {r12}]",
        "mov rbp, [rdi + {rbp}]",
        "mov rbx, [rdi + {rbx}]",
        "mov r10, [rdi + {r10}]",
        "mov r9, [rdi + {r9}]",
        "mov r8, [rdi + {r8}]",
        "mov rax, [rdi + {rax}]",
        "mov rdx, [rdi + {rdx}]",
        "mov rsi, [rdi + {rsi}]",
        "mov rsp, [rdi + {rsp}]",
        "mov rdi, [rdi + {rdi}]",
        "swapgs",
        "sysretq",
        "2:",
        "mov rsp, rdi",
        "pop r15; pop r14; pop r13; pop r12; pop rbp; pop rbx",
        "pop r11; pop r10; pop r9; pop r8; pop rax",
        "pop rcx; pop rdx; pop rsi; pop rdi",
        "add rsp, 16",
        "swapgs",
        "iretq";
        slow = const SLOW_FLAGS,
    )
}

/// Where `syscall` goes: RCX is the user's instruction pointer, R11 its flags, and the stack is still
/// the user's. The selectors in the registers stay as they are: they never change.
#[unsafe(naked)]
unsafe extern "C" fn system_call_entry() {
    asm_on_registers!(
        "swapgs",
        "mov gs:[{user_stack}], rsp",
        "mov rsp, gs:[{trap_stack}]",
        "mov [rsp - {size} + {rip}], rcx",
        "mov [rsp - {size} + {rflags}], r11",
        "mov [rsp - {size} + {code}], rax",
        "mov qword ptr [rsp - {size} + {vector}], {system_call}",
        "mov [rsp - {size} + {rcx}], rcx",
        "mov rcx, gs:[{user_stack}]",
        "mov [rsp - {size} + {rsp}], rcx",
        "mov [rsp - {size} + {r15}], r15",
        "mov [rsp - {size} + {r14}], r14",
        "mov [rsp - {size} + {r13}], r13",
        "mov [rsp - {size} + {r12}], r12",
        "mov [rsp - {size} + {rbp}], rbp",
        "mov [rsp - {size} + {rbx}], rbx",
        "mov [rsp - {size} + {r11}], r11",
        "mov [rsp - {size} + {r10}], r10",
        "mov [rsp - {size} + {r9}], r9",
        "mov [rsp - {size} + {r8}], r8",
        "mov [rsp - {size} + {rax}], rax",
        "mov [rsp - {size} + {rdx}], rdx",
        "mov [rsp - {size} + {rsi}], rsi",
        "mov [rsp - {size} + {rdi}], rdi",
        "mov rsp, gs:[{kernel_stack}]",
        "pop r15; pop r14; pop r13; pop r12; pop rbx; pop rbp",
        "ret";
        user_stack = const offset_of!(PerCpu, user_stack),
        code = const offset_of!(Registers, code),
    )
}
