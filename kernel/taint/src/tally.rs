//! How often something has gone wrong, and how often it may.

use core::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};

/// Oopses: `oops_count`, `kernel.oops_limit`. So many lost references may add up to a counter that wraps.
pub static OOPSES: Tally = Tally::new(10_000);
/// Warnings: `warn_count`, `kernel.warn_limit`.
pub static WARNINGS: Tally = Tally::new(0);

/// A count and its limit.
#[derive(Debug)]
pub struct Tally {
    count: AtomicU64,
    limit: AtomicI64,
}

impl Tally {
    const fn new(limit: i64) -> Self {
        Self { count: AtomicU64::new(0), limit: AtomicI64::new(limit) }
    }

    /// How many there have been.
    pub fn count(&self) -> u64 {
        self.count.load(SeqCst)
    }

    /// The limit, from 0 on, for whoever shows or sets it; 0: there is none.
    pub fn limit(&self) -> &AtomicI64 {
        &self.limit
    }

    /// One more. Any context. Returns the limit, if that is reached.
    #[must_use]
    pub fn add(&self) -> Option<u64> {
        let count = self.count.fetch_add(1, SeqCst) + 1;
        let limit = self.limit.load(SeqCst).max(0).unsigned_abs();
        (limit != 0 && count >= limit).then_some(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_reached_and_not_only_passed() {
        let tally = Tally::new(2);
        assert_eq!((tally.add(), tally.add(), tally.add()), (None, Some(2), Some(2)));
        assert_eq!(tally.count(), 3);
        tally.limit().store(0, SeqCst);
        assert_eq!(tally.add(), None);
    }
}
