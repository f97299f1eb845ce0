//! How much a socket may have on the way.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use ::socket::{BUFFER_DEFAULT, MESSAGE_OVERHEAD};
use sched::WaitQueue;

/// What a socket has sent and nobody has read yet. It outlives the socket for as long as there is such a message.
pub(crate) struct Account {
    used: AtomicUsize,
    limit: AtomicUsize,
    /// Woken when most of it has been read: by poll's measure there is room again.
    pub(crate) writable: Arc<WaitQueue>,
}

impl Account {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            limit: AtomicUsize::new(BUFFER_DEFAULT),
            writable: Arc::new(WaitQueue::new()),
        })
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
        self.writable.wake_all();
    }

    /// Bytes on the way, with what each message costs.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether one more message may be sent. The last one may go over the limit, so that none is too large.
    pub(crate) fn has_room(&self) -> bool {
        self.used.load(Ordering::SeqCst) < self.limit()
    }

    /// Whether `poll` should say that there is room.
    pub(crate) fn is_writable(&self) -> bool {
        self.used.load(Ordering::SeqCst) * 4 <= self.limit()
    }

    /// Charges a message of so many bytes.
    pub(crate) fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        let amount = bytes + MESSAGE_OVERHEAD;
        self.used.fetch_add(amount, Ordering::SeqCst);
        Charge { account: self.clone(), amount }
    }
}

/// A message's part of its sender's account, given back when it is dropped.
pub(crate) struct Charge {
    account: Arc<Account>,
    amount: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        let before = self.account.used.fetch_sub(self.amount, Ordering::SeqCst);
        let limit = self.account.limit();
        let after = before - self.amount;
        // Those who wait saw the account full. Of all the readers who empty it, one takes it below the mark.
        if before * 4 > limit && after * 4 <= limit {
            self.account.writable.wake_all();
        }
    }
}
