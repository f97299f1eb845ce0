//! How large a queue may be: `/proc/sys/fs/mqueue`, the hard limits, and `RLIMIT_MSGQUEUE`.

use core::sync::atomic::{AtomicI64, Ordering};

use errno::{Errno, Result};
use fs::{Capabilities, Credentials};

/// Priorities are below this (`MQ_PRIO_MAX`).
pub const PRIORITY_MAX: u32 = 32768;
/// The most messages that a queue of the privileged may have.
pub const MESSAGES_LIMIT: i64 = 65536;
/// The most bytes that a message of the privileged may have.
pub const SIZE_LIMIT: i64 = 16 << 20;
/// What the limit of a message's bytes is at least.
pub const SIZE_MIN: i64 = 128;

/// The most queues (`queues_max`).
pub static QUEUES_MAX: AtomicI64 = AtomicI64::new(256);
/// The most messages of a queue (`msg_max`).
pub static MESSAGES_MAX: AtomicI64 = AtomicI64::new(10);
/// The most bytes of a message (`msgsize_max`).
pub static SIZE_MAX: AtomicI64 = AtomicI64::new(8192);
/// Messages of a queue whose maker does not say (`msg_default`).
pub static MESSAGES_DEFAULT: AtomicI64 = AtomicI64::new(10);
/// Bytes of a message where the maker does not say (`msgsize_default`).
pub static SIZE_DEFAULT: AtomicI64 = AtomicI64::new(8192);

/// What Linux keeps for each message besides its text, and for each priority in use: part of what is counted.
const PER_MESSAGE: u64 = 48;
const PER_PRIORITY: u64 = 48;

/// How large a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The most messages (`mq_maxmsg`).
    pub messages: usize,
    /// The most bytes of one (`mq_msgsize`).
    pub size: usize,
}

impl Attributes {
    /// Those of a queue whose maker does not say.
    pub(super) fn of_default() -> Self {
        let smaller = |one: &AtomicI64, other: &AtomicI64| {
            one.load(Ordering::Relaxed).min(other.load(Ordering::Relaxed)) as usize
        };
        Self {
            messages: smaller(&MESSAGES_DEFAULT, &MESSAGES_MAX),
            size: smaller(&SIZE_DEFAULT, &SIZE_MAX),
        }
    }

    /// Those that a maker wants, if they may.
    ///
    /// # Errors
    /// EINVAL: not positive, or too large.
    pub fn wanted(messages: i64, size: i64, who: &Credentials) -> Result<Self> {
        let (most, largest) = if who.capable(Capabilities::SYS_RESOURCE) {
            (MESSAGES_LIMIT, SIZE_LIMIT)
        } else {
            (MESSAGES_MAX.load(Ordering::Relaxed), SIZE_MAX.load(Ordering::Relaxed))
        };
        if !(1..=most).contains(&messages) || !(1..=largest).contains(&size) {
            return Err(Errno::EINVAL);
        }
        Ok(Self { messages: messages as usize, size: size as usize })
    }

    /// What a queue counts for its user.
    pub(super) fn bytes(&self) -> u64 {
        let messages = self.messages as u64;
        let priorities = messages.min(PRIORITY_MAX.into());
        // Within the hard limits far below the highest number.
        messages * (self.size as u64 + PER_MESSAGE) + priorities * PER_PRIORITY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_queue_counts_as_much_as_on_linux() {
        let attributes = Attributes { messages: 10, size: 8192 };
        assert_eq!(attributes.bytes(), 82_880);
        let largest =
            Attributes { messages: MESSAGES_LIMIT as usize, size: SIZE_LIMIT as usize }.bytes();
        assert_eq!(largest, 65536 * ((16 << 20) + 48) + 32768 * 48);
    }
}
