//! Sockets as open files.

use alloc::format;
use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{
    Credentials, File, FileOperations, FileType, OpenFlags, PollEvents, PollTable, Sink, Source,
    anonymous,
};

use crate::socket::Socket;
use crate::transfer::Receive;

/// A socket's one open file: closing it ends the socket.
struct SocketFile {
    socket: Arc<Socket>,
}

/// Opens a socket. Of the flags NONBLOCK counts.
///
/// # Errors
/// ENFILE.
pub fn open(
    socket: Arc<Socket>,
    flags: OpenFlags,
    credentials: &Arc<Credentials>,
) -> Result<Arc<File>> {
    let operations = Arc::new(SocketFile { socket });
    let shown = |number| format!("socket:[{number}]");
    anonymous::open_as(FileType::Socket, shown, operations, flags | OpenFlags::RDWR, credentials)
}

/// The socket that a file is.
///
/// # Errors
/// ENOTSOCK: none of this family.
pub fn of_file(file: &Arc<File>) -> Result<Arc<Socket>> {
    let operations: Option<&SocketFile> = file.operations().downcast_ref();
    operations.map(|operations| operations.socket.clone()).ok_or(Errno::ENOTSOCK)
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.socket.release();
    }
}

impl FileOperations for SocketFile {
    fn read(&self, file: &File, to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        let how = match file.is_nonblocking() {
            true => Receive::DONTWAIT,
            false => Receive::empty(),
        };
        self.socket.receive(to, how).map(|received| received.length)
    }

    fn write(&self, _file: &File, from: &mut dyn Source, _position: &mut u64) -> Result<usize> {
        self.socket.send(from, None, &process::credentials())
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn poll(&self, _file: &File, table: &mut PollTable<'_>) -> PollEvents {
        table.add(&self.socket.readable);
        let (has_message, has_error) = self.socket.inbox.state();
        let mut events = PollEvents::WRITABLE;
        if has_message {
            events |= PollEvents::READABLE;
        }
        if has_error {
            events |= PollEvents::ERR;
        }
        events
    }
}
