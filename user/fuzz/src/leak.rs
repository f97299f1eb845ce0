//! Looking for kernel addresses in what the kernel wrote.

use crate::arguments::KERNEL_ADDRESSES;

/// The lowest address of the kernel's half.
const KERNEL_START: u64 = 0xffff_8000_0000_0000;

/// Small negative numbers begin here; they are errors and not addresses.
const NEGATIVE: u64 = 0xffff_ffff_fff0_0000;

const GETRANDOM: u64 = 318;

/// The first word that looks like an address in the kernel's half, and is none that we passed ourselves.
pub fn find(call: u64, memory: &[u64], returned: isize) -> Option<u64> {
    if call == GETRANDOM {
        return None;
    }
    memory.iter().copied().chain([returned as u64]).find(|&word| is_kernel_address(word))
}

fn is_kernel_address(word: u64) -> bool {
    (KERNEL_START..NEGATIVE).contains(&word) && !KERNEL_ADDRESSES.contains(&(word as usize))
}
