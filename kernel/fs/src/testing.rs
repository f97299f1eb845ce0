//! What the unit tests share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Has the tests that use locks or pages run one at a time: each host thread is a machine with one
/// CPU, and the lock checker's tables are by CPU.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
