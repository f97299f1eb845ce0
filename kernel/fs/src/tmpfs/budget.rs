//! How much an instance may use.

use core::sync::atomic::{AtomicU64, Ordering};

use errno::{Errno, Result};

/// A count with a limit.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicU64,
    /// `u64::MAX`: none.
    limit: AtomicU64,
}

impl Budget {
    pub(crate) const UNLIMITED: u64 = u64::MAX;

    pub(crate) const fn new(limit: u64) -> Self {
        Self { used: AtomicU64::new(0), limit: AtomicU64::new(limit) }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Changes the limit.
    ///
    /// # Errors
    /// EINVAL: more is used already.
    pub(crate) fn set_limit(&self, limit: u64) -> Result<()> {
        if self.used() > limit {
            return Err(Errno::EINVAL);
        }
        self.limit.store(limit, Ordering::Relaxed);
        Ok(())
    }

    /// What is left.
    pub(crate) fn available(&self) -> u64 {
        self.limit().saturating_sub(self.used())
    }

    /// Takes some.
    ///
    /// # Errors
    /// ENOSPC.
    pub(crate) fn charge(&self, count: u64) -> Result<()> {
        // Only a count: nothing else is ordered by it.
        let charged = self.used.try_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(count).filter(|&sum| sum <= self.limit())
        });
        charged.map(drop).map_err(|_| Errno::ENOSPC)
    }

    /// Gives some back.
    pub(crate) fn release(&self, count: u64) {
        self.used.fetch_sub(count, Ordering::Relaxed);
    }
}
