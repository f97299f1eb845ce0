//! Message queues of System V: messages with types, taken in the order of sending or by type.
//!
//! ```text
//!   get(key) ──> Queue ──> send: waits for room         receive: waits for a message that is wanted
//!                  └── remove ──> who waits gets EIDRM, the messages are gone
//! ```

mod queue;
mod selection;
mod transfer;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicI64, Ordering};

use errno::{Errno, Result};
use fs::Credentials;
use sync::LockClass;

use crate::permissions::{Create, Permissions};
use crate::registry::Registry;

pub use queue::{Message, Queue, Status};
pub use selection::Selection;

/// A leaf.
static QUEUES_LOCK: LockClass = LockClass::new("ipc.queues");

/// The longest message in bytes (`msgmax`).
pub static MESSAGE_MAX: AtomicI64 = AtomicI64::new(8192);
/// The most bytes in a queue, where its owner has not set it otherwise (`msgmnb`).
pub static BYTES_MAX: AtomicI64 = AtomicI64::new(16384);
/// The most queues (`msgmni`).
pub static QUEUES_MAX: AtomicI64 = AtomicI64::new(32000);

static QUEUES: Registry<Queue> = Registry::new(&QUEUES_LOCK);

/// The queue with a key, which may be made for it.
///
/// # Errors
/// ENOENT, EEXIST, EACCES, ENOSPC.
pub fn get(key: i32, create: Create, who: &Credentials) -> Result<Arc<Queue>> {
    let most = usize::try_from(QUEUES_MAX.load(Ordering::Relaxed)).unwrap_or(0);
    let fits = |found: &Queue| found.status().permissions.check(who, create.wanted());
    let prepare = || {
        let bytes = BYTES_MAX.load(Ordering::Relaxed) as u64;
        let permissions = Permissions::of_new(who, create.mode);
        Ok(move |number| Queue::new(number, key, bytes, permissions))
    };
    QUEUES.get(key, create, most, fits, prepare)
}

/// The queue with a number.
///
/// # Errors
/// EINVAL.
pub fn find(number: i32) -> Result<Arc<Queue>> {
    QUEUES.find(number)
}

/// The queue in a place, as `MSG_STAT` goes through them.
///
/// # Errors
/// EINVAL.
pub fn at(place: i32) -> Result<Arc<Queue>> {
    QUEUES.at(place)
}

/// The highest place that is taken.
pub fn highest_place() -> usize {
    QUEUES.highest_place()
}

/// All queues.
pub fn all() -> impl Iterator<Item = Arc<Queue>> {
    QUEUES.iter()
}

/// What all queues hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Queues.
    pub queues: usize,
    /// Messages in them.
    pub messages: u64,
    /// Bytes of these.
    pub bytes: u64,
}

/// What all queues hold.
pub fn usage() -> Usage {
    all().fold(Usage::default(), |sum, queue| {
        let status = queue.status();
        Usage {
            queues: sum.queues + 1,
            messages: sum.messages + status.messages,
            bytes: sum.bytes + status.bytes,
        }
    })
}

/// Removes a queue. Who waits at it learns of that.
///
/// # Errors
/// EINVAL, EPERM.
pub fn remove(number: i32, who: &Credentials) -> Result<()> {
    let queue = find(number)?;
    queue.status().permissions.check_owner(who)?;
    // Of two who remove it at once the second finds none.
    QUEUES.remove(number).ok_or(Errno::EIDRM)?;
    queue.remove();
    Ok(())
}
