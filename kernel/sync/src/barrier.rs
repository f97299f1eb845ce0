//! Order between accesses that are not sequentially consistent themselves.

use core::sync::atomic::{Ordering::SeqCst, compiler_fence, fence};

/// Puts an exchange (any access that reads and writes in one step) before all that follows, whatever order that has.
///
/// A sequentially consistent exchange comes before later accesses of that order, and nothing that follows goes before its reading half. But a
/// plain or acquiring load may still go before its *writing* half: so on arm64 and RISC-V. Whoever says something by an exchange and
/// then looks at what others have written without such order needs this in between; the others have a fence between
/// their writing and their look. On x86-64 an exchange does it all.
#[inline(always)]
pub fn fence_after_exchange() {
    if cfg!(target_arch = "x86_64") { compiler_fence(SeqCst) } else { fence(SeqCst) }
}
