//! What can be done with an open file.

use core::any::Any;

use errno::{Errno, Result};
use memory::Page;

use crate::file::File;
use crate::inode::DirectorySink;
use crate::io::{Sink, Source};
use crate::poll::{PollEvents, PollTable};

/// The behaviour of an open file: what a file system, a driver or a pipe gives when something is
/// opened. One object may serve several opens or only one; dropping it is the last close.
///
/// All methods are called by tasks and may sleep, but for `poll`. A signal that ends a wait is
/// ERESTARTSYS; a file in non-blocking mode ([`File::is_nonblocking`]) answers EAGAIN instead of
/// waiting.
pub trait FileOperations: Any + Send + Sync {
    /// Reads from `position` on, and moves it on. 0 is the end of the file. Whoever has no
    /// positions ignores it.
    fn read(&self, _file: &File, _to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// Writes at `position` (at the end, for a file in append mode), and moves it on.
    fn write(&self, _file: &File, _from: &mut dyn Source, _position: &mut u64) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// Whether the file has positions: `lseek`, `pread` and `pwrite` give ESPIPE where it has none.
    fn is_seekable(&self) -> bool {
        true
    }

    /// Where the data ends, for `lseek(SEEK_END)`.
    fn end(&self, file: &File) -> Result<u64> {
        Ok(file.inode().stat()?.size)
    }

    /// Gives directory entries from `position` on, and moves it on.
    fn read_directory(
        &self,
        _file: &File,
        _position: &mut u64,
        _to: &mut dyn DirectorySink,
    ) -> Result<()> {
        Err(Errno::ENOTDIR)
    }

    /// What is possible now without waiting. Every queue that is woken when that changes goes to
    /// the table first, so that no change is missed. Does not sleep.
    fn poll(&self, _file: &File, _table: &mut PollTable<'_>) -> PollEvents {
        PollEvents::ALWAYS_READY
    }

    /// Whether `poll` means something: epoll refuses files without (EPERM), as regular files and
    /// directories are.
    fn is_pollable(&self) -> bool {
        false
    }

    /// A device's own commands. `argument` is a number or a user address.
    fn ioctl(&self, _file: &File, _command: u32, _argument: usize) -> Result<usize> {
        Err(Errno::ENOTTY)
    }

    /// Writes what `/proc/PID/fdinfo` tells of this kind of file alone. Does not sleep.
    ///
    /// # Errors
    /// What `to` says.
    fn show_info(&self, _to: &mut dyn core::fmt::Write) -> core::fmt::Result {
        Ok(())
    }

    /// Whether the file can be mapped into memory; `page` is asked only then.
    fn is_mappable(&self) -> bool {
        false
    }

    /// The page at an index, for a mapping. Takes no lock that is held while user memory is copied.
    ///
    /// # Errors
    /// ENXIO beyond the end, ENOMEM.
    fn page(&self, _file: &File, _index: u64) -> Result<Page> {
        Err(Errno::ENODEV)
    }

    /// The page at an index if that needs no waiting and no making.
    fn page_at_hand(&self, _file: &File, _index: u64) -> Option<Page> {
        None
    }

    /// Calls with each page of a range that is at hand, and its index, in order, until told to stop; perhaps with a spin lock held.
    fn pages_at_hand(&self, file: &File, range: core::ops::Range<u64>, visit: &mut vm::Visit<'_>) {
        let _ = (file, range, visit);
    }

    /// Whether the pages are memory and nothing else, counted as `RssShmem`.
    fn is_shared_memory(&self) -> bool {
        false
    }

    /// Makes what was written safe against a loss of power.
    fn sync(&self, _file: &File) -> Result<()> {
        Err(Errno::EINVAL)
    }

    /// Gives space to part of the file, or takes it away (`fallocate`'s mode).
    fn allocate(&self, _file: &File, _mode: u32, _offset: u64, _length: u64) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// A descriptor of the file is closed; others may be open. Called by the task that closes it.
    fn flush(&self, _file: &File) {}

    /// The flags that `F_SETFL` changes have changed.
    fn flags_changed(&self, _file: &File) {}
}

impl dyn FileOperations {
    /// The operations as the type that they are, if they are of that.
    pub fn downcast_ref<T: FileOperations>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}
