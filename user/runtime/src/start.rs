//! From the kernel's first instruction to the program's main function and its end.

use crate::process;
use core::arch::global_asm;
use core::ffi::{CStr, c_char};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

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

/// Where the kernel left the arguments, for those who look for what is behind them.
static STACK: AtomicPtr<usize> = AtomicPtr::new(null_mut());

unsafe extern "C" fn enter(stack: *const usize) -> ! {
    STACK.store(stack.cast_mut(), Relaxed);
    // SAFETY: the kernel starts a program with the number of arguments on top of its stack, and above it
    // the pointers to them, which stay for the life of the process.
    let arguments = unsafe { Arguments { next: stack.add(1).cast(), left: stack.read() } };
    process::exit(guest_main(arguments))
}

/// A value of the auxiliary vector, by its kind: what the kernel tells a program about itself and the machine.
pub fn auxiliary(kind: usize) -> Option<usize> {
    let mut word = STACK.load(Relaxed);
    // SAFETY: the kernel has put there the arguments and the environment, each ended by a null pointer, and pairs of words that
    // end with the kind 0.
    unsafe {
        word = word.add(1 + word.read() + 1);
        while word.read() != 0 {
            word = word.add(1);
        }
        word = word.add(1);
        while word.read() != 0 {
            if word.read() == kind {
                return Some(word.add(1).read());
            }
            word = word.add(2);
        }
    }
    None
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
