//! arm64 hosts, AAPCS64.
//!
//! A stack that is not running holds, from its saved pointer up: x19 to x28, x29, x30 (the address
//! to go on at), and d8 to d15.

use core::arch::{asm, naked_asm};

/// Saves the running stack's pointer to `*save` and goes on on the stack whose pointer is `load`.
///
/// # Safety
/// `load` was stored by this function or made by [`new_stack`], has not been used since, and its
/// stack is alive. `save` may be written.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn switch_stacks(save: *mut usize, load: usize) {
    naked_asm!(
        "sub sp, sp, #160",
        "stp x19, x20, [sp]",
        "stp x21, x22, [sp, #16]",
        "stp x23, x24, [sp, #32]",
        "stp x25, x26, [sp, #48]",
        "stp x27, x28, [sp, #64]",
        "stp x29, x30, [sp, #80]",
        "stp d8, d9, [sp, #96]",
        "stp d10, d11, [sp, #112]",
        "stp d12, d13, [sp, #128]",
        "stp d14, d15, [sp, #144]",
        "mov x9, sp",
        "str x9, [x0]",
        "mov sp, x1",
        "ldp x19, x20, [sp]",
        "ldp x21, x22, [sp, #16]",
        "ldp x23, x24, [sp, #32]",
        "ldp x25, x26, [sp, #48]",
        "ldp x27, x28, [sp, #64]",
        "ldp x29, x30, [sp, #80]",
        "ldp d8, d9, [sp, #96]",
        "ldp d10, d11, [sp, #112]",
        "ldp d12, d13, [sp, #128]",
        "ldp d14, d15, [sp, #144]",
        "add sp, sp, #160",
        "ret",
    )
}

/// Where a new stack begins: calls `x19(x20)`. The zeros tell backtraces that nobody is above.
#[unsafe(naked)]
unsafe extern "C" fn begin() -> ! {
    naked_asm!("mov x0, x20", "mov x29, xzr", "mov x30, xzr", "br x19")
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
    let mut frame = [0usize; 20];
    frame[0] = function as *const () as usize;
    frame[1] = argument;
    frame[11] = begin as *const () as usize;
    let pointer = top - size_of_val(&frame);
    // SAFETY: `top` is the end of a writable stack.
    unsafe { (pointer as *mut [usize; 20]).write(frame) };
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
    let registers = &mut context.uc_mcontext;
    let interrupted = (registers.pc as usize, registers.regs[29] as usize);
    registers.pc = function as *const () as u64;
    registers.regs[0] = argument as u64;
    registers.regs[29] = 0;
    registers.regs[30] = 0;
    registers.sp = top as u64;
    interrupted
}

/// The frame pointer register. Means something only where code keeps frame pointers.
#[inline(always)]
pub(crate) fn frame_pointer() -> usize {
    let pointer;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, x29", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}

/// Where the frames of a stack that is not running begin: what [`switch_stacks`] saved, called with `saved` as there, has a
/// frame pointer and a return address in it as any frame does.
pub(crate) fn saved_frame_pointer(saved: usize) -> usize {
    saved + 10 * size_of::<usize>()
}
