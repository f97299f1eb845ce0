//! The ChaCha20 block function of RFC 8439.

/// Bytes in a block.
pub(super) const BLOCK: usize = 64;
/// A key, as eight words.
pub(super) type Key = [u32; 8];

/// "expand 32-byte k", as words.
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// A key and where in its stream we are.
pub(super) struct ChaCha {
    /// The state before a block: constants, key, counter, nonce.
    state: [u32; 16],
}

impl ChaCha {
    /// At the start of a key's stream.
    pub(super) fn new(key: &Key) -> Self {
        let mut state = [0; 16];
        state[..4].copy_from_slice(&CONSTANTS);
        state[4..12].copy_from_slice(key);
        Self { state }
    }

    /// The next block of the stream.
    pub(super) fn block(&mut self) -> [u32; 16] {
        let mut x = self.state;
        for _ in 0..10 {
            quarter(&mut x, 0, 4, 8, 12);
            quarter(&mut x, 1, 5, 9, 13);
            quarter(&mut x, 2, 6, 10, 14);
            quarter(&mut x, 3, 7, 11, 15);
            quarter(&mut x, 0, 5, 10, 15);
            quarter(&mut x, 1, 6, 11, 12);
            quarter(&mut x, 2, 7, 8, 13);
            quarter(&mut x, 3, 4, 9, 14);
        }
        for (word, start) in x.iter_mut().zip(&self.state) {
            *word = word.wrapping_add(*start);
        }
        // The counter, and its carry into the next word, so that no stream is too short.
        let counter = (u64::from(self.state[13]) << 32 | u64::from(self.state[12])).wrapping_add(1);
        self.state[12] = counter as u32;
        self.state[13] = (counter >> 32) as u32;
        x
    }

    /// Fills a buffer from the stream.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(BLOCK) {
            let block = self.block();
            for (bytes, word) in chunk.chunks_mut(4).zip(block) {
                bytes.copy_from_slice(&word.to_le_bytes()[..bytes.len()]);
            }
        }
    }
}

impl Drop for ChaCha {
    fn drop(&mut self) {
        // The key must not be found on the stack later. The write may not be left out, as its
        // result is looked at.
        self.state = core::hint::black_box([0; 16]);
    }
}

#[inline(always)]
fn quarter(x: &mut [u32; 16], a: usize, b: usize, c: usize, d: usize) {
    x[a] = x[a].wrapping_add(x[b]);
    x[d] = (x[d] ^ x[a]).rotate_left(16);
    x[c] = x[c].wrapping_add(x[d]);
    x[b] = (x[b] ^ x[c]).rotate_left(12);
    x[a] = x[a].wrapping_add(x[b]);
    x[d] = (x[d] ^ x[a]).rotate_left(8);
    x[c] = x[c].wrapping_add(x[d]);
    x[b] = (x[b] ^ x[c]).rotate_left(7);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_of_the_rfc() {
        // RFC 8439, section 2.3.2.
        let key: Vec<u32> = (0..8u32)
            .map(|word| {
                u32::from_le_bytes(core::array::from_fn(|byte| (4 * word) as u8 + byte as u8))
            })
            .collect();
        let mut chacha = ChaCha::new(&key.try_into().unwrap());
        chacha.state[12..].copy_from_slice(&[1, 0x0900_0000, 0x4a00_0000, 0]);
        let block = chacha.block();
        assert_eq!(block[..4], [0xe4e7_f110, 0x1559_3bd1, 0x1fdd_0f50, 0xc471_20a3]);
        assert_eq!(block[12..], [0xd19c_12b5, 0xb94e_16de, 0xe883_d0cb, 0x4e3c_50a2]);
    }
}
