//! What is counted per user: processes, queued signals, and bytes of POSIX message queues.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU64, Ordering};

use sync::{LockClass, SpinLock};

/// A leaf.
static USERS_LOCK: LockClass = LockClass::new("users");

static USERS: SpinLock<BTreeMap<u32, Weak<User>>> = SpinLock::new(&USERS_LOCK, BTreeMap::new());

/// A real user, for as long as something is counted for it.
pub struct User {
    uid: u32,
    tasks: AtomicU64,
    signals: AtomicU64,
    message_bytes: AtomicU64,
}

impl User {
    /// The one object for a user.
    pub(crate) fn find(uid: u32) -> Arc<Self> {
        let mut users = USERS.lock_irq();
        if let Some(user) = users.get(&uid).and_then(Weak::upgrade) {
            return user;
        }
        let user = Arc::new(Self::new(uid));
        users.insert(uid, Arc::downgrade(&user));
        user
    }

    fn new(uid: u32) -> Self {
        Self {
            uid,
            tasks: AtomicU64::new(0),
            signals: AtomicU64::new(0),
            message_bytes: AtomicU64::new(0),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_test() -> Arc<Self> {
        Arc::new(Self::new(1000))
    }

    /// The user's number.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// How many tasks it has.
    pub fn tasks(&self) -> u64 {
        self.tasks.load(Ordering::Relaxed)
    }

    /// How many signals from it are queued.
    pub fn signals(&self) -> u64 {
        self.signals.load(Ordering::Relaxed)
    }

    pub(crate) fn task_made(&self) {
        self.tasks.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn task_gone(&self) {
        self.tasks.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts one more queued signal if there are fewer than `limit`.
    pub(crate) fn may_queue_signal(&self, limit: u64) -> bool {
        self.signals
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < limit).then_some(count + 1)
            })
            .is_ok()
    }

    /// How many bytes its message queues may hold.
    pub fn message_bytes(&self) -> u64 {
        self.message_bytes.load(Ordering::Relaxed)
    }

    /// Counts a message queue of so many bytes if all together are no more than `limit`.
    pub fn may_hold_messages(&self, bytes: u64, limit: u64) -> bool {
        let add = |count: u64| count.checked_add(bytes).filter(|&sum| sum <= limit);
        self.message_bytes.try_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    /// A message queue of so many bytes has gone.
    pub fn messages_gone(&self, bytes: u64) {
        self.message_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn signal_taken(&self) {
        self.signals.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut users = USERS.lock_irq();
        // Another may have been made for the same number since the last reference went.
        if users.get(&self.uid).is_some_and(|user| user.strong_count() == 0) {
            users.remove(&self.uid);
        }
    }
}
