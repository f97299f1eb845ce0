//! Tasks that share this program's memory: threads, and children that are about to execute another program.

use crate::error::{Result, check};
use crate::memory::Mapping;
use crate::sys::{self, number};
use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

const CLONE_VM: usize = 0x100;
const CLONE_FS: usize = 0x200;
const CLONE_FILES: usize = 0x400;
const CLONE_SIGHAND: usize = 0x800;
const CLONE_VFORK: usize = 0x4000;
const CLONE_THREAD: usize = 0x1_0000;
const CLONE_SYSVSEM: usize = 0x4_0000;
const CLONE_PARENT_SETTID: usize = 0x10_0000;
const CLONE_CHILD_CLEARTID: usize = 0x20_0000;
const SIGCHLD: usize = 17;

const FUTEX_WAIT: usize = 0;
const FUTEX_WAKE: usize = 1;
const FUTEX_PRIVATE: usize = 128;

/// Memory for a task to run on.
pub struct Stack(Mapping);

impl Stack {
    const SIZE: usize = 64 * 1024;

    /// A fresh one.
    pub fn new() -> Result<Self> {
        Mapping::new(Self::SIZE).map(Self)
    }

    fn top(&self) -> usize {
        self.0.address() + Self::SIZE
    }
}

/// A thread of this process. Dropping it waits for its end.
pub struct Thread<'a> {
    /// The thread's number while it lives; the kernel clears it and wakes those who wait.
    number: &'a AtomicU32,
}

impl<'a> Thread<'a> {
    /// Starts a thread on the stack, which ends when `function` returns. `number` is for the thread's own use.
    pub fn start(
        stack: &'a mut Stack,
        number: &'a AtomicU32,
        function: extern "C" fn(usize),
        argument: usize,
    ) -> Result<Self> {
        let flags =
            CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
        let flags = flags | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
        // SAFETY: the stack and the number are borrowed until the thread has ended.
        unsafe { clone(flags, stack.top(), number.as_ptr() as usize, function, argument) }?;
        Ok(Self { number })
    }
}

impl Drop for Thread<'_> {
    fn drop(&mut self) {
        loop {
            let number = self.number.load(SeqCst);
            if number == 0 {
                break;
            }
            // Not private: the kernel's own wake-up at a thread's end is not either.
            futex(self.number, FUTEX_WAIT, number);
        }
    }
}

/// Starts a child that runs `function` in this program's memory while this task waits until it executes another program or ends.
/// Returns the child's PID.
pub fn vfork(stack: &mut Stack, function: extern "C" fn(usize), argument: usize) -> Result<i32> {
    // SAFETY: the stack is borrowed until the child has left it: that is when the call returns.
    unsafe { clone(CLONE_VM | CLONE_VFORK | SIGCHLD, stack.top(), 0, function, argument) }
}

/// Sleeps while the word has this value, until [`wake`].
pub fn wait(word: &AtomicU32, value: u32) {
    futex(word, FUTEX_WAIT | FUTEX_PRIVATE, value);
}

/// Wakes one thread that sleeps on the word.
pub fn wake(word: &AtomicU32) {
    futex(word, FUTEX_WAKE | FUTEX_PRIVATE, 1);
}

fn futex(word: &AtomicU32, operation: usize, value: u32) {
    // SAFETY: the kernel only reads the word. That it has changed already, or a signal came, is for the caller to see from it.
    unsafe {
        sys::call(number::FUTEX, [word.as_ptr() as usize, operation, value as usize, 0, 0, 0]);
    }
}

/// # Safety
///
/// What the new task does to the memory that it shares, and that its stack lasts.
unsafe fn clone(
    flags: usize,
    stack: usize,
    number: usize,
    function: extern "C" fn(usize),
    argument: usize,
) -> Result<i32> {
    let returned: isize;
    // SAFETY: the parent sees a system call like any other. The child starts behind it with the same registers
    // on an empty, aligned stack, and never returns from here.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "mov eax, {exit}",
            "xor edi, edi",
            "syscall",
            "ud2",
            "2:",
            exit = const number::EXIT,
            inlateout("rax") number::CLONE as isize => returned,
            in("rdi") flags, in("rsi") stack, in("rdx") number, in("r10") number, in("r8") 0,
            in("r12") function, in("r13") argument,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    check(returned).map(|pid| pid as i32)
}
