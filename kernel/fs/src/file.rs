//! Open files.
//!
//! A [`File`] is what `open` makes (an open file description): it ties the operations of whatever
//! was opened to a position and to flags. Descriptors, mappings and messages in flight share it by
//! `Arc`; when the last goes, it is closed.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use errno::{Errno, Result};
use fault::Point;
use sched::Mutex;
use sync::LockClass;

use crate::credentials::{Capabilities, Credentials};
use crate::flags::OpenFlags;
use crate::inode::{DirectorySink, Inode};
use crate::inotify::{self, Events};
use crate::io::{Sink, Source};
use crate::lock;
use crate::operations::FileOperations;
use crate::path::Path;
use crate::poll::{PollEvents, PollTable};
use crate::stat::FileType;

/// Taken first of all: held while the file reads or writes.
static POSITION_LOCK: LockClass = LockClass::new("file.position");

/// How many files are open in the whole system, and the most that may be.
static OPEN_FILES: AtomicU64 = AtomicU64::new(0);
static MAX_FILES: AtomicU64 = AtomicU64::new(65536);

/// Where `lseek` counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekFrom {
    /// The start.
    Start(u64),
    /// The position.
    Current(i64),
    /// The end.
    End(i64),
    /// The next data at or after the offset.
    Data(u64),
    /// The next hole at or after the offset.
    Hole(u64),
}

/// An open file.
pub struct File {
    id: u64,
    path: Path,
    operations: Arc<dyn FileOperations>,
    flags: AtomicU32,
    credentials: Arc<Credentials>,
    position: Mutex<u64>,
    /// What `position` was after the last call, for those who only look.
    last_position: AtomicU64,
}

/// The position that a call starts from and leaves behind.
enum Position<'a> {
    /// A file with positions, and those of one who reads and writes at the file's own: locked for
    /// the whole call, so that two who share the file do not read the same bytes.
    Shared(sched::MutexGuard<'a, u64>),
    /// A stream, which has none.
    Stream,
}

impl File {
    /// Opens what is at a path. Permissions have been checked; see
    /// [`Caller::open`](crate::Caller::open) for user programs.
    ///
    /// # Errors
    /// ENFILE: too many files are open in the system. As [`Inode::open`].
    pub fn open(path: Path, flags: OpenFlags, credentials: &Arc<Credentials>) -> Result<Arc<Self>> {
        let operations: Arc<dyn FileOperations> = if flags.contains(OpenFlags::PATH) {
            Arc::new(PlaceOnly)
        } else {
            path.inode().clone().open(flags)?
        };
        Self::new(path, operations, flags, credentials)
    }

    /// Ties operations to a place.
    ///
    /// # Errors
    /// ENFILE, but not for CAP_SYS_ADMIN: who can raise the limit must be able to.
    pub fn new(
        path: Path,
        operations: Arc<dyn FileOperations>,
        flags: OpenFlags,
        credentials: &Arc<Credentials>,
    ) -> Result<Arc<Self>> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        if fault::should_fail(Point::File) {
            return Err(Errno::ENFILE);
        }
        let open = OPEN_FILES.fetch_add(1, Ordering::Relaxed);
        if open >= MAX_FILES.load(Ordering::Relaxed)
            && !credentials.capable(Capabilities::SYS_ADMIN)
        {
            OPEN_FILES.fetch_sub(1, Ordering::Relaxed);
            return Err(Errno::ENFILE);
        }
        Ok(Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            path,
            operations,
            flags: AtomicU32::new(flags.difference(OpenFlags::CREATION).bits()),
            credentials: credentials.clone(),
            position: Mutex::new(&POSITION_LOCK, 0),
            last_position: AtomicU64::new(0),
        }))
    }

    /// A number that no other file ever had.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was opened.
    pub fn inode(&self) -> &Arc<dyn Inode> {
        self.path.inode()
    }

    /// The behaviour.
    pub fn operations(&self) -> &Arc<dyn FileOperations> {
        &self.operations
    }

    /// Who opened it.
    pub fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// The flags as `F_GETFL` shows them.
    pub fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// Changes the flags that `F_SETFL` may change.
    pub fn set_flags(&self, new: OpenFlags) {
        let settable = OpenFlags::SETTABLE.bits();
        // Two callers at once: each changes only the settable bits, and the last one's count.
        let _ = self.flags.try_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
            Some((old & !settable) | (new.bits() & settable))
        });
        self.operations.flags_changed(self);
    }

    /// Whether it was opened only to name a place (O_PATH): EBADF for most calls.
    pub fn is_place_only(&self) -> bool {
        self.flags().contains(OpenFlags::PATH)
    }

    /// Whether calls that would wait return EAGAIN instead.
    pub fn is_nonblocking(&self) -> bool {
        self.flags().contains(OpenFlags::NONBLOCK)
    }

    /// The position after the last call that moved it, whoever is using the file now: `pos` in
    /// `/proc/PID/fdinfo`. Does not sleep.
    pub fn last_position(&self) -> u64 {
        self.last_position.load(Ordering::Relaxed)
    }

    fn position(&self) -> Position<'_> {
        if self.operations.is_seekable() {
            Position::Shared(self.position.lock())
        } else {
            Position::Stream
        }
    }

    fn require_readable(&self) -> Result<()> {
        if !self.flags().readable() {
            return Err(Errno::EBADF);
        }
        self.refuse_directory()
    }

    fn require_writable(&self) -> Result<()> {
        if self.flags().writable() { Ok(()) } else { Err(Errno::EBADF) }
    }

    fn refuse_directory(&self) -> Result<()> {
        if self.inode().file_type() == FileType::Directory { Err(Errno::EISDIR) } else { Ok(()) }
    }

    /// Reads at the position and moves it.
    ///
    /// # Errors
    /// EBADF: not open for reading. EISDIR. As [`FileOperations::read`].
    pub fn read(&self, to: &mut dyn Sink) -> Result<usize> {
        self.require_readable()?;
        let outcome = match self.position() {
            Position::Shared(mut position) => {
                let outcome = self.operations.read(self, to, &mut position);
                self.last_position.store(*position, Ordering::Relaxed);
                outcome
            }
            Position::Stream => self.operations.read(self, to, &mut 0),
        };
        self.tell_moved(&outcome, Events::ACCESS);
        outcome
    }

    /// Tells who watches the file that bytes were read or written.
    #[inline]
    fn tell_moved(&self, outcome: &Result<usize>, event: Events) {
        if matches!(outcome, Ok(1..)) {
            inotify::tell(self.path.dentry(), event);
        }
    }

    /// Writes at the position, or at the end in append mode, and moves it. EPIPE: the caller owes
    /// the task a SIGPIPE.
    ///
    /// # Errors
    /// EBADF: not open for writing. As [`FileOperations::write`].
    pub fn write(&self, from: &mut dyn Source) -> Result<usize> {
        self.require_writable()?;
        let outcome = match self.position() {
            Position::Shared(mut position) => {
                let outcome = self.operations.write(self, from, &mut position);
                self.last_position.store(*position, Ordering::Relaxed);
                outcome
            }
            Position::Stream => self.operations.write(self, from, &mut 0),
        };
        self.tell_moved(&outcome, Events::MODIFY);
        outcome
    }

    /// Reads at `offset` without moving the position.
    ///
    /// # Errors
    /// ESPIPE: it has no positions. As [`read`](Self::read).
    pub fn read_at(&self, to: &mut dyn Sink, offset: u64) -> Result<usize> {
        self.require_offset(offset)?;
        self.require_readable()?;
        let outcome = self.operations.read(self, to, &mut { offset });
        self.tell_moved(&outcome, Events::ACCESS);
        outcome
    }

    /// Writes at `offset` without moving the position.
    ///
    /// # Errors
    /// ESPIPE: it has no positions. As [`write`](Self::write).
    pub fn write_at(&self, from: &mut dyn Source, offset: u64) -> Result<usize> {
        self.require_offset(offset)?;
        self.require_writable()?;
        let outcome = self.operations.write(self, from, &mut { offset });
        self.tell_moved(&outcome, Events::MODIFY);
        outcome
    }

    fn require_offset(&self, offset: u64) -> Result<()> {
        if offset > i64::MAX as u64 {
            Err(Errno::EINVAL)
        } else if self.is_place_only() {
            Err(Errno::EBADF)
        } else if !self.operations.is_seekable() {
            Err(Errno::ESPIPE)
        } else {
            Ok(())
        }
    }

    /// Moves the position and returns the new one.
    ///
    /// # Errors
    /// ESPIPE; EINVAL: before the start; EOVERFLOW; ENXIO: no data or hole from there on.
    pub fn seek(&self, from: SeekFrom) -> Result<u64> {
        self.require_offset(0)?;
        let mut position = self.position.lock();
        let add = |base: u64, offset: i64| {
            base.checked_add_signed(offset)
                .filter(|&sum| sum <= i64::MAX as u64)
                .ok_or(if offset < 0 { Errno::EINVAL } else { Errno::EOVERFLOW })
        };
        let new = match from {
            SeekFrom::Start(offset) if offset > i64::MAX as u64 => return Err(Errno::EINVAL),
            SeekFrom::Start(offset) => offset,
            SeekFrom::Current(offset) => add(*position, offset)?,
            SeekFrom::End(offset) => add(self.operations.end(self)?, offset)?,
            SeekFrom::Data(offset) | SeekFrom::Hole(offset) => {
                // All of a file counts as data here, and its end as the hole, which POSIX allows.
                let end = self.operations.end(self)?;
                if offset >= end {
                    return Err(Errno::ENXIO);
                }
                if matches!(from, SeekFrom::Hole(_)) { end } else { offset }
            }
        };
        *position = new;
        self.last_position.store(new, Ordering::Relaxed);
        Ok(new)
    }

    /// Gives directory entries from the position on.
    ///
    /// # Errors
    /// EBADF, ENOTDIR; ENOENT: the directory was removed.
    pub fn read_directory(&self, to: &mut dyn DirectorySink) -> Result<()> {
        if self.is_place_only() {
            return Err(Errno::EBADF);
        }
        if self.inode().file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        if self.path.dentry().is_removed() {
            return Err(Errno::ENOENT);
        }
        let mut position = self.position.lock();
        let outcome = self.operations.read_directory(self, &mut position, to);
        self.last_position.store(*position, Ordering::Relaxed);
        drop(position);
        inotify::tell(self.path.dentry(), Events::ACCESS);
        outcome
    }

    /// What is possible without waiting. Does not sleep.
    pub fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        if self.is_place_only() { PollEvents::NVAL } else { self.operations.poll(self, table) }
    }

    /// A device's own commands.
    ///
    /// # Errors
    /// ENOTTY: not known here. EBADF.
    pub fn ioctl(&self, command: u32, argument: usize) -> Result<usize> {
        if self.is_place_only() {
            return Err(Errno::EBADF);
        }
        self.operations.ioctl(self, command, argument)
    }

    /// Cuts or lengthens the file. `limit` is how long the caller may make one (`RLIMIT_FSIZE`).
    ///
    /// # Errors
    /// EINVAL: not open for writing, or not a regular file. EFBIG: beyond the limit.
    pub fn truncate(&self, size: u64, limit: u64) -> Result<()> {
        if !self.flags().writable()
            || self.inode().file_type() != FileType::Regular
            || size > i64::MAX as u64
        {
            return Err(Errno::EINVAL);
        }
        self.inode().require_size(size, limit)?;
        self.inode()
            .set_attributes(&crate::SetAttributes { size: Some(size), ..Default::default() })?;
        inotify::tell(self.path.dentry(), Events::MODIFY);
        Ok(())
    }

    /// Gives space to part of the file, or takes it away. `limit` is how long the caller may make one
    /// (`RLIMIT_FSIZE`).
    ///
    /// # Errors
    /// EBADF, EINVAL, EFBIG, ENODEV: not a regular file. As [`FileOperations::allocate`].
    pub fn allocate(&self, mode: u32, offset: u64, length: u64, limit: u64) -> Result<()> {
        self.require_writable()?;
        if length == 0 || offset > i64::MAX as u64 || length > i64::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        if offset + length > i64::MAX as u64 {
            return Err(Errno::EFBIG);
        }
        if self.inode().file_type() != FileType::Regular {
            return Err(if self.operations.is_seekable() { Errno::ENODEV } else { Errno::ESPIPE });
        }
        // Only without flags does it lengthen the file.
        if mode == 0 {
            self.inode().require_size(offset + length, limit)?;
        }
        self.operations.allocate(self, mode, offset, length)
    }

    /// Makes what was written safe.
    ///
    /// # Errors
    /// EBADF; EINVAL: nothing to be made safe here.
    pub fn sync(&self) -> Result<()> {
        if self.is_place_only() {
            return Err(Errno::EBADF);
        }
        self.operations.sync(self)
    }

    /// The file as a mapping sees it.
    ///
    /// # Errors
    /// ENODEV: it cannot be mapped. EACCES: it is not open for reading.
    pub fn backing(self: &Arc<Self>) -> Result<Arc<dyn vm::Backing>> {
        if self.is_place_only() {
            return Err(Errno::EBADF);
        }
        if !self.flags().readable() {
            return Err(Errno::EACCES);
        }
        if !self.operations.is_mappable() {
            return Err(Errno::ENODEV);
        }
        Ok(self.clone())
    }

    /// How many files are open in the system, and the most that may be (`/proc/sys/fs/file-nr`).
    pub fn counts() -> (u64, u64) {
        (OPEN_FILES.load(Ordering::Relaxed), MAX_FILES.load(Ordering::Relaxed))
    }

    /// Sets the most files that may be open (`/proc/sys/fs/file-max`).
    pub fn set_max(max: u64) {
        MAX_FILES.store(max, Ordering::Relaxed);
    }
}

impl Drop for File {
    fn drop(&mut self) {
        lock::flock::release(self);
        if !self.is_place_only() {
            let closed = match self.flags().writable() {
                true => Events::CLOSE_WRITE,
                false => Events::CLOSE_NOWRITE,
            };
            inotify::tell(self.path.dentry(), closed);
        }
        OPEN_FILES.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({} {:?})", self.id, self.path.dentry())
    }
}

/// What O_PATH opens: nothing can be done with it but to name it.
struct PlaceOnly;

impl FileOperations for PlaceOnly {
    fn is_seekable(&self) -> bool {
        false
    }
}
