//! Random bytes that the seed decides.

use crate::machine::here;

/// Fills the buffer. Always "good": a kernel that asks gets what its seed says.
pub fn fill(buffer: &mut [u8]) -> bool {
    let machine = here();
    match machine.aside.get() {
        // What looks at a run takes nothing from what the run will get.
        true => buffer.fill(0x5a),
        false => machine.entropy.fill(buffer),
    }
    true
}
