//! Receiving.

use core::sync::atomic::Ordering;

use ::socket::{RawAddress, Receive, Received, wait_error};
use errno::{Errno, Result};
use fs::Sink;
use sched::Sleep;

use crate::message::Message;
use crate::socket::{Kind, Socket};

impl Socket {
    /// Takes bytes of a stream, or one message. 0 bytes: nothing more will come, or an empty message.
    ///
    /// # Errors
    /// ENOTCONN, EINVAL (a stream that is not connected), ECONNRESET, EAGAIN, ERESTARTSYS, EINTR, EFAULT, ENOMEM.
    pub(crate) fn receive(
        &self,
        to: &mut dyn Sink,
        how: Receive,
        from: Option<&mut RawAddress>,
    ) -> Result<Received> {
        if self.kind().connects() && self.peer().is_none() && !self.receives_no_more() {
            let unready = self.kind() == Kind::Sequenced || !self.is_listening();
            return Err(if unready { Errno::ENOTCONN } else { Errno::EINVAL });
        }
        let deadline = self.options().receive_deadline();
        match self.kind() {
            Kind::Stream => self.receive_bytes(to, how, deadline),
            Kind::Datagram | Kind::Sequenced => self.receive_message(to, how, from, deadline),
        }
    }

    fn receive_bytes(
        &self,
        to: &mut dyn Sink,
        how: Receive,
        deadline: Option<u64>,
    ) -> Result<Received> {
        let wanted = match how.contains(Receive::WAITALL) {
            true => to.remaining(),
            false => to.remaining().min(self.options().receive_low() as usize),
        };
        let by_sender = self.options().passes_credentials();
        let mut received = Received::default();
        let mut reading = self.reading.lock();
        while to.remaining() > 0 {
            let is_next = |message: &Message| {
                received.length == 0 || !by_sender || message.is_of(received.sender.as_ref())
            };
            let Some(mut message) = self.inbox.take_first(is_next) else {
                if received.length >= wanted.max(1) || !self.inbox.is_empty() && received.length > 0
                {
                    break;
                }
                drop(reading);
                match self.wait_for_message(how, deadline) {
                    Ok(true) => {}
                    Ok(false) => return Ok(received),
                    Err(_) if received.length > 0 => return Ok(received),
                    Err(error) => return Err(error),
                }
                reading = self.reading.lock();
                continue;
            };
            let moved = match to.put(message.rest()) {
                Ok(moved) => moved,
                Err(error) => {
                    self.inbox.put_back(message);
                    if received.length > 0 {
                        break;
                    }
                    return Err(error);
                }
            };
            received.length += moved;
            take_extra(&mut received, &mut message, how)?;
            if how.contains(Receive::PEEK) {
                self.inbox.put_back(message);
                break;
            }
            let whole = moved == message.rest().len();
            message.consume(moved);
            self.inbox.consumed(moved, whole);
            if !whole {
                self.inbox.put_back(message);
                break;
            }
            if !received.files.is_empty() {
                // What follows came after the files.
                break;
            }
        }
        Ok(received)
    }

    fn receive_message(
        &self,
        to: &mut dyn Sink,
        how: Receive,
        from: Option<&mut RawAddress>,
        deadline: Option<u64>,
    ) -> Result<Received> {
        let mut received = Received::default();
        let mut reading = self.reading.lock();
        let mut message = loop {
            if let Some(message) = self.inbox.take_first(|_| true) {
                break message;
            }
            drop(reading);
            if !self.wait_for_message(how, deadline)? {
                return Ok(received);
            }
            reading = self.reading.lock();
        };
        let length = message.rest().len();
        let fits = length.min(to.remaining());
        let moved = match to.put(&message.rest()[..fits]) {
            Ok(moved) if moved == fits => moved,
            // The message is gone, as on Linux, unless it was only looked at.
            Ok(_) | Err(_) => {
                self.finish_message(message, how);
                return Err(Errno::EFAULT);
            }
        };
        received.truncated = moved < length;
        received.length = if how.contains(Receive::TRUNC) { length } else { moved };
        let sender = message.extra.as_ref().and_then(|extra| extra.from.as_ref());
        if let (Some(from), Some(sender)) = (from, sender) {
            *from = sender.to_raw();
        }
        let taken = take_extra(&mut received, &mut message, how);
        self.finish_message(message, how);
        drop(reading);
        self.drained.wake_one();
        taken.map(|()| received)
    }

    fn finish_message(&self, message: Message, how: Receive) {
        if how.contains(Receive::PEEK) {
            self.inbox.put_back(message);
        } else {
            self.inbox.consumed(message.rest().len(), true);
        }
    }

    /// Waits for something to take. False: nothing will come.
    fn wait_for_message(&self, how: Receive, deadline: Option<u64>) -> Result<bool> {
        let look = || {
            if !self.inbox.is_empty() {
                Some(Ok(true))
            } else if let Some(error) = self.take_error() {
                Some(Err(error))
            } else if self.receives_no_more() {
                // What came before the end was put in before it was marked; it may not have been there above.
                Some(Ok(!self.inbox.is_empty()))
            } else {
                None
            }
        };
        match look() {
            Some(outcome) => outcome,
            None if how.contains(Receive::DONTWAIT) => Err(Errno::EAGAIN),
            None => self
                .readable
                .wait_map_exclusive(Sleep::Interruptible, deadline, look)
                .map_err(|error| wait_error(error, deadline))?,
        }
    }

    /// Forgets how deep its messages' files went, once there are none.
    pub(crate) fn forget_depth(&self) {
        if self.inbox.is_empty() {
            self.depth.store(0, Ordering::Relaxed);
        }
    }
}

/// Takes what a message carries, or a copy of it.
fn take_extra(received: &mut Received, message: &mut Message, how: Receive) -> Result<()> {
    let Some(extra) = &mut message.extra else { return Ok(()) };
    received.sender = extra.sender.clone();
    if how.contains(Receive::PEEK) {
        received.files = extra.files.copies()?;
    } else {
        received.files = extra.files.land();
    }
    Ok(())
}
