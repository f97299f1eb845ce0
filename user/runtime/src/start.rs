//! From the kernel's first instruction to the program's main function and its end.

use crate::process;
use core::arch::global_asm;
use core::ffi::{CStr, c_char};

global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {enter}",
    "ud2",
    enter = sym enter,
);

/// Names the program's main function, `fn(Arguments) -> i32`; what it returns is the exit status.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        // SAFETY: the one definition of the symbol in the program, with the type that `runtime` declares.
        #[unsafe(no_mangle)]
        fn guest_main(arguments: $crate::Arguments) -> i32 {
            $main(arguments)
        }
    };
}

unsafe extern "Rust" {
    safe fn guest_main(arguments: Arguments) -> i32;
}

unsafe extern "C" fn enter(stack: *const usize) -> ! {
    // SAFETY: the kernel starts a program with the number of arguments on top of its stack, and above it
    // the pointers to them, which stay for the life of the process.
    let arguments = unsafe { Arguments { next: stack.add(1).cast(), left: stack.read() } };
    process::exit(guest_main(arguments))
}

/// The program's arguments, its own name first.
pub struct Arguments {
    next: *const *const c_char,
    left: usize,
}

impl Iterator for Arguments {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<&'static CStr> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: `left` pointers to NUL-terminated strings follow `next`, as `enter` says.
        unsafe {
            let argument = CStr::from_ptr(self.next.read());
            self.next = self.next.add(1);
            Some(argument)
        }
    }
}

/// Named by the unwind tables of the precompiled `core`. Never called: these programs abort on panic.
// SAFETY: nothing else in these programs has this name.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
