//! Sending and receiving.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ::socket::{Identity, RawAddress, Receive, Received, wait_error};
use errno::{Errno, Result};
use fs::{Credentials, Sink, Source};
use sched::Sleep;

use crate::address::Address;
use crate::inbox::Message;
use crate::socket::{Protocol, Socket, check_may_send};
use crate::{connector, generic};

impl Socket {
    /// Sends messages, which the kernel handles before this returns.
    ///
    /// # Errors
    /// ENODATA: none. EMSGSIZE: longer than the buffer. EPERM: to others than the kernel, without CAP_NET_ADMIN. ECONNREFUSED:
    /// to others than the kernel, with it: no program takes messages from another. EFAULT, ENOMEM.
    pub(crate) fn send(
        &self,
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
            // Messages of programs' own making would go to those in other network namespaces, of which there are none.
            Protocol::Uevent => {}
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
    pub(crate) fn receive(
        &self,
        to: &mut dyn Sink,
        how: Receive,
        from: Option<&mut RawAddress>,
    ) -> Result<Received> {
        let deadline = self.options().receive_deadline();
        let look = || self.inbox.take(how.contains(Receive::PEEK));
        let message = match look() {
            Some(taken) => taken?,
            None if how.contains(Receive::DONTWAIT) => return Err(Errno::EAGAIN),
            None => self
                .readable
                .wait_map(Sleep::Interruptible, deadline, look)
                .map_err(|error| wait_error(error, deadline))??,
        };
        let length = message.bytes.len();
        let fits = length.min(to.remaining());
        if to.put(&message.bytes[..fits])? < fits {
            return Err(Errno::EFAULT);
        }
        if let Some(from) = from {
            *from = Address { port: 0, groups: message.groups }.to_raw();
        }
        Ok(Received {
            length: if how.contains(Receive::TRUNC) { length } else { fits },
            truncated: fits < length,
            sender: Some(Identity::KERNEL),
            ..Received::default()
        })
    }
}
