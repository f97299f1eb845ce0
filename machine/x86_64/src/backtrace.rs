//! Who called whom: the chain of frame pointers.

use crate::layout::image;
use crate::user::copy::probe;
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
