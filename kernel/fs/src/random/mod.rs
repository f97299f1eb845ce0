//! Random numbers: what `/dev/urandom`, `getrandom` and address-space randomisation use.
//!
//! There is one secret key. Whoever wants random bytes takes, under the lock, one ChaCha20 block:
//! its first half becomes the new key and its second the caller's own, from which the caller then
//! makes as many bytes as it wants without the lock. So nobody can tell from what is in memory now
//! what was given out before, and callers wait for each other for one block only.
//!
//! The first key comes from the machine's source and the clock; [`mix`] adds to it, at any time and
//! from anybody: what is mixed in may be known to an attacker and still does no harm.

mod chacha;

use core::sync::atomic::{AtomicBool, Ordering};

use sync::{LockClass, SpinLock};

use crate::io::Sink;
use chacha::{ChaCha, Key};
use errno::Result;

/// A leaf lock, taken from any context.
static KEY_LOCK: LockClass = LockClass::new("random");

static KEY: SpinLock<Key> = SpinLock::new(&KEY_LOCK, [0; 8]);

/// Whether the key has been made from the machine's entropy yet.
static STARTED: AtomicBool = AtomicBool::new(false);
/// Whether the machine has a source worth the name.
static GOOD: AtomicBool = AtomicBool::new(false);

/// Half a block is one key.
const fn halves(block: [u32; 16]) -> (Key, Key) {
    let (mut first, mut second) = ([0; 8], [0; 8]);
    let mut at = 0;
    while at < 8 {
        first[at] = block[at];
        second[at] = block[at + 8];
        at += 1;
    }
    (first, second)
}

/// Makes the first key. At the first use, if not before.
fn start() {
    if STARTED.load(Ordering::Acquire) {
        return;
    }
    let mut seed = [0; 32];
    let good = machine::entropy::fill(&mut seed);
    GOOD.store(good, Ordering::Relaxed);
    mix(&seed);
    mix(&machine::time::now().to_ne_bytes());
    mix(&machine::time::boot_date().to_ne_bytes());
    // Two CPUs may both do this: each only adds to the key.
    STARTED.store(true, Ordering::Release);
}

/// Adds bytes to what the key is made from. Any context.
pub fn mix(bytes: &[u8]) {
    let mut key = KEY.lock_irq();
    for chunk in bytes.chunks(32) {
        for (word, part) in key.iter_mut().zip(chunk.chunks(4)) {
            let mut four = [0; 4];
            four[..part.len()].copy_from_slice(part);
            *word ^= u32::from_le_bytes(four);
        }
        *key = halves(ChaCha::new(&key).block()).0;
    }
}

/// Whether the machine could give real entropy; `getrandom` does not wait for it in any case.
pub fn is_seeded() -> bool {
    start();
    GOOD.load(Ordering::Relaxed)
}

/// A generator with a key of its own.
fn generator() -> ChaCha {
    start();
    let mut key = KEY.lock_irq();
    let (next, own) = halves(ChaCha::new(&key).block());
    *key = next;
    drop(key);
    ChaCha::new(&own)
}

/// Fills a buffer with random bytes. Any context.
pub fn fill(buffer: &mut [u8]) {
    generator().fill(buffer);
}

/// A random number. Any context.
pub fn number() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// Fills a sink with random bytes, until it is full or a signal comes; returns how many. May sleep.
///
/// # Errors
/// EFAULT, if there were none.
pub fn fill_sink(to: &mut dyn Sink) -> Result<usize> {
    /// How much is made between two copies.
    const PIECE: usize = 1024;
    let mut generator = generator();
    let mut buffer = [0; PIECE];
    crate::io::in_pieces(|done| {
        let interrupted =
            done > 0 && done.is_multiple_of(memory::PAGE_SIZE) && crate::io::should_stop();
        let piece = PIECE.min(to.remaining());
        (piece > 0 && !interrupted).then(|| {
            generator.fill(&mut buffer[..piece]);
            (piece, to.put(&buffer[..piece]))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_come_twice() {
        let _alone = crate::testing::alone();
        let (mut first, mut second) = ([0; 100], [0; 100]);
        fill(&mut first);
        fill(&mut second);
        assert_ne!(first, second);
        assert_ne!(first[..50], first[50..]);
        assert_ne!(number(), number());
    }

    #[test]
    fn what_is_mixed_in_counts() {
        let _alone = crate::testing::alone();
        is_seeded();
        let key = *KEY.lock_irq();
        mix(b"a");
        let with_a = *KEY.lock_irq();
        *KEY.lock_irq() = key;
        mix(b"b");
        assert_ne!(with_a, *KEY.lock_irq());
    }
}
