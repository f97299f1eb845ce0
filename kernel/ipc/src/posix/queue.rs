//! A queue: sending and receiving.

use alloc::sync::Arc;

use errno::{Errno, Result};
use process::User;
use sched::WaitQueue;
use sync::{LockClass, SpinLock};
use time::Moment;

use super::limits::Attributes;
use super::messages::{Message, Messages};
use super::notification::{Notify, Registration};
use super::waiters::{Line, Waiter};

/// The locks of hands are taken inside.
static QUEUE_LOCK: LockClass = LockClass::new("mqueue.queue");

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    No,
    /// Until a moment, if one is given.
    Until(Option<Moment>),
}

struct State {
    messages: Messages,
    senders: Line,
    receivers: Line,
    notification: Option<Registration>,
}

/// A message queue.
pub struct Queue {
    attributes: Attributes,
    /// For whom it counts.
    user: Arc<User>,
    state: SpinLock<State>,
    /// Woken when a message comes in or goes, but for those that go from hand to hand.
    pub(super) changed: Arc<WaitQueue>,
}

impl Queue {
    /// A queue that counts for a user, who may have queues of `limit` bytes.
    ///
    /// # Errors
    /// EMFILE: that is too much.
    pub fn new(attributes: Attributes, user: Arc<User>, limit: u64) -> Result<Self> {
        if !user.may_hold_messages(attributes.bytes(), limit) {
            return Err(Errno::EMFILE);
        }
        let state = State {
            messages: Messages::default(),
            senders: Line::default(),
            receivers: Line::default(),
            notification: None,
        };
        let state = SpinLock::new(&QUEUE_LOCK, state);
        Ok(Self { attributes, user, state, changed: Arc::new(WaitQueue::new()) })
    }

    /// How large it is.
    pub fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// How many messages are in it.
    pub fn count(&self) -> usize {
        self.state.lock().messages.count()
    }

    /// Sends a message. May sleep.
    ///
    /// # Errors
    /// EMSGSIZE. EAGAIN: it is full. ETIMEDOUT. ERESTARTSYS: a signal came.
    pub fn send(&self, message: Message, wait: Wait) -> Result<()> {
        if message.text.len() > self.attributes.size {
            return Err(Errno::EMSGSIZE);
        }
        let mut state = self.state.lock();
        if state.messages.count() < self.attributes.messages {
            if let Some(receiver) = state.receivers.next() {
                receiver.serve(Some(message));
                drop(state);
                receiver.wake();
                return Ok(());
            }
            state.messages.push(message);
            let told = if state.messages.count() == 1 { state.notification.take() } else { None };
            drop(state);
            if let Some(registration) = told {
                registration.tell();
            }
            self.changed.wake_all();
            return Ok(());
        }
        let Wait::Until(deadline) = wait else {
            drop(state);
            drop(message);
            return Err(Errno::EAGAIN);
        };
        let waiter = Waiter::new(Some(message));
        state.senders.join(&waiter);
        drop(state);
        let Err(error) = waiter.wait(deadline) else { return Ok(()) };
        let gave_up = self.state.lock().senders.leave(&waiter);
        if gave_up { Err(error) } else { Ok(()) }
    }

    /// Receives the oldest message of the highest priority, with room for `length` bytes. May sleep.
    ///
    /// # Errors
    /// EMSGSIZE: less room than the longest message needs. EAGAIN: there is none. ETIMEDOUT. ERESTARTSYS: a signal came.
    pub fn receive(&self, length: usize, wait: Wait) -> Result<Message> {
        if length < self.attributes.size {
            return Err(Errno::EMSGSIZE);
        }
        let mut state = self.state.lock();
        if let Some(message) = state.messages.pop() {
            let sender = state.senders.next();
            if let Some(theirs) = sender.as_ref().and_then(|sender| sender.serve(None)) {
                state.messages.push(theirs);
            }
            drop(state);
            match sender {
                Some(sender) => sender.wake(),
                None => self.changed.wake_all(),
            }
            return Ok(message);
        }
        let Wait::Until(deadline) = wait else { return Err(Errno::EAGAIN) };
        let waiter = Waiter::new(None);
        state.receivers.join(&waiter);
        drop(state);
        if let Err(error) = waiter.wait(deadline)
            && self.state.lock().receivers.leave(&waiter)
        {
            return Err(error);
        }
        // Whoever has served it has put a message into its hand.
        waiter.take().ok_or(Errno::EAGAIN)
    }

    /// Has the calling process told, once, of the first message that comes into the empty queue.
    ///
    /// # Errors
    /// EBUSY: a process is to be told already.
    pub fn notify(&self, how: Notify) -> Result<()> {
        let new = Registration::of_current(how);
        let mut state = self.state.lock();
        if state.notification.is_some() {
            return Err(Errno::EBUSY);
        }
        state.notification = Some(new);
        Ok(())
    }

    /// Tells the calling process no more, if it is the one to be told.
    pub fn forget_current(&self) {
        let mut state = self.state.lock();
        let registration = state.notification.take_if(|registration| registration.is_of_current());
        drop(state);
        drop(registration);
    }

    /// Bytes of all messages, who is to be told and how: the file's text.
    pub(super) fn describe(&self) -> (usize, Option<Registration>) {
        let state = self.state.lock();
        (state.messages.bytes(), state.notification.clone())
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.user.messages_gone(self.attributes.bytes());
    }
}
