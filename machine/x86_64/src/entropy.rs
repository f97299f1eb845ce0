//! Random bytes from the processor.

use crate::features;
use crate::registers::rdtsc;
use core::arch::asm;

/// How often an instruction that had nothing to give is tried again.
const TRIES: usize = 32;

fn rdseed() -> Option<u64> {
    (0..TRIES).find_map(|_| {
        let (value, good): (u64, u8);
        // SAFETY: the caller has made sure that the processor has it.
        unsafe { asm!("rdseed {}", "setc {}", out(reg) value, out(reg_byte) good, options(nomem, nostack)) };
        (good != 0).then_some(value)
    })
}

fn rdrand() -> Option<u64> {
    (0..TRIES).find_map(|_| {
        let (value, good): (u64, u8);
        // SAFETY: the caller has made sure that the processor has it.
        unsafe { asm!("rdrand {}", "setc {}", out(reg) value, out(reg_byte) good, options(nomem, nostack)) };
        (good != 0).then_some(value)
    })
}

/// The lowest bits of the time that nothing takes, mixed (splitmix64). Better than a constant.
fn jitter() -> u64 {
    let mut mixed = 0u64;
    for _ in 0..16 {
        mixed = mixed.rotate_left(7) ^ rdtsc();
        mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
    }
    mixed
}

/// Fills the buffer; false if the processor has no source and the bytes are only hard to guess.
pub fn fill(buffer: &mut [u8]) -> bool {
    let features = features::get();
    let mut good = true;
    for chunk in buffer.chunks_mut(size_of::<u64>()) {
        let seed = if features.rdseed { rdseed() } else { None };
        let value = seed.or_else(|| if features.rdrand { rdrand() } else { None });
        good &= value.is_some();
        let value = value.unwrap_or_else(jitter);
        chunk.copy_from_slice(&value.to_le_bytes()[..chunk.len()]);
    }
    good
}
