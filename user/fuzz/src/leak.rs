//! Looking for kernel addresses in what the kernel wrote.

use crate::arguments::is_ours;

/// Where a kernel keeps things: memory of its own, and its image. Narrow enough that two small negative numbers
/// side by side do not look like it.
const KERNEL: [core::ops::Range<u64>; 2] =
    [0xffff_8000_0000_0000..0xffff_f000_0000_0000, 0xffff_ffff_8000_0000..0xffff_ffff_c000_0000];

const GETRANDOM: u64 = 318;

/// The first word that looks like an address in the kernel's half, and is none that we passed ourselves.
pub(crate) fn find(call: u64, memory: &[u64], returned: isize) -> Option<u64> {
    if call == GETRANDOM {
        return None;
    }
    memory.iter().copied().chain([returned as u64]).find(|&word| is_kernel_address(word))
}

fn is_kernel_address(word: u64) -> bool {
    KERNEL.iter().any(|range| range.contains(&word)) && !is_ours(word as usize)
}
