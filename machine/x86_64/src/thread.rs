//! Contexts: what the processor needs to go on with a thread, and the switch from one to another.
//!
//! A context that is not running is a stack pointer; the registers that a call preserves lie on the
//! stack above it. A context that runs has `RUNNING` in that word. So the word is the claim: taking
//! it by an atomic exchange is how a switch makes sure that nobody else goes on in the same context,
//! and it is given back only when the stack is left.

use crate::entry::boot_stack_start;
use crate::percpu;
use crate::user::state;
use core::arch::naked_asm;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering::*};

pub use crate::stack::{STACK_SIZE, Stack};

/// The saved stack pointer of a context that is running.
const RUNNING: usize = 0;

/// Instead of a stack's address, when the stack has been taken: no stack lies so low.
const NO_STACK: usize = 0;

/// How many words `switch_stacks` puts onto the stack below the return address.
const SAVED_WORDS: usize = 6;

/// A thread of execution in the kernel.
#[derive(Debug)]
pub struct Context {
    /// The saved stack pointer, or [`RUNNING`].
    saved: AtomicUsize,
    /// The lowest address of the stack, or [`NO_STACK`].
    start: usize,
    /// The stack; the boot CPU's first one is part of the image.
    stack: Option<Stack>,
}

impl Context {
    /// A context that calls `entry`, with interrupts off, when it is first switched to.
    pub fn new(stack: Stack, entry: fn() -> !) -> Self {
        let Range { start, end } = stack.bounds();
        // As `switch_stacks` leaves a stack: R15 to R12, RBX, RBP, the return address. Above it a zero
        // ends the chain of frames, and the stack is aligned as if `begin` had been called.
        let words = [0, 0, 0, 0, entry as usize, 0, begin as *const () as usize, 0, 0];
        let saved = end - size_of_val(&words);
        // SAFETY: the top of a stack that nobody uses yet.
        unsafe { (saved as *mut [usize; 9]).write(words) };
        Self { saved: AtomicUsize::new(saved), start, stack: Some(stack) }
    }

    /// The context that the boot CPU has been running in. Once.
    pub fn boot() -> Self {
        static TAKEN: AtomicUsize = AtomicUsize::new(0);
        assert_eq!(TAKEN.swap(1, Relaxed), 0, "the boot context is taken once");
        Self { saved: AtomicUsize::new(RUNNING), start: boot_stack_start(), stack: None }
    }

    /// Takes the stack of a context that is not running. None for the boot context, and the second time.
    pub fn take_stack(&mut self) -> Option<Stack> {
        let stack = self.stack.take()?;
        let saved = core::mem::replace(self.saved.get_mut(), RUNNING);
        assert_ne!(saved, RUNNING, "a running context keeps its stack");
        self.start = NO_STACK;
        Some(stack)
    }

    /// Where a backtrace of a context that is not running starts; 0 if it runs.
    pub fn saved_frame_pointer(&self) -> usize {
        match self.saved.load(Acquire) {
            RUNNING => 0,
            // The saved RBP and the return address above it look like any frame.
            saved => saved + (SAVED_WORDS - 1) * size_of::<usize>(),
        }
    }

    /// The addresses of the stack.
    pub fn stack_bounds(&self) -> Range<usize> {
        self.start..self.start + STACK_SIZE
    }

    /// Takes the right to go on in this context.
    pub(crate) fn claim(&self) -> Option<usize> {
        match self.saved.swap(RUNNING, Acquire) {
            RUNNING => None,
            saved => Some(saved),
        }
    }

    /// Gives the right back, if it was not used.
    pub(crate) fn release(&self, saved: usize) {
        self.saved.store(saved, Release);
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let runs = *self.saved.get_mut() == RUNNING && self.start != NO_STACK;
        assert!(!runs, "a running context is not dropped");
    }
}

/// Saves the running context in `previous` and goes on in `next`. See the contract.
#[inline]
pub fn switch(previous: &Context, next: &Context) {
    debug_assert!(!crate::irq::enabled(), "a switch with interrupts on");
    let here = crate::backtrace::stack_pointer();
    if here.wrapping_sub(previous.start) >= STACK_SIZE {
        not_running();
    }
    let Some(stack_pointer) = next.claim() else { already_running() };
    let cpu = percpu::this();
    if !cpu.live_state.load(Relaxed).is_null() {
        state::save_live(cpu);
    }
    // SAFETY: this runs on `previous`'s stack, as was checked, so the word is the right place for its
    // stack pointer; `next` was not running, and is ours now.
    unsafe { switch_stacks(previous.saved.as_ptr(), stack_pointer) };
}

#[cold]
fn not_running() -> ! {
    panic!("switch from a context that is not the running one");
}

#[cold]
fn already_running() -> ! {
    panic!("switch to a context that is running");
}

/// Leaves this stack for another. The old stack pointer is published only after the new one is in
/// force: from then on another CPU may go on here.
#[unsafe(naked)]
unsafe extern "C" fn switch_stacks(saved: *mut usize, next: usize) {
    naked_asm!(
        "push rbp; push rbx; push r12; push r13; push r14; push r15",
        "mov rax, rsp",
        "mov rsp, rsi",
        "mov [rdi], rax",
        "pop r15; pop r14; pop r13; pop r12; pop rbx; pop rbp",
        "ret",
    )
}

/// Goes on at a saved stack pointer and forgets the present stack.
///
/// # Safety
/// The stack pointer was claimed from a context.
pub(crate) unsafe fn resume(saved: usize) -> ! {
    // SAFETY: the caller's promise; interrupts are off as for a switch.
    unsafe {
        core::arch::asm!(
            "mov rsp, {}",
            "pop r15; pop r14; pop r13; pop r12; pop rbx; pop rbp",
            "ret",
            in(reg) saved,
            options(noreturn),
        )
    }
}

/// The first return address of a new context.
#[unsafe(naked)]
unsafe extern "C" fn begin() {
    naked_asm!("xor ebp, ebp", "call rbx", "ud2")
}
