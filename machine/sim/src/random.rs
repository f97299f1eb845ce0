//! The seeded generator: xoshiro256**, seeded by splitmix64.

use core::cell::Cell;

/// A stream of numbers that its seed decides.
#[derive(Debug)]
pub(crate) struct Random {
    state: Cell<[u64; 4]>,
}

impl Random {
    /// The stream of a seed. Streams of different `stream` numbers are independent.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut counter = seed ^ stream.wrapping_mul(0xd6e8_feb8_6659_fd93);
        let state = core::array::from_fn(|_| {
            counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (counter ^ (counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Self { state: Cell::new(state) }
    }

    /// The next 64 bits.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        let mut s = self.state.get();
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        self.state.set(s);
        result
    }

    /// A number below `bound`, which is not 0.
    #[inline]
    pub(crate) fn below(&self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// True with a chance of `numerator` in 256.
    #[inline]
    pub(crate) fn chance(&self, numerator: u32) -> bool {
        (self.next() >> 56) < u64::from(numerator)
    }

    /// A number from `low` up to and including `high`, every order of magnitude being as likely as
    /// the next.
    pub(crate) fn magnitude(&self, low: u64, high: u64) -> u64 {
        debug_assert!(0 < low && low <= high);
        let steps = (high / low).ilog2() + 1;
        let base = low << self.below(u64::from(steps));
        (base + self.below(base)).min(high)
    }

    /// One of the bits set in `mask`, which is not 0, by its number.
    #[inline]
    pub(crate) fn bit_of(&self, mask: u32) -> usize {
        let mut rest = mask;
        for _ in 0..self.below(u64::from(mask.count_ones())) {
            rest &= rest - 1;
        }
        rest.trailing_zeros() as usize
    }

    /// Fills a buffer.
    pub(crate) fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}
