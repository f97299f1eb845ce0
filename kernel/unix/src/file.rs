//! Sockets as open files.

use alloc::format;
use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{
    Credentials, File, FileOperations, FileType, OpenFlags, PollEvents, PollTable, Sink, Source,
    anonymous,
};

use crate::garbage;
use crate::message::Ancillary;
use crate::receive::Receive;
use crate::socket::{Connection, Kind, Socket};

/// `FIONREAD`, which is also `SIOCINQ`.
const FIONREAD: u32 = 0x541b;
/// `SIOCOUTQ`.
const SIOCOUTQ: u32 = 0x5411;

/// A socket's one open file: closing it ends the socket.
pub struct SocketFile {
    socket: Arc<Socket>,
}

/// Opens a socket. Of the flags NONBLOCK counts.
///
/// # Errors
/// ENFILE: the socket is ended.
pub fn open(
    socket: Arc<Socket>,
    flags: OpenFlags,
    credentials: &Arc<Credentials>,
) -> Result<Arc<File>> {
    let operations = Arc::new(SocketFile { socket });
    let shown = |number| format!("socket:[{number}]");
    anonymous::open_as(FileType::Socket, shown, operations, flags | OpenFlags::RDWR, credentials)
}

/// Opens two sockets that are each other's peers.
///
/// # Errors
/// ENFILE.
pub fn open_pair(
    kind: Kind,
    flags: OpenFlags,
    credentials: &Arc<Credentials>,
) -> Result<(Arc<File>, Arc<File>)> {
    let (one, other) = Socket::pair(kind);
    match open(one, flags, credentials) {
        Ok(one) => Ok((one, open(other, flags, credentials)?)),
        Err(error) => {
            // It has no file whose end would end it.
            other.release();
            Err(error)
        }
    }
}

/// The socket that a file is.
///
/// # Errors
/// ENOTSOCK.
pub fn of_file(file: &Arc<File>) -> Result<Arc<Socket>> {
    let operations: Option<&SocketFile> = file.operations().downcast_ref();
    operations.map(|operations| operations.socket.clone()).ok_or(Errno::ENOTSOCK)
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.socket.release();
        garbage::collect();
    }
}

impl FileOperations for SocketFile {
    fn read(&self, file: &File, to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        let how = match file.is_nonblocking() {
            true => Receive::DONTWAIT,
            false => Receive::empty(),
        };
        // Files that come along are nobody's who only reads.
        self.socket.receive(to, how).map(|received| received.length)
    }

    fn write(&self, file: &File, from: &mut dyn Source, _position: &mut u64) -> Result<usize> {
        self.socket.send(from, None, Ancillary::default(), file.is_nonblocking())
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn poll(&self, _file: &File, table: &mut PollTable<'_>) -> PollEvents {
        self.socket.poll(table)
    }

    fn ioctl(&self, _file: &File, command: u32, argument: usize) -> Result<usize> {
        let bytes = match command {
            FIONREAD if self.socket.is_listening() => return Err(Errno::EINVAL),
            FIONREAD => self.socket.bytes_to_read(),
            SIOCOUTQ => self.socket.unread_by_others(),
            _ => return Err(Errno::ENOTTY),
        };
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        machine::user::copy_to(argument, &bytes.to_ne_bytes()).map_err(|_| Errno::EFAULT)?;
        Ok(0)
    }
}

impl Socket {
    fn poll(self: &Arc<Self>, table: &mut PollTable<'_>) -> PollEvents {
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
