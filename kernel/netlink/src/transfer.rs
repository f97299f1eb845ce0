//! Sending and receiving.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bitflags::bitflags;
use errno::{Errno, Result};
use fs::{Credentials, Sink, Source};
use sched::{Sleep, WaitError};

use crate::address::Address;
use crate::inbox::Message;
use crate::socket::{Protocol, Socket, check_may_send};
use crate::{connector, generic};

bitflags! {
    /// How to receive (`MSG_*`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Receive: u32 {
        /// What is read stays.
        const PEEK = 0x02;
        /// The length is the message's, even if less was given.
        const TRUNC = 0x20;
        /// Do not wait.
        const DONTWAIT = 0x40;
    }
}

/// What was received besides bytes. The sender is the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// How many bytes.
    pub length: usize,
    /// Some of the message did not fit and is lost.
    pub truncated: bool,
    /// From the kernel, and to which group.
    pub from: Address,
}

impl Socket {
    /// Sends messages, which the kernel handles before this returns.
    ///
    /// # Errors
    /// ENODATA: none. EMSGSIZE: longer than the buffer. EPERM: to others than the kernel, without CAP_NET_ADMIN. ECONNREFUSED:
    /// to others than the kernel, with it: no program takes messages from another. EFAULT, ENOMEM.
    pub fn send(
        self: &Arc<Self>,
        from: &mut dyn Source,
        to: Option<Address>,
        credentials: &Credentials,
    ) -> Result<usize> {
        let size = from.remaining();
        if size == 0 {
            return Err(Errno::ENODATA);
        }
        if let Some(to) = &to {
            check_may_send(to, credentials)?;
        }
        self.require_port();
        if size > self.send_buffer().saturating_sub(32) {
            return Err(Errno::EMSGSIZE);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
        bytes.resize(size, 0);
        if from.take(&mut bytes)? < size {
            return Err(Errno::EFAULT);
        }
        if to.unwrap_or(self.peer()).port != 0 {
            return Err(Errno::ECONNREFUSED);
        }
        match self.protocol() {
            Protocol::Connector => connector::handle(self, &bytes, credentials),
            Protocol::Generic => generic::handle(self, &bytes, credentials),
        }
        Ok(size)
    }

    /// Puts an answer into the socket's own inbox.
    pub(crate) fn answer(&self, answer: Result<Vec<u8>>) {
        match answer {
            Ok(bytes) => self.deliver(Message { bytes: Arc::from(bytes), groups: 0 }),
            Err(_) => self.note_loss(),
        }
    }

    /// Takes one message.
    ///
    /// # Errors
    /// ENOBUFS: messages were lost. EAGAIN, ERESTARTSYS, EINTR, EFAULT.
    pub fn receive(&self, to: &mut dyn Sink, how: Receive) -> Result<Received> {
        let timeout = self.receive_timeout();
        let deadline = (timeout != 0).then(|| time::monotonic().saturating_add(timeout));
        let look = || self.inbox.take(how.contains(Receive::PEEK));
        let message = match look() {
            Some(taken) => taken?,
            None if how.contains(Receive::DONTWAIT) => return Err(Errno::EAGAIN),
            None => self.readable.wait_map(Sleep::Interruptible, deadline, look).map_err(
                |error| match error {
                    WaitError::TimedOut => Errno::EAGAIN,
                    // Started again, the time would start again too.
                    WaitError::Interrupted if deadline.is_some() => Errno::EINTR,
                    WaitError::Interrupted => Errno::ERESTARTSYS,
                },
            )??,
        };
        let length = message.bytes.len();
        let fits = length.min(to.remaining());
        if to.put(&message.bytes[..fits])? < fits {
            return Err(Errno::EFAULT);
        }
        Ok(Received {
            length: if how.contains(Receive::TRUNC) { length } else { fits },
            truncated: fits < length,
            from: Address { port: 0, groups: message.groups },
        })
    }
}
