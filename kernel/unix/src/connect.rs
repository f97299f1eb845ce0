//! Making connections.

use alloc::sync::Arc;

use ::socket::{Identity, wait_error};
use errno::{Errno, Result};
use fs::Caller;
use sched::Sleep;

use crate::address::Address;
use crate::names;
use crate::socket::{Connection, Kind, Socket};

/// What became of a connection that was brought to a listener.
enum Offer {
    Taken,
    Full,
    Refused,
}

impl Socket {
    /// Connects to the socket with a name, or a datagram socket to none any more. Streams wait for room in the backlog, and
    /// not for `accept`.
    ///
    /// # Errors
    /// ECONNREFUSED, EPROTOTYPE, EINVAL, EISCONN; EAGAIN: it would have to wait and may not, or no longer. As
    /// `lookup` for a path; ERESTARTSYS, or EINTR with a time limit.
    pub(crate) fn connect(
        self: &Arc<Self>,
        target: Option<&Address>,
        caller: &Caller<'_>,
        nonblocking: bool,
    ) -> Result<()> {
        let address = match target {
            Some(address) => address,
            None if self.kind() == Kind::Datagram => {
                self.set_peer(None);
                return Ok(());
            }
            None => return Err(Errno::EINVAL),
        };
        if self.options().passes_credentials() && !self.has_name() {
            // Whoever gets a message with its sender's identity may want to answer.
            self.bind(Address::Unnamed, caller)?;
        }
        let other = names::find(address, self.kind(), caller)?;
        if self.kind() == Kind::Datagram {
            if !other.accepts_from(self) {
                return Err(Errno::EPERM);
            }
            self.set_peer(Some(other));
            return Ok(());
        }
        let deadline = self.options().send_deadline();
        loop {
            match self.offer_to(&other)? {
                Offer::Taken => return Ok(()),
                Offer::Refused => return Err(Errno::ECONNREFUSED),
                Offer::Full if nonblocking => return Err(Errno::EAGAIN),
                Offer::Full => {
                    let room = || other.has_backlog_room().then_some(());
                    other
                        .drained
                        .wait_map_exclusive(Sleep::Interruptible, deadline, room)
                        .map_err(|error| wait_error(error, deadline))?;
                }
            }
        }
    }

    /// Whether it takes datagrams of that socket: of all, or if it is connected only of its peer.
    pub(crate) fn accepts_from(&self, sender: &Self) -> bool {
        self.peer().is_none_or(|peer| core::ptr::eq(&*peer, sender))
    }

    fn set_peer(&self, peer: Option<Arc<Self>>) {
        let connection = peer.map_or(Connection::None, Connection::Connected);
        let old = core::mem::replace(&mut self.state.lock().connection, connection);
        drop(old);
        self.account.writable.wake_all();
    }

    fn has_backlog_room(&self) -> bool {
        match &self.state.lock().connection {
            Connection::Listening(backlog) => backlog.waiting.len() <= backlog.limit,
            // To learn that it does not listen any more.
            Connection::None | Connection::Connected(_) => true,
        }
    }

    /// Makes the connection's other end and brings it to the listener. This end is connected first: as soon as the
    /// other one can be accepted, its peer must be there.
    fn offer_to(self: &Arc<Self>, listener: &Arc<Self>) -> Result<Offer> {
        let who_listens = {
            let state = listener.state.lock();
            if !matches!(state.connection, Connection::Listening(_)) {
                return Ok(Offer::Refused);
            }
            state.peer.clone()
        };
        let other = Self::with(self.kind(), Connection::None, Some(listener.name()));
        other.options().set_pass_credentials(listener.options().passes_credentials());
        other.tie(self, Identity::of_connector());
        let mut state = self.state.lock();
        match state.connection {
            Connection::None => {}
            Connection::Listening(_) => return Err(Errno::EINVAL),
            Connection::Connected(_) => return Err(Errno::EISCONN),
        }
        state.connection = Connection::Connected(other.clone());
        let old = core::mem::replace(&mut state.peer, who_listens);
        drop(state);
        drop(old);
        let offer = listener.enqueue(&other);
        if matches!(offer, Offer::Taken) {
            listener.readable.wake_one();
        } else {
            self.set_peer(None);
            other.set_peer(None);
        }
        Ok(offer)
    }

    fn enqueue(&self, connection: &Arc<Self>) -> Offer {
        let mut state = self.state.lock();
        let Connection::Listening(backlog) = &mut state.connection else { return Offer::Refused };
        if self.receives_no_more() {
            return Offer::Refused;
        }
        if backlog.waiting.len() > backlog.limit || backlog.waiting.try_reserve(1).is_err() {
            return Offer::Full;
        }
        backlog.waiting.push_back(connection.clone());
        Offer::Taken
    }

    /// Takes a connection that waits, or waits for one.
    ///
    /// # Errors
    /// EOPNOTSUPP: datagrams. EINVAL: it does not listen, or is shut down. EAGAIN, ERESTARTSYS, EINTR.
    pub(crate) fn accept(&self, nonblocking: bool) -> Result<Arc<Self>> {
        if !self.kind().connects() {
            return Err(Errno::EOPNOTSUPP);
        }
        let attempt = || match self.take_connection() {
            Ok(None) => None,
            Ok(Some(connection)) => Some(Ok(connection)),
            Err(error) => Some(Err(error)),
        };
        let connection = match attempt() {
            Some(outcome) => outcome?,
            None if nonblocking => return Err(Errno::EAGAIN),
            None => {
                let deadline = self.options().receive_deadline();
                self.readable
                    .wait_map_exclusive(Sleep::Interruptible, deadline, attempt)
                    .map_err(|error| wait_error(error, deadline))??
            }
        };
        self.drained.wake_one();
        Ok(connection)
    }

    fn take_connection(&self) -> Result<Option<Arc<Self>>> {
        match &mut self.state.lock().connection {
            Connection::Listening(backlog) => match backlog.waiting.pop_front() {
                None if self.receives_no_more() => Err(Errno::EINVAL),
                found => Ok(found),
            },
            Connection::None | Connection::Connected(_) => Err(Errno::EINVAL),
        }
    }
}
