//! Sending.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use ::socket::{Ancillary, Identity, wait_error};
use errno::{Errno, Result};
use fs::{Caller, Source};
use sched::Sleep;

use crate::address::Address;
use crate::garbage::{self, Flying};
use crate::message::{Extra, Message};
use crate::names;
use crate::socket::{Kind, Socket};

/// A stream's bytes go in messages of this size at most.
const PIECE: usize = 32 << 10;

/// A datagram socket that is nobody's peer holds so many messages (`/proc/sys/net/unix/max_dgram_qlen`).
pub(crate) const DATAGRAMS_MAX: usize = 512;

impl Socket {
    /// Sends bytes and what comes with them: to the peer, or for datagrams to the socket with a name. Of a stream a signal
    /// or an error may leave a part unsent, and the part that was sent is the answer.
    ///
    /// # Errors
    /// EPIPE: nobody will read it (of a stream the caller owes the task a SIGPIPE). ENOTCONN, EISCONN,
    /// EOPNOTSUPP, ECONNREFUSED, ECONNRESET, EPERM; EMSGSIZE: longer than a message can be; EAGAIN, ERESTARTSYS,
    /// EINTR, EFAULT, ENOMEM; ETOOMANYREFS: files within files within files.
    pub(crate) fn send(
        &self,
        from: &mut dyn Source,
        to: Option<(&Address, &Caller<'_>)>,
        ancillary: Ancillary,
        nonblocking: bool,
    ) -> Result<usize> {
        match self.kind() {
            Kind::Stream if to.is_some() => {
                Err(if self.peer().is_some() { Errno::EISCONN } else { Errno::EOPNOTSUPP })
            }
            Kind::Stream => self.send_bytes(from, ancillary, nonblocking),
            Kind::Datagram | Kind::Sequenced => {
                // A sequenced socket has one peer, whatever the message says.
                let to = to.filter(|_| self.kind() == Kind::Datagram);
                self.send_message(from, to, ancillary, nonblocking)
            }
        }
    }

    fn send_bytes(
        &self,
        from: &mut dyn Source,
        ancillary: Ancillary,
        nonblocking: bool,
    ) -> Result<usize> {
        let peer =
            self.peer().ok_or(if self.sends_no_more() { Errno::EPIPE } else { Errno::ENOTCONN })?;
        let deadline = self.options().send_deadline();
        let mut extra = self.extra_for(&peer, ancillary, None)?;
        let mut done = 0;
        while from.remaining() > 0 {
            let size = from.remaining().min(PIECE).min(self.account.limit() / 2);
            // Files go with the first piece, the sender's identity with each.
            let next = extra.as_ref().map(Extra::without_files);
            let piece = self
                .wait_for_room(nonblocking, deadline)
                .and_then(|()| take(from, size))
                .and_then(|data| self.deliver(&peer, data, extra));
            extra = next;
            match piece {
                Ok(sent) => done += sent,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
            if piece != Ok(size) {
                // A bad address after good ones: what was good counts.
                break;
            }
        }
        Ok(done)
    }

    fn send_message(
        &self,
        from: &mut dyn Source,
        to: Option<(&Address, &Caller<'_>)>,
        ancillary: Ancillary,
        nonblocking: bool,
    ) -> Result<usize> {
        let size = from.remaining();
        if size > self.account.limit().saturating_sub(32) {
            return Err(Errno::EMSGSIZE);
        }
        let target = match to {
            Some((address, caller)) => {
                if self.options().passes_credentials() && !self.has_name() {
                    self.bind(Address::Unnamed, caller)?;
                }
                names::find(address, self.kind(), caller)?
            }
            None => self.peer().ok_or(Errno::ENOTCONN)?,
        };
        let deadline = self.options().send_deadline();
        self.wait_for_room(nonblocking, deadline)?;
        let data = take(from, size)?;
        if data.len() < size {
            return Err(Errno::EFAULT);
        }
        let name = (self.kind() == Kind::Datagram && self.has_name()).then(|| self.name());
        let extra = self.extra_for(&target, ancillary, name)?;
        self.wait_for_reader(&target, nonblocking, deadline)?;
        self.deliver(&target, data, extra)
    }

    /// Puts a message into another's inbox; returns its length.
    fn deliver(&self, target: &Arc<Self>, data: Vec<u8>, extra: Option<Extra>) -> Result<usize> {
        if let Some(extra) = &extra {
            target.depth.fetch_max(extra.files.depth(), Ordering::Relaxed);
        }
        let size = data.len();
        let message = Message::new(data, extra, self.account.charge(size));
        match target.inbox.push(message) {
            Ok(()) => {
                target.readable.wake_one();
                Ok(size)
            }
            Err((error, message)) => {
                drop(message);
                Err(if error == Errno::EPIPE { self.why_unread(target) } else { error })
            }
        }
    }

    /// What to say of a target that takes nothing more.
    fn why_unread(&self, target: &Arc<Self>) -> Errno {
        if self.kind() == Kind::Datagram && target.is_released() {
            Errno::ECONNREFUSED
        } else {
            Errno::EPIPE
        }
    }

    /// Waits until less is on the way than may be.
    fn wait_for_room(&self, nonblocking: bool, deadline: Option<u64>) -> Result<()> {
        if self.sends_no_more() {
            return Err(Errno::EPIPE);
        }
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        if self.account.has_room() {
            return Ok(());
        }
        if nonblocking {
            return Err(Errno::EAGAIN);
        }
        let ready = || (self.account.has_room() || self.sends_no_more()).then_some(());
        self.account
            .writable
            .wait_map_exclusive(Sleep::Interruptible, deadline, ready)
            .map_err(|error| wait_error(error, deadline))?;
        if self.sends_no_more() { Err(Errno::EPIPE) } else { Ok(()) }
    }

    /// Waits until a receiver of datagrams from everybody has read some of those it has.
    fn wait_for_reader(
        &self,
        target: &Arc<Self>,
        nonblocking: bool,
        deadline: Option<u64>,
    ) -> Result<()> {
        if self.kind() != Kind::Datagram {
            return Ok(());
        }
        if !target.accepts_from(self) {
            return Err(Errno::EPERM);
        }
        if target.takes_from(self) {
            return Ok(());
        }
        if nonblocking {
            return Err(Errno::EAGAIN);
        }
        target
            .drained
            .wait_map_exclusive(Sleep::Interruptible, deadline, || {
                target.takes_from(self).then_some(())
            })
            .map_err(|error| wait_error(error, deadline))
    }

    /// Whether a datagram may be put into the inbox now, or refused at once.
    pub(crate) fn takes_from(&self, sender: &Self) -> bool {
        self.inbox.messages() <= DATAGRAMS_MAX
            || self.receives_no_more()
            || self.peer().is_some_and(|peer| core::ptr::eq(&*peer, sender))
    }

    /// What goes with a message besides its bytes.
    fn extra_for(
        &self,
        target: &Arc<Self>,
        ancillary: Ancillary,
        from: Option<Arc<Address>>,
    ) -> Result<Option<Extra>> {
        let wants_sender =
            self.options().passes_credentials() || target.options().passes_credentials();
        let sender = ancillary.sender.or_else(|| wants_sender.then(Identity::of_sender));
        if sender.is_none() && ancillary.files.is_empty() && from.is_none() {
            return Ok(None);
        }
        let depth = garbage::depth_of(&ancillary.files)?;
        let files = Flying::new(ancillary.files, depth)?;
        Ok(Some(Extra { sender, files, from }))
    }
}

impl Extra {
    fn without_files(&self) -> Self {
        Self { sender: self.sender.clone(), files: Flying::none(), from: None }
    }
}

/// Copies bytes in; fewer where there are fewer before a bad address.
fn take(from: &mut dyn Source, size: usize) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    data.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
    data.resize(size, 0);
    let taken = from.take(&mut data)?;
    data.truncate(taken);
    Ok(data)
}
