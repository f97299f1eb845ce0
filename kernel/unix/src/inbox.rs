//! What a socket has received and not read.

use alloc::collections::VecDeque;
use core::sync::atomic::{AtomicUsize, Ordering};

use errno::{Errno, Result};
use sync::{LockClass, SpinLock};

use crate::message::Message;

/// A leaf: messages are made before and dropped after.
static INBOX_LOCK: LockClass = LockClass::new("unix.inbox");

struct Queue {
    messages: VecDeque<Message>,
    /// Nothing more comes in.
    closed: bool,
}

/// Messages in the order in which they came.
///
/// A reader (one at a time, see `receive`) takes the first one out to copy it without the lock, and puts it back if
/// some of it is left. The counters still count it meanwhile: who polls sees no gap.
pub(crate) struct Inbox {
    queue: SpinLock<Queue>,
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        let queue = Queue { messages: VecDeque::new(), closed: false };
        Self {
            queue: SpinLock::new(&INBOX_LOCK, queue),
            messages: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn messages(&self) -> usize {
        self.messages.load(Ordering::SeqCst)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes in the first message.
    pub(crate) fn first_length(&self) -> usize {
        self.queue.lock().messages.front().map_or(0, |message| message.rest().len())
    }

    /// Appends a message.
    ///
    /// # Errors
    /// The message comes back with EPIPE: closed. ENOMEM.
    pub(crate) fn push(&self, message: Message) -> Result<(), (Errno, Message)> {
        let bytes = message.rest().len();
        let mut queue = self.queue.lock();
        if queue.closed {
            drop(queue);
            return Err((Errno::EPIPE, message));
        }
        if queue.messages.try_reserve(1).is_err() {
            drop(queue);
            return Err((Errno::ENOMEM, message));
        }
        queue.messages.push_back(message);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        // SeqCst, before the reader is woken: the half of the writer in the wait queue's bargain.
        self.messages.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Takes the first message out, if `wanted` likes it. It is still counted, until [`consumed`](Self::consumed) says so.
    pub(crate) fn take_first(&self, wanted: impl FnOnce(&Message) -> bool) -> Option<Message> {
        let mut queue = self.queue.lock();
        queue.messages.front().is_some_and(wanted).then(|| queue.messages.pop_front()).flatten()
    }

    /// Puts back what was taken.
    pub(crate) fn put_back(&self, message: Message) {
        let mut queue = self.queue.lock();
        let refused = if queue.closed {
            // Emptied meanwhile: this one goes the same way.
            Some(message)
        } else {
            queue.messages.push_front(message);
            None
        };
        drop(queue);
        if let Some(message) = refused {
            self.consumed(message.rest().len(), true);
        }
    }

    /// A reader has had so many bytes, and a message to its end.
    pub(crate) fn consumed(&self, bytes: usize, whole: bool) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if whole {
            self.messages.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Refuses all further messages. What is there can still be read.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
    }

    /// Takes everything out, for whoever drops it.
    pub(crate) fn empty(&self) -> VecDeque<Message> {
        let messages = core::mem::take(&mut self.queue.lock().messages);
        for message in &messages {
            self.consumed(message.rest().len(), true);
        }
        messages
    }

    /// Calls a function for each message, with the lock held.
    pub(crate) fn for_each(&self, mut function: impl FnMut(&Message)) {
        self.queue.lock().messages.iter().for_each(&mut function);
    }
}
