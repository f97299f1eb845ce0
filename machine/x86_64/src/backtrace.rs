//! Who called whom: the chain of frame pointers; and what the registers held.

use crate::interrupt::{SAVED_BELOW_FRAME, handler_return};
use crate::layout::image;
use crate::registers::{cr0, cr2, cr3, cr4, msr, rdmsr, segments};
use crate::user::copy::probe;
use crate::user::{Registers, enter};
use crate::{cpu, percpu};
use contract::preempt::HARDIRQ_MASK;
use contract::{CPU_REGISTER_WORDS, CpuRegisters, UserRegisters};
use core::arch::asm;
use core::ops::Range;
use core::slice;

/// Calls `visit` with return addresses from a frame pointer up, as long as the frames stay in `bounds`
/// and go upwards. Memory that cannot be read ends the walk.
pub fn walk(frame_pointer: usize, bounds: Range<usize>, visit: &mut dyn FnMut(usize)) {
    let mut frame = frame_pointer;
    while frame.is_multiple_of(size_of::<usize>())
        && frame >= bounds.start
        && frame < bounds.end.saturating_sub(size_of::<usize>())
    {
        let (Some(next), Some(address)) = (probe(frame), probe(frame + size_of::<usize>())) else {
            return;
        };
        if address == 0 {
            return;
        }
        visit(address);
        if next <= frame {
            return;
        }
        frame = next;
    }
}

/// The table of the image's functions (crate `symbols`), and the address from which its places count.
pub fn symbols() -> (usize, &'static [u8]) {
    let Range { start, end } = image::symbols();
    // SAFETY: the linker script keeps this room in the read-only part of the image, and nothing writes there once it is
    // loaded.
    let table = unsafe { slice::from_raw_parts(start as *const u8, end - start) };
    (image::start(), table)
}

/// The caller's frame pointer.
#[inline(always)]
pub fn frame_pointer() -> usize {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rbp", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// The stack pointer.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

const WORD: usize = size_of::<usize>();
/// The most frames that an interrupt's handlers have.
const DEEPEST: usize = 200;
/// So many words of [`Registers`] have the same places in [`CpuRegisters`].
const GENERAL: usize = 15;

/// Whether a return address leads out of a handler, to what was interrupted.
pub fn is_interrupt(return_address: usize) -> bool {
    return_address == handler_return()
}

/// What the registers held when the innermost interrupt came in whose handler, or whose softirqs, this is.
pub fn interrupted() -> Option<CpuRegisters> {
    let mut frame = frame_pointer();
    for _ in 0..DEEPEST {
        let Some([next, address]) = pair(frame) else { break };
        if is_interrupt(address) {
            return in_kernel(next);
        }
        if next <= frame {
            break;
        }
        frame = next;
    }
    // It came in user mode, and `run` has called the handler.
    (cpu::preempt_count() & HARDIRQ_MASK != 0).then(in_user).flatten()
}

fn pair(frame: usize) -> Option<[usize; 2]> {
    (frame.is_multiple_of(WORD)).then_some(())?;
    Some([probe(frame)?, probe(frame + WORD)?])
}

/// The registers around an interrupt's frame: what the processor has saved is above it, what the stub has is below.
fn in_kernel(frame: usize) -> Option<CpuRegisters> {
    let mut words = [0; CPU_REGISTER_WORDS];
    words[CpuRegisters::FRAME_POINTER] = probe(frame)? as u64;
    let first = frame - SAVED_BELOW_FRAME.len() * WORD;
    for (index, offset) in SAVED_BELOW_FRAME.into_iter().enumerate() {
        words[offset / WORD] = probe(first + index * WORD)? as u64;
    }
    words[UserRegisters::SYSTEM_CALL] = u64::MAX;
    processors_words(&mut words, frame + WORD)?;
    Some(with_the_rest(words))
}

/// The registers of the program that runs on this CPU, where the way in has saved them.
fn in_user() -> Option<CpuRegisters> {
    let mut words = [0; CPU_REGISTER_WORDS];
    let end = enter::trap_stack();
    let first = end.checked_sub(size_of::<Registers>())?;
    for (index, word) in words[..GENERAL].iter_mut().enumerate() {
        *word = probe(first + index * WORD)? as u64;
    }
    words[UserRegisters::SYSTEM_CALL] = u64::MAX;
    processors_words(&mut words, end - 5 * WORD)?;
    Some(with_the_rest(words))
}

/// What the processor itself saves.
fn processors_words(words: &mut [u64; CPU_REGISTER_WORDS], first: usize) -> Option<()> {
    for index in 0..5 {
        words[UserRegisters::INSTRUCTION_POINTER + index] = probe(first + index * WORD)? as u64;
    }
    Some(())
}

/// Adds what no interrupt saves, as it is now.
pub(crate) fn with_the_rest(mut words: [u64; CPU_REGISTER_WORDS]) -> CpuRegisters {
    words[UserRegisters::THREAD_POINTER] = rdmsr(msr::FS_BASE);
    words[UserRegisters::GS_BASE] = core::ptr::from_ref(percpu::this()) as u64;
    words[CpuRegisters::OTHER_GS_BASE] = rdmsr(msr::KERNEL_GS_BASE);
    words[CpuRegisters::DATA_SEGMENT..][..4].copy_from_slice(&segments());
    words[CpuRegisters::CONTROL..][..4].copy_from_slice(&[cr0(), cr2(), cr3(), cr4()]);
    CpuRegisters(words)
}

/// A byte of the kernel's code.
pub fn code(address: usize) -> Option<u8> {
    let word = probe(address & !(WORD - 1))?;
    Some(word.to_le_bytes()[address % WORD])
}
