//! Who called whom, as far as the host's code keeps frame pointers.

use core::ops::Range;

use contract::{CPU_REGISTER_WORDS, CpuRegisters, UserRegisters};

use crate::arch;

/// Calls `visit` with the return addresses from a frame pointer up, as long as the frames stay in
/// `bounds` and lead upwards.
pub fn walk(frame_pointer: usize, bounds: Range<usize>, visit: &mut dyn FnMut(usize)) {
    const WORD: usize = size_of::<usize>();
    if !crate::thread::is_stack(&bounds) {
        return;
    }
    let mut frame = frame_pointer;
    while frame.is_multiple_of(WORD) && bounds.start <= frame && frame + 2 * WORD <= bounds.end {
        // SAFETY: the two words lie in a live kernel stack, as checked above; whatever they hold is
        // a number.
        let [next, return_address] = unsafe { (frame as *const [usize; 2]).read_volatile() };
        if return_address == 0 {
            return;
        }
        visit(return_address);
        if next <= frame {
            return;
        }
        frame = next;
    }
}

/// The table of the image's functions: a host process has none.
#[must_use]
pub fn symbols() -> (usize, &'static [u8]) {
    (0, &[])
}

/// The caller's frame pointer, if its code keeps one.
#[inline(always)]
#[must_use]
pub fn frame_pointer() -> usize {
    arch::frame_pointer()
}

/// What was interrupted: an interrupt is a call here, and the registers are its caller's, as far as a call shows them.
#[must_use]
pub fn interrupted() -> Option<CpuRegisters> {
    Some(registers(0, arch::frame_pointer()))
}

/// Registers of which only these are known.
pub(crate) fn registers(instruction: usize, frame_pointer: usize) -> CpuRegisters {
    let mut words = [0; CPU_REGISTER_WORDS];
    words[UserRegisters::INSTRUCTION_POINTER] = instruction as u64;
    words[CpuRegisters::FRAME_POINTER] = frame_pointer as u64;
    words[UserRegisters::STACK_POINTER] = frame_pointer as u64;
    words[UserRegisters::SYSTEM_CALL] = u64::MAX;
    CpuRegisters(words)
}

/// Whether a return address leads out of an interrupt: calls do not show it.
#[must_use]
pub fn is_interrupt(_return_address: usize) -> bool {
    false
}

/// A byte of the kernel's code: the host's is nobody's affair.
#[must_use]
pub fn code(_address: usize) -> Option<u8> {
    None
}
