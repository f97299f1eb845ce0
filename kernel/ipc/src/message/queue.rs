//! A queue and what is in it.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use errno::{Errno, Result};
use fs::{Capabilities, Credentials};
use process::Pid;
use sched::WaitQueue;
use sync::{LockClass, SpinLock};

use crate::permissions::{NewOwner, Permissions};

/// Conditions of waiters take it; a leaf.
static QUEUE_LOCK: LockClass = LockClass::new("ipc.queue");

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type, at least 1.
    pub kind: i64,
    /// What it says.
    pub text: Vec<u8>,
}

impl Message {
    /// Another one that says the same.
    pub(super) fn copy(&self) -> Result<Self> {
        let mut text = Vec::new();
        text.try_reserve_exact(self.text.len()).map_err(|_| Errno::ENOMEM)?;
        text.extend_from_slice(&self.text);
        Ok(Self { kind: self.kind, text })
    }
}

/// What is known of a queue. Times are in nanoseconds since 1970; 0: never.
#[derive(Clone)]
pub struct Status {
    /// Whose it is.
    pub permissions: Permissions,
    /// Messages in it.
    pub messages: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// The most bytes that there may be.
    pub bytes_max: u64,
    /// When something was sent last, and by whom.
    pub sent: (u64, Option<Arc<Pid>>),
    /// When something was received last, and by whom.
    pub received: (u64, Option<Arc<Pid>>),
    /// When it was last changed otherwise.
    pub changed: u64,
}

pub(super) struct State {
    pub(super) status: Status,
    pub(super) messages: VecDeque<Message>,
    pub(super) removed: bool,
}

impl State {
    /// Puts a message behind the others.
    ///
    /// # Errors
    /// ENOMEM: the message is given back.
    pub(super) fn push(&mut self, message: Message) -> Result<(), Message> {
        if self.messages.try_reserve(1).is_err() {
            return Err(message);
        }
        self.status.messages += 1;
        self.status.bytes += message.text.len() as u64;
        self.messages.push_back(message);
        Ok(())
    }

    pub(super) fn take(&mut self, index: usize) -> Option<Message> {
        let message = self.messages.remove(index)?;
        self.status.messages -= 1;
        self.status.bytes -= message.text.len() as u64;
        Some(message)
    }

    /// Whether a message of this length may be added. Empty ones count, too: each as a byte.
    pub(super) fn has_room(&self, length: usize) -> bool {
        let Status { messages, bytes, bytes_max, .. } = self.status;
        bytes.saturating_add(length as u64) <= bytes_max && messages < bytes_max
    }
}

/// A message queue.
pub struct Queue {
    number: i32,
    key: i32,
    pub(super) state: SpinLock<State>,
    /// Woken by what was sent.
    pub(super) arrivals: WaitQueue,
    /// Woken by what was received.
    pub(super) room: WaitQueue,
}

impl Queue {
    pub(super) fn new(number: i32, key: i32, bytes_max: u64, permissions: Permissions) -> Self {
        let status = Status {
            permissions,
            messages: 0,
            bytes: 0,
            bytes_max,
            sent: (0, None),
            received: (0, None),
            changed: time::realtime(),
        };
        let state = State { status, messages: VecDeque::new(), removed: false };
        Self {
            number,
            key,
            state: SpinLock::new(&QUEUE_LOCK, state),
            arrivals: WaitQueue::new(),
            room: WaitQueue::new(),
        }
    }

    /// Its number.
    pub fn number(&self) -> i32 {
        self.number
    }

    /// The key that it is found by; 0: none.
    pub fn key(&self) -> i32 {
        self.key
    }

    /// What is known of it.
    pub fn status(&self) -> Status {
        self.state.lock().status.clone()
    }

    /// Changes owner, permission bits and how many bytes there may be.
    ///
    /// # Errors
    /// EPERM: not the owner, or more bytes than a queue may have, without CAP_SYS_RESOURCE. EIDRM.
    pub fn set(&self, to: &NewOwner, bytes_max: u64, who: &Credentials) -> Result<()> {
        {
            let mut state = self.state.lock();
            if state.removed {
                return Err(Errno::EIDRM);
            }
            state.status.permissions.check_owner(who)?;
            let most = super::BYTES_MAX.load(Ordering::Relaxed) as u64;
            if bytes_max > most && !who.capable(Capabilities::SYS_RESOURCE) {
                return Err(Errno::EPERM);
            }
            state.status.permissions.change(to);
            state.status.bytes_max = bytes_max;
            state.status.changed = time::realtime();
        }
        // Who waits may not be allowed to any more, and there may be room.
        self.arrivals.wake_all();
        self.room.wake_all();
        Ok(())
    }

    /// It is found no more: its messages go, and who waits is told.
    pub(super) fn remove(&self) {
        let gone = {
            let mut state = self.state.lock();
            state.removed = true;
            core::mem::take(&mut state.messages)
        };
        self.arrivals.wake_all();
        self.room.wake_all();
        drop(gone);
    }
}
