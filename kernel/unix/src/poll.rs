//! What a socket is ready for.

use fs::{PollEvents, PollTable};

use crate::socket::{Connection, Kind, Socket};

impl Socket {
    /// What it is ready for.
    pub(crate) fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.add(&self.readable);
        table.add(&self.account.writable);
        let mut events = PollEvents::empty();
        if self.has_error() {
            events |= PollEvents::ERR;
        }
        let (listens, waiting, peer) = match &self.state.lock().connection {
            Connection::None => (false, false, None),
            Connection::Listening(backlog) => (true, !backlog.waiting.is_empty(), None),
            Connection::Connected(peer) => (false, false, Some(peer.clone())),
        };
        if waiting || !self.inbox.is_empty() {
            events |= PollEvents::READABLE;
        }
        if self.receives_no_more() {
            events |= PollEvents::READABLE | PollEvents::RDHUP;
            if self.sends_no_more() {
                events |= PollEvents::HUP;
            }
        }
        if listens {
            return events;
        }
        if self.kind().connects() && peer.is_none() {
            events |= PollEvents::HUP;
        }
        // Of datagrams the peer decides too.
        let peer_takes = match peer.filter(|_| self.kind() == Kind::Datagram) {
            Some(peer) => {
                table.add(&peer.drained);
                peer.takes_from(self)
            }
            None => true,
        };
        if self.account.is_writable() && peer_takes {
            events |= PollEvents::WRITABLE;
        }
        events
    }
}
