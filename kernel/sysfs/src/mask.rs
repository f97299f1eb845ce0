//! Masks as files show them.

use core::fmt;

use errno::{Errno, Result};
use machine::MAX_CPUS;
use sched::CpuMask;

/// A set as hexadecimal digits, in groups of 32 bits with commas between them, as wide as `width`
/// bits need.
#[derive(Clone, Copy, Debug)]
pub struct BitMask {
    /// A bit for each member.
    pub bits: u64,
    /// How many members there could be.
    pub width: usize,
}

impl fmt::Display for BitMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.width.div_ceil(4).max(1);
        for place in (0..digits).rev() {
            let shift = 4 * place;
            let digit = if shift < 64 { self.bits >> shift & 0xf } else { 0 };
            write!(f, "{digit:x}")?;
            if place > 0 && place % 8 == 0 {
                f.write_str(",")?;
            }
        }
        Ok(())
    }
}

/// Reads a set of CPUs as user space writes one: hexadecimal digits, in groups of at most 32 bits with commas between them.
///
/// # Errors
/// EINVAL: something else. EOVERFLOW: a CPU that there cannot be.
pub(crate) fn parse_mask(bytes: &[u8]) -> Result<CpuMask> {
    let text = core::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?.trim();
    let mut bits: u64 = 0;
    // No digits at all are no CPU.
    let is_right = |group: &str| {
        (1..=GROUP).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    for group in text.split(',').filter(|_| !text.is_empty()) {
        if !is_right(group) {
            return Err(Errno::EINVAL);
        }
        let value = u64::from_str_radix(group, 16).map_err(|_| Errno::EINVAL)?;
        if bits >> 32 != 0 {
            return Err(Errno::EOVERFLOW);
        }
        bits = bits << 32 | value;
    }
    if bits >> MAX_CPUS != 0 { Err(Errno::EOVERFLOW) } else { Ok(CpuMask::from_bits(bits)) }
}

/// Digits in a group.
const GROUP: usize = 8;

#[cfg(test)]
mod tests {
    use super::{BitMask, parse_mask};
    use errno::Errno;
    use sched::CpuMask;

    #[test]
    fn masks_are_read_as_they_are_shown() {
        let bits = |text: &str| parse_mask(text.as_bytes()).map(CpuMask::bits);
        assert_eq!(bits("3\n"), Ok(3));
        assert_eq!(bits("00000000,0000000f"), Ok(15));
        assert_eq!(bits("\n"), Ok(0));
        assert_eq!(bits("80000000"), Ok(1 << 31));
        assert_eq!(bits("1,00000000"), Err(Errno::EOVERFLOW));
        for bad in ["x", "0x1", "0-1", "1,", ",1", "000000001"] {
            assert_eq!(bits(bad), Err(Errno::EINVAL), "{bad}");
        }
    }

    #[test]
    fn digits_are_grouped_by_words() {
        let shown = |bits, width| BitMask { bits, width }.to_string();
        assert_eq!(shown(0b1011, 4), "b");
        assert_eq!(shown(3, 32), "00000003");
        assert_eq!(shown(1 << 35 | 1, 40), "08,00000001");
        assert_eq!(shown(1, 1), "1");
    }
}
