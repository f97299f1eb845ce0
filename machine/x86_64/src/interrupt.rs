//! Entering the kernel through the interrupt table, and leaving it again.
//!
//! Three ways in, decided by who was interrupted:
//!
//! - **User mode.** The processor pushes onto the end of the running [`UserContext`]'s registers (its
//!   task state says so), the stub pushes the rest below, and the code returns to the kernel code
//!   that called `run`, on its stack, interrupts off. So a trap costs no copy of registers, and
//!   handlers run on the task's own stack.
//! - **Kernel mode, device interrupt.** All registers are saved below the frame pointer, which makes a frame like a function's, and the
//!   handler is called. A report finds them by the address to which the handler returns.
//! - **Kernel mode, exception.** All registers are saved in a [`Frame`], because the handler may
//!   resume elsewhere (a fault in a user copy) or report them (an oops).
//!
//! Double fault, NMI, machine check and debug exception have their own stacks and may come anywhere, even where GS does
//! not point at the CPU's data yet. They find that pointer at the top of their stack and put it into
//! GS for as long as they run.
//!
//! [`UserContext`]: crate::user::UserContext

use crate::descriptor::KERNEL_STACK_OFFSET;
use crate::percpu::{self, PerCpu, count};
use crate::user::Registers;
use crate::{apic, backtrace, boot, console, cpu, exception, time, tlb};
use contract::preempt::{HARDIRQ_MASK, HARDIRQ_UNIT, NMI_MASK};
use contract::{CPU_REGISTER_WORDS, CpuRegisters, UserRegisters};
use core::arch::naked_asm;
use core::mem::offset_of;
use core::sync::atomic::Ordering::Relaxed;

/// The vectors of interrupts that are not exceptions.
pub(crate) mod vector {
    /// The serial port.
    pub(crate) const CONSOLE: u8 = 0x30;
    /// The local timer.
    pub(crate) const TIMER: u8 = 0xec;
    /// Flush translations.
    pub(crate) const FLUSH: u8 = 0xfb;
    /// A parked CPU shall go on.
    pub(crate) const WAKE: u8 = 0xfc;
    /// Look at the run queue.
    pub(crate) const RESCHEDULE: u8 = 0xfd;
    /// Look at the queue of functions.
    pub(crate) const CALL_FUNCTION: u8 = 0xfe;
    /// What the local APIC sends when an interrupt went away.
    pub(crate) const SPURIOUS: u8 = 0xff;
    /// Not an interrupt: marks a user context that came in by `syscall`.
    pub(crate) const SYSTEM_CALL: u64 = 0x100;
}

/// Registers as an exception in kernel mode leaves them on the stack.
#[repr(C)]
pub(crate) struct Frame {
    registers: [u64; 15],
    pub vector: u64,
    pub code: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

impl Frame {
    /// The interrupted code's frame pointer.
    pub(crate) fn frame_pointer(&self) -> usize {
        self.registers[4] as usize
    }

    /// All registers, for a report.
    pub(crate) fn for_report(&self) -> CpuRegisters {
        let mut words = [0; CPU_REGISTER_WORDS];
        words[..15].copy_from_slice(&self.registers);
        words[UserRegisters::SYSTEM_CALL] = u64::MAX;
        words[UserRegisters::INSTRUCTION_POINTER] = self.rip;
        words[UserRegisters::CODE_SEGMENT] = self.cs;
        words[UserRegisters::FLAGS] = self.rflags;
        words[UserRegisters::STACK_POINTER] = self.rsp;
        words[UserRegisters::STACK_SEGMENT] = self.ss;
        backtrace::with_the_rest(words)
    }
}

/// A device interrupt: handles it and lets the kernel do what it put off.
pub(crate) extern "C" fn handle(vector: u64) {
    let cpu = percpu::this();
    cpu::preempt_add(HARDIRQ_UNIT);
    let upcalls = boot::upcalls();
    let parked = cpu.parked.load(Relaxed);
    match vector as u8 {
        vector::TIMER => {
            count(&cpu.counts.timer);
            apic::end_of_interrupt();
            if !parked && time::expired(cpu) {
                (upcalls.timer)();
            }
        }
        vector::RESCHEDULE => {
            count(&cpu.counts.reschedule);
            apic::end_of_interrupt();
            if !parked {
                (upcalls.reschedule)();
            }
        }
        vector::CALL_FUNCTION => {
            count(&cpu.counts.call_function);
            apic::end_of_interrupt();
            if !parked {
                (upcalls.call_function)();
            }
        }
        vector::FLUSH => {
            count(&cpu.counts.tlb);
            apic::end_of_interrupt();
            tlb::serve();
        }
        vector::CONSOLE => {
            count(&cpu.counts.console);
            if console::interrupt() {
                (upcalls.console_input)();
            }
            apic::end_of_interrupt();
        }
        vector::WAKE => apic::end_of_interrupt(),
        // A spurious interrupt wants no end.
        _ => {}
    }
    let left = cpu::preempt_sub(HARDIRQ_UNIT);
    if left & (HARDIRQ_MASK | NMI_MASK) == 0 && !parked {
        (upcalls.interrupt_exit)();
    }
}

/// All entries of the interrupt table: vector and stub.
pub(crate) fn stubs() -> impl Iterator<Item = (u8, usize)> {
    /// Vectors below 32 that exist.
    const EXCEPTIONS: [(u8, unsafe extern "C" fn()); 21] = [
        (0, exception_stub::<0, false>),
        (1, debug_stub),
        (2, own_stack_stub::<2, false>),
        (3, exception_stub::<3, false>),
        (4, exception_stub::<4, false>),
        (5, exception_stub::<5, false>),
        (6, exception_stub::<6, false>),
        (7, exception_stub::<7, false>),
        (8, own_stack_stub::<8, true>),
        (9, exception_stub::<9, false>),
        (10, exception_stub::<10, true>),
        (11, exception_stub::<11, true>),
        (12, exception_stub::<12, true>),
        (13, exception_stub::<13, true>),
        (14, exception_stub::<14, true>),
        (16, exception_stub::<16, false>),
        (17, exception_stub::<17, true>),
        (18, own_stack_stub::<18, false>),
        (19, exception_stub::<19, false>),
        (20, exception_stub::<20, false>),
        (21, exception_stub::<21, true>),
    ];
    const DEVICES: [(u8, unsafe extern "C" fn()); 7] = [
        (vector::CONSOLE, device_stub::<{ vector::CONSOLE }>),
        (vector::TIMER, device_stub::<{ vector::TIMER }>),
        (vector::FLUSH, device_stub::<{ vector::FLUSH }>),
        (vector::WAKE, device_stub::<{ vector::WAKE }>),
        (vector::RESCHEDULE, device_stub::<{ vector::RESCHEDULE }>),
        (vector::CALL_FUNCTION, device_stub::<{ vector::CALL_FUNCTION }>),
        (vector::SPURIOUS, device_stub::<{ vector::SPURIOUS }>),
    ];
    EXCEPTIONS.into_iter().chain(DEVICES).map(|(vector, stub)| (vector, stub as usize))
}

/// Where the stubs for interrupts from user mode go on: fifteen registers are still to be saved.
#[unsafe(naked)]
unsafe extern "C" fn from_user() {
    naked_asm!(
        "swapgs",
        "push rdi; push rsi; push rdx; push rcx; push rax",
        "push r8; push r9; push r10; push r11; push rbx",
        "push rbp; push r12; push r13; push r14; push r15",
        "cld",
        crate::smap_site!("clac"),
        "mov rsp, gs:[{kernel_stack}]",
        "pop r15; pop r14; pop r13; pop r12; pop rbx; pop rbp",
        "ret",
        kernel_stack = const offset_of!(PerCpu, kernel_stack),
    )
}

#[unsafe(naked)]
unsafe extern "C" fn device_stub<const VECTOR: u8>() {
    naked_asm!(
        "test byte ptr [rsp + 8], 3",
        "jnz 2f",
        "push rbp",
        "mov rbp, rsp",
        "push rax",
        "mov eax, {vector}",
        "jmp {from_kernel}",
        "2:",
        "push 0",
        "push {vector}",
        "jmp {from_user}",
        vector = const VECTOR,
        from_kernel = sym from_kernel,
        from_user = sym from_user,
    )
}

unsafe extern "C" {
    /// Where handlers of device interrupts that came in kernel mode return to.
    static device_interrupt_return: u8;
}

/// The return address that leads from a handler to what was interrupted.
pub(crate) fn handler_return() -> usize {
    &raw const device_interrupt_return as usize
}

/// What [`from_kernel`] leaves below the interrupted frame pointer, in the order of addresses.
pub(crate) const SAVED_BELOW_FRAME: [usize; 14] = {
    use crate::user::Registers as R;
    [
        offset_of!(R, r15),
        offset_of!(R, r14),
        offset_of!(R, r13),
        offset_of!(R, r12),
        offset_of!(R, rbx),
        offset_of!(R, r11),
        offset_of!(R, r10),
        offset_of!(R, r9),
        offset_of!(R, r8),
        offset_of!(R, rdi),
        offset_of!(R, rsi),
        offset_of!(R, rdx),
        offset_of!(R, rcx),
        offset_of!(R, rax),
    ]
};

/// Where the stubs for device interrupts in kernel mode go on, with the frame pointer and RAX saved and the vector in EAX. What a
/// call does not change is saved, too, for reports.
#[unsafe(naked)]
unsafe extern "C" fn from_kernel() {
    naked_asm!(
        "push rcx; push rdx; push rsi; push rdi; push r8; push r9; push r10; push r11",
        "push rbx; push r12; push r13; push r14; push r15",
        "cld",
        crate::smap_site!("clac"),
        "mov edi, eax",
        // Twenty words: the stack is on a multiple of sixteen again.
        "call {handle}",
        ".globl device_interrupt_return",
        "device_interrupt_return:",
        "add rsp, 40",
        "pop r11; pop r10; pop r9; pop r8; pop rdi; pop rsi; pop rdx; pop rcx; pop rax",
        "pop rbp",
        "iretq",
        handle = sym handle,
    )
}

#[unsafe(naked)]
unsafe extern "C" fn exception_stub<const VECTOR: u8, const CODE: bool>() {
    naked_asm!(
        // Where the processor pushes no error code, a zero takes its place.
        ".if {code} == 0",
        "push 0",
        ".endif",
        "push {vector}",
        "test byte ptr [rsp + 24], 3",
        "jnz {from_user}",
        "push rdi; push rsi; push rdx; push rcx; push rax",
        "push r8; push r9; push r10; push r11; push rbx",
        "push rbp; push r12; push r13; push r14; push r15",
        "cld",
        crate::smap_site!("clac"),
        "mov rdi, rsp",
        // A link for backtraces that start in the handler.
        "push qword ptr [rsp + {rip}]",
        "push rbp",
        "mov rbp, rsp",
        "call {handle}",
        "add rsp, 16",
        "pop r15; pop r14; pop r13; pop r12; pop rbp",
        "pop rbx; pop r11; pop r10; pop r9; pop r8",
        "pop rax; pop rcx; pop rdx; pop rsi; pop rdi",
        "add rsp, 16",
        "iretq",
        code = const CODE as u8,
        vector = const VECTOR,
        from_user = sym from_user,
        handle = sym exception::in_kernel,
        rip = const offset_of!(Frame, rip),
    )
}

/// The stub of the debug exception. In user mode it is an exception like any other, but for the frame, which
/// moves from the exception's own stack to the end of the program's registers.
#[unsafe(naked)]
unsafe extern "C" fn debug_stub() {
    naked_asm!(
        "test byte ptr [rsp + 8], 3",
        "jz {in_kernel}",
        "push 0",
        "push 1",
        "swapgs",
        "mov gs:[{scratch}], rax",
        "mov rax, gs:[{trap_stack}]",
        "pop qword ptr [rax - 56]",
        "pop qword ptr [rax - 48]",
        "pop qword ptr [rax - 40]",
        "pop qword ptr [rax - 32]",
        "pop qword ptr [rax - 24]",
        "pop qword ptr [rax - 16]",
        "pop qword ptr [rax - 8]",
        "lea rsp, [rax - 56]",
        "mov rax, gs:[{scratch}]",
        "swapgs",
        "jmp {from_user}",
        in_kernel = sym own_stack_stub::<1, false>,
        from_user = sym from_user,
        scratch = const offset_of!(PerCpu, user_stack),
        trap_stack = const KERNEL_STACK_OFFSET,
    )
}

/// The stub of an exception with a stack of its own. The word above the frame is this CPU's [`PerCpu`].
#[unsafe(naked)]
unsafe extern "C" fn own_stack_stub<const VECTOR: u8, const CODE: bool>() {
    naked_asm!(
        ".if {code} == 0",
        "push 0",
        ".endif",
        "push {vector}",
        "push rdi; push rsi; push rdx; push rcx; push rax",
        "push r8; push r9; push r10; push r11; push rbx",
        "push rbp; push r12; push r13; push r14; push r15",
        "cld",
        crate::smap_site!("clac"),
        "mov ecx, {gs_base}",
        "rdmsr",
        "mov r12d, eax",
        "mov r13d, edx",
        "mov rdx, [rsp + {percpu}]",
        "mov eax, edx",
        "shr rdx, 32",
        "wrmsr",
        "mov rdi, rsp",
        "call {handle}",
        "mov ecx, {gs_base}",
        "mov eax, r12d",
        "mov edx, r13d",
        "wrmsr",
        "pop r15; pop r14; pop r13; pop r12; pop rbp",
        "pop rbx; pop r11; pop r10; pop r9; pop r8",
        "pop rax; pop rcx; pop rdx; pop rsi; pop rdi",
        "add rsp, 16",
        "iretq",
        code = const CODE as u8,
        vector = const VECTOR,
        gs_base = const crate::registers::msr::GS_BASE,
        percpu = const size_of::<Frame>(),
        handle = sym exception::on_own_stack,
    )
}

const _: () = {
    // The stubs and the user context agree on the order of registers.
    assert!(offset_of!(Frame, vector) == offset_of!(Registers, vector));
    assert!(size_of::<Frame>() == size_of::<Registers>());
    assert!(KERNEL_STACK_OFFSET.is_multiple_of(8));
};
