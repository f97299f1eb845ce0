//! Masks as files show them.

use core::fmt;

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

#[cfg(test)]
mod tests {
    use super::BitMask;

    #[test]
    fn digits_are_grouped_by_words() {
        let shown = |bits, width| BitMask { bits, width }.to_string();
        assert_eq!(shown(0b1011, 4), "b");
        assert_eq!(shown(3, 32), "00000003");
        assert_eq!(shown(1 << 35 | 1, 40), "08,00000001");
        assert_eq!(shown(1, 1), "1");
    }
}
