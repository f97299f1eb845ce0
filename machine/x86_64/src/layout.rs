//! Where things are in the kernel's half of the address space.
//!
//! | from | what |
//! |---|---|
//! | `0xffff_8880_0000_0000` | the direct map: all memory, in order |
//! | `0xffff_c900_0000_0000` | kernel stacks, each above a guard page |
//! | `0xffff_ffff_8000_0000` | the image, at its physical address |
//! | `0xffff_ffff_c000_0000` | device registers |

/// The address of physical address 0 in the image's mapping.
pub(crate) const IMAGE_BASE: usize = 0xffff_ffff_8000_0000;
/// The address of physical address 0 in the direct map.
pub(crate) const DIRECT_BASE: usize = 0xffff_8880_0000_0000;
/// How much memory the direct map has room for (the distance to the kernel stacks).
pub(crate) const DIRECT_SIZE: usize = STACK_BASE - DIRECT_BASE;
/// The first address of the kernel stacks.
pub(crate) const STACK_BASE: usize = 0xffff_c900_0000_0000;
/// How much room there is for kernel stacks.
pub(crate) const STACK_AREA: usize = 1 << 39;
/// The first address of device registers.
pub(crate) const DEVICE_BASE: usize = 0xffff_ffff_c000_0000;
/// The first address that is not a user address; the last page below the hole stays empty, so that
/// no `syscall` instruction can return to a non-canonical address.
pub const USER_END: usize = 0x7fff_ffff_f000;
/// Where the code that starts other CPUs is put: real mode reaches only the first megabyte.
pub(crate) const TRAMPOLINE: usize = 0x8000;
/// Memory below this stays with the machine: firmware tables and the trampoline.
pub(crate) const LOW_MEMORY_END: usize = 0x10_0000;

/// What the linker script marks.
pub(crate) mod image {
    use core::ops::Range;

    unsafe extern "C" {
        static __image_start: u8;
        static __text_end: u8;
        static __symbols_start: u8;
        static __symbols_end: u8;
        static __rodata_end: u8;
        static __image_end: u8;
    }

    /// The first byte of the image.
    pub(crate) fn start() -> usize {
        &raw const __image_start as usize
    }

    /// The end of the executable part.
    pub(crate) fn text_end() -> usize {
        &raw const __text_end as usize
    }

    /// The room for the names of the image's functions.
    pub(crate) fn symbols() -> Range<usize> {
        &raw const __symbols_start as usize..&raw const __symbols_end as usize
    }

    /// The end of the read-only part.
    pub(crate) fn rodata_end() -> usize {
        &raw const __rodata_end as usize
    }

    /// The end of the image, zeroed data included.
    pub(crate) fn end() -> usize {
        &raw const __image_end as usize
    }
}
