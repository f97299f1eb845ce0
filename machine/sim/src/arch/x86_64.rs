//! x86-64 hosts, System V calling convention.
//!
//! A stack that is not running holds, from its saved pointer up: r15, r14, r13, r12, rbx, rbp, and
//! the address to go on at. The control words of the floating-point units are callee-saved too, but
//! nothing in this process changes them.

use core::arch::{asm, naked_asm};

/// Saves the running stack's pointer to `*save` and goes on on the stack whose pointer is `load`.
///
/// # Safety
/// `load` was stored by this function or made by [`new_stack`], has not been used since, and its
/// stack is alive. `save` may be written.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn switch_stacks(save: *mut usize, load: usize) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Where a new stack begins: calls `r12(r13)`. The stack pointer is at a 0 for a return address,
/// which tells backtraces that nobody is above.
#[unsafe(naked)]
unsafe extern "C" fn begin() -> ! {
    naked_asm!("xor ebp, ebp", "mov rdi, r13", "jmp r12")
}

/// Lays out a stack that calls `function(argument)` when it is first switched to. Returns its
/// pointer.
///
/// # Safety
/// `top` is the end of a writable, unused stack, aligned to 16.
pub(crate) unsafe fn new_stack(
    top: usize,
    function: extern "C" fn(usize) -> !,
    argument: usize,
) -> usize {
    let frame: [usize; 8] =
        [0, 0, argument, function as *const () as usize, 0, 0, begin as *const () as usize, 0];
    let pointer = top - size_of_val(&frame);
    // SAFETY: `top` is the end of a writable stack.
    unsafe { (pointer as *mut [usize; 8]).write(frame) };
    pointer
}

/// Makes an interrupted host context go on by calling `function(argument)` on the stack that ends
/// at `top`. Returns the instruction and the frame pointer it was interrupted at.
pub(crate) fn redirect(
    context: &mut libc::ucontext_t,
    top: usize,
    function: extern "C" fn(usize) -> !,
    argument: usize,
) -> (usize, usize) {
    let registers = &mut context.uc_mcontext.gregs;
    let interrupted =
        (registers[libc::REG_RIP as usize] as usize, registers[libc::REG_RBP as usize] as usize);
    registers[libc::REG_RIP as usize] = function as *const () as i64;
    registers[libc::REG_RDI as usize] = argument as i64;
    registers[libc::REG_RBP as usize] = 0;
    // As after a call: 8 below a multiple of 16.
    registers[libc::REG_RSP as usize] = (top - 8) as i64;
    interrupted
}

/// The frame pointer register. Means something only where code keeps frame pointers.
#[inline(always)]
pub(crate) fn frame_pointer() -> usize {
    let pointer;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rbp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}

/// Where the frames of a stack that is not running begin: what [`switch_stacks`] saved, called with `saved` as there, ends
/// in a frame pointer and a return address as any frame does.
pub(crate) fn saved_frame_pointer(saved: usize) -> usize {
    saved + 5 * size_of::<usize>()
}
