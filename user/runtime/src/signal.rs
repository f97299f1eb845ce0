//! Signal handlers.

use crate::error::{Result, check};
use crate::sys::{self, number};
use core::arch::global_asm;

const SA_RESTORER: usize = 0x0400_0000;

global_asm!(
    ".globl guest_restore",
    "guest_restore:",
    "mov eax, {number}",
    "syscall",
    "ud2",
    number = const number::RT_SIGRETURN,
);

unsafe extern "C" {
    fn guest_restore();
}

/// Lets `handler` run when the signal comes. It interrupts the program anywhere, so it must only touch atomics.
pub fn handle(signal: i32, handler: extern "C" fn(i32)) -> Result<()> {
    let action = [handler as usize, SA_RESTORER, guest_restore as *const () as usize, 0];
    let arguments = [signal as usize, action.as_ptr() as usize, 0, size_of::<u64>(), 0, 0];
    // SAFETY: the kernel only reads the action; the handler is a safe function, and `guest_restore` ends it.
    check(unsafe { sys::call(number::RT_SIGACTION, arguments) }).map(drop)
}
