//! What a socket has received and not read.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use ::socket::MESSAGE_OVERHEAD;
use errno::{Errno, Result};
use sync::{LockClass, SpinLock};

/// A leaf.
static INBOX_LOCK: LockClass = LockClass::new("netlink.inbox");

/// A message of the kernel's.
#[derive(Clone)]
pub(crate) struct Message {
    /// Shared by all who receive it.
    pub(crate) bytes: Arc<[u8]>,
    /// The groups to which it went.
    pub(crate) groups: u32,
}

impl Message {
    fn cost(&self) -> usize {
        self.bytes.len() + MESSAGE_OVERHEAD
    }
}

/// Whether messages come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intake {
    /// They do.
    Open,
    /// One was lost: no other comes in before those that are there have been read.
    Overrun,
}

struct Queue {
    messages: VecDeque<Message>,
    used: usize,
    intake: Intake,
    /// To be told by the next call.
    error: Option<Errno>,
}

impl Queue {
    fn lose(&mut self) {
        if self.intake == Intake::Open {
            self.intake = Intake::Overrun;
            self.error = Some(Errno::ENOBUFS);
        }
    }
}

/// Messages in the order in which they came.
pub(crate) struct Inbox {
    queue: SpinLock<Queue>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        let queue = Queue { messages: VecDeque::new(), used: 0, intake: Intake::Open, error: None };
        Self { queue: SpinLock::new(&INBOX_LOCK, queue) }
    }

    /// Appends a message, or loses it and notes that. The last one may go over the limit in bytes.
    pub(crate) fn push(&self, message: Message, limit: usize) {
        let mut queue = self.queue.lock();
        let fits = queue.intake == Intake::Open && queue.used <= limit;
        if fits && queue.messages.try_reserve(1).is_ok() {
            queue.used += message.cost();
            queue.messages.push_back(message);
        } else {
            queue.lose();
        }
    }

    /// Notes that a message is lost.
    pub(crate) fn lose(&self) {
        self.queue.lock().lose();
    }

    /// The first message, which stays if it is only looked at. None: there is none.
    ///
    /// # Errors
    /// ENOBUFS: some were lost, which is told once.
    pub(crate) fn take(&self, peek: bool) -> Option<Result<Message>> {
        let mut queue = self.queue.lock();
        if let Some(error) = queue.error.take() {
            return Some(Err(error));
        }
        if peek {
            return queue.messages.front().cloned().map(Ok);
        }
        let message = queue.messages.pop_front()?;
        queue.used -= message.cost();
        if queue.messages.is_empty() {
            queue.intake = Intake::Open;
        }
        Some(Ok(message))
    }

    /// The error that the next call would tell.
    pub(crate) fn take_error(&self) -> Option<Errno> {
        self.queue.lock().error.take()
    }

    /// Whether there is a message, and whether there is an error.
    pub(crate) fn state(&self) -> (bool, bool) {
        let queue = self.queue.lock();
        (!queue.messages.is_empty(), queue.error.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(byte: u8) -> Message {
        Message { bytes: Arc::from([byte; 100]), groups: 0 }
    }

    fn taken(inbox: &Inbox, peek: bool) -> Option<Result<u8>> {
        inbox.take(peek).map(|taken| taken.map(|message| message.bytes[0]))
    }

    #[test]
    fn an_overrun_is_told_once_and_ends_when_all_is_read() {
        let inbox = Inbox::new();
        let limit = 2 * (100 + MESSAGE_OVERHEAD) - 1;
        for byte in 1..=4 {
            inbox.push(message(byte), limit);
        }
        assert_eq!(inbox.state(), (true, true));
        assert_eq!(taken(&inbox, false), Some(Err(Errno::ENOBUFS)));
        assert_eq!(taken(&inbox, true), Some(Ok(1)));
        assert_eq!(taken(&inbox, false), Some(Ok(1)));
        // There would be room, but what came before is lost.
        inbox.push(message(5), limit);
        assert_eq!(taken(&inbox, false), Some(Ok(2)));
        assert_eq!(taken(&inbox, false), None);
        inbox.push(message(6), limit);
        assert_eq!(taken(&inbox, false), Some(Ok(6)));
        assert_eq!(inbox.state(), (false, false));
    }
}
