//! The fence behind an exchange, as it is on processors that need one.

use core::sync::atomic::{Ordering::SeqCst, fence};

/// Puts an exchange before all that follows.
pub fn fence_after_exchange() {
    fence(SeqCst);
}
