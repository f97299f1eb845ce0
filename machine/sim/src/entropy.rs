//! Random bytes that the seed decides.

use crate::machine::here;

/// Fills the buffer. Always "good": a kernel that asks gets what its seed says.
pub fn fill(buffer: &mut [u8]) -> bool {
    here().entropy.fill(buffer);
    true
}
