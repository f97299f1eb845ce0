//! Sockets as open files.

use alloc::format;
use alloc::sync::Arc;
use core::any::Any;

use errno::{Errno, Result};
use fs::{
    Credentials, File, FileOperations, FileType, OpenFlags, PollEvents, PollTable, Sink, Source,
    anonymous,
};

use crate::family::Socket;
use crate::message::{Ancillary, Receive};

/// A socket's one open file: closing it ends the socket.
struct SocketFile {
    socket: Arc<dyn Socket>,
}

impl SocketFile {
    fn open(self, flags: OpenFlags, credentials: &Arc<Credentials>) -> Result<Arc<File>> {
        let shown = |number| format!("socket:[{number}]");
        let flags = flags | OpenFlags::RDWR;
        anonymous::open_as(FileType::Socket, shown, Arc::new(self), flags, credentials)
    }
}

/// Opens a socket. Of the flags NONBLOCK counts.
///
/// # Errors
/// ENFILE: the socket is ended.
pub fn open(
    socket: Arc<dyn Socket>,
    flags: OpenFlags,
    credentials: &Arc<Credentials>,
) -> Result<Arc<File>> {
    SocketFile { socket }.open(flags, credentials)
}

/// Opens two sockets, or none.
///
/// # Errors
/// ENFILE: both are ended.
pub fn open_pair(
    sockets: [Arc<dyn Socket>; 2],
    flags: OpenFlags,
    credentials: &Arc<Credentials>,
) -> Result<[Arc<File>; 2]> {
    // Both are files to be before the first one is opened: they may hold each other, and who is no file is ended by none.
    let [one, other] = sockets.map(|socket| SocketFile { socket });
    Ok([one.open(flags, credentials)?, other.open(flags, credentials)?])
}

/// The socket that a file is.
///
/// # Errors
/// ENOTSOCK.
pub fn of_file(file: &File) -> Result<Arc<dyn Socket>> {
    let operations: Option<&SocketFile> = file.operations().downcast_ref();
    operations.map(|operations| operations.socket.clone()).ok_or(Errno::ENOTSOCK)
}

/// The socket that a file is, if it is of the family whose sockets are `T`s.
pub fn of_family<T: Socket>(file: &File) -> Option<Arc<T>> {
    let socket: Arc<dyn Any + Send + Sync> = of_file(file).ok()?;
    socket.downcast().ok()
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
        // Files that come along are nobody's who only reads.
        self.socket.receive(to, how, None).map(|received| received.length)
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
        self.socket.ioctl(command, argument)
    }
}
