//! Pipes and FIFOs.
//!
//! A `Pipe` is a ring of pages with two kinds of ends. Both a pipe's files and all who open a FIFO
//! hold ends (`PipeEnd`); the number of each kind says whether a reader may expect more and a
//! writer has anybody to write for.
//!
//! Data is copied with the pipe's mutex held, as a page fault may have to be served for it. Whoever
//! has to wait leaves the mutex first and looks at `state` for what it waits for: the copy of the
//! ring's fill that the last holder of the mutex left there.

mod fifo;
mod ring;
pub mod splice;

use alloc::format;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use errno::{Errno, Result};
use memory::PAGE_SIZE;
use sched::{Mutex, MutexGuard, Sleep, WaitQueue};
use sync::LockClass;

pub(crate) use fifo::{Fifo, open_fifo};
use ring::Ring;

use crate::anonymous;
use crate::credentials::{Capabilities, Credentials};
use crate::file::File;
use crate::flags::OpenFlags;
use crate::io::{Sink, Source};
use crate::operations::FileOperations;
use crate::poll::{PollEvents, PollTable};
use crate::stat::FileType;

/// Held while user memory is copied; nothing of a file system is taken inside.
static PIPE_LOCK: LockClass = LockClass::new("pipe");

/// Writes of up to this size are not mixed with others' (PIPE_BUF).
const ATOMIC: usize = 4096;
/// Pages in a new pipe.
const DEFAULT_SLOTS: usize = 16;
/// The most bytes that a pipe can be given without CAP_SYS_RESOURCE (`/proc/sys/fs/pipe-max-size`).
const MAX_SIZE: usize = 1 << 20;

/// `FIONREAD`.
const FIONREAD: u32 = 0x541b;

/// A queue of bytes between readers and writers.
pub(crate) struct Pipe {
    ring: Mutex<Ring>,
    /// What the ring's last holder left: whether there is something to read, and room to write.
    /// Changed under the mutex before the queues are woken (SeqCst); looked at by those who sleep
    /// on them.
    filled: AtomicBool,
    writable: AtomicBool,
    /// Open ends of either kind.
    readers: AtomicUsize,
    writers: AtomicUsize,
    /// How often either kind of end was opened, for FIFOs: an opener waits for the other side to
    /// come, not for it to stay.
    readers_ever: AtomicUsize,
    writers_ever: AtomicUsize,
    /// Waited on by readers: something to read, or the last writer gone.
    readable_queue: Arc<WaitQueue>,
    /// Waited on by writers: room, or the last reader gone.
    writable_queue: Arc<WaitQueue>,
}

impl Pipe {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            ring: Mutex::new(&PIPE_LOCK, Ring::new(DEFAULT_SLOTS)),
            filled: AtomicBool::new(false),
            writable: AtomicBool::new(true),
            readers: AtomicUsize::new(0),
            writers: AtomicUsize::new(0),
            readers_ever: AtomicUsize::new(0),
            writers_ever: AtomicUsize::new(0),
            readable_queue: Arc::new(WaitQueue::new()),
            writable_queue: Arc::new(WaitQueue::new()),
        })
    }

    fn has_readers(&self) -> bool {
        self.readers.load(Ordering::SeqCst) != 0
    }

    fn has_writers(&self) -> bool {
        self.writers.load(Ordering::SeqCst) != 0
    }

    /// Ends a turn with the ring: leaves word of its fill and wakes whom that concerns. Readers
    /// hear of every write, as edge-triggered pollers want it; writers hear only of the change from
    /// full to not full.
    fn finish(&self, ring: MutexGuard<'_, Ring>, wrote: bool) {
        let (filled, writable) = (!ring.is_empty(), ring.has_free_slot());
        // Only the mutex's holder changes them, and mostly there is nothing to change.
        let (was_filled, was_writable) =
            (self.filled.load(Ordering::Relaxed), self.writable.load(Ordering::Relaxed));
        if filled != was_filled {
            self.filled.store(filled, Ordering::SeqCst);
        }
        if writable != was_writable {
            self.writable.store(writable, Ordering::SeqCst);
        }
        drop(ring);
        if wrote {
            self.readable_queue.wake_all();
        }
        if writable && !was_writable {
            self.writable_queue.wake_all();
        }
    }

    fn read(&self, to: &mut dyn Sink, nonblocking: bool) -> Result<usize> {
        if to.remaining() == 0 {
            return Ok(0);
        }
        loop {
            let mut ring = self.ring.lock();
            if !ring.is_empty() {
                let outcome = ring.pop(to);
                self.finish(ring, false);
                return outcome;
            }
            drop(ring);
            if !self.has_writers() {
                // A writer may have written and gone since the ring was looked at.
                if self.filled.load(Ordering::SeqCst) {
                    continue;
                }
                return Ok(0);
            }
            if nonblocking {
                return Err(Errno::EAGAIN);
            }
            let ready =
                || (self.filled.load(Ordering::SeqCst) || !self.has_writers()).then_some(());
            self.readable_queue.wait_map_exclusive(Sleep::Interruptible, None, ready)?;
        }
    }

    fn write(&self, from: &mut dyn Source, nonblocking: bool, packet: bool) -> Result<usize> {
        let mut left = from.remaining();
        let atomic = left <= ATOMIC;
        let mut done = 0;
        while left > 0 {
            if !self.has_readers() {
                return if done > 0 { Ok(done) } else { Err(Errno::EPIPE) };
            }
            let mut ring = self.ring.lock();
            let fits = !atomic || ring.fits(left, packet);
            let outcome = if fits { ring.push(from, packet) } else { Ok(0) };
            self.finish(ring, matches!(outcome, Ok(moved) if moved > 0));
            match outcome {
                Ok(moved) => {
                    done += moved;
                    let expected = left - moved;
                    left = from.remaining();
                    if left == 0 || moved > 0 && left != expected {
                        return Ok(done);
                    }
                }
                Err(error) => return if done > 0 { Ok(done) } else { Err(error) },
            }
            if nonblocking {
                return if done > 0 { Ok(done) } else { Err(Errno::EAGAIN) };
            }
            // A small write that does not fit into the rest of the last page waits for a free page
            // like any other.
            let ready =
                || (self.writable.load(Ordering::SeqCst) || !self.has_readers()).then_some(());
            let outcome = self.writable_queue.wait_map_exclusive(Sleep::Interruptible, None, ready);
            if let Err(error) = outcome {
                return if done > 0 { Ok(done) } else { Err(error.into()) };
            }
        }
        Ok(done)
    }

    /// `F_SETPIPE_SZ`.
    fn set_size(&self, size: usize, credentials: &Credentials) -> Result<usize> {
        if size == 0 || size > i32::MAX as usize {
            return Err(Errno::EINVAL);
        }
        let size = size.max(PAGE_SIZE).next_power_of_two();
        if size > MAX_SIZE && !credentials.capable(Capabilities::SYS_RESOURCE) {
            return Err(Errno::EPERM);
        }
        let mut ring = self.ring.lock();
        let outcome = ring.set_slots(size / PAGE_SIZE);
        self.finish(ring, false);
        outcome.map(|()| size)
    }

    fn size(&self) -> usize {
        self.ring.lock().slots() * PAGE_SIZE
    }
}

/// One open end of a pipe, or both (a FIFO opened for reading and writing).
pub(crate) struct PipeEnd {
    pipe: Arc<Pipe>,
    reads: bool,
    writes: bool,
    /// How many writers had come and gone when this end was opened: before another comes, that
    /// there is none is no hang-up. 0: there was one at the time.
    writers_before: usize,
    /// What keeps a FIFO's pipe findable for others while it is open.
    _fifo: Option<Arc<Fifo>>,
}

impl PipeEnd {
    fn new(pipe: Arc<Pipe>, reads: bool, writes: bool, fifo: Option<Arc<Fifo>>) -> Arc<Self> {
        let writers_before =
            if pipe.has_writers() { 0 } else { pipe.writers_ever.load(Ordering::SeqCst) };
        if reads {
            pipe.readers.fetch_add(1, Ordering::SeqCst);
            pipe.readers_ever.fetch_add(1, Ordering::SeqCst);
        }
        if writes {
            pipe.writers.fetch_add(1, Ordering::SeqCst);
            pipe.writers_ever.fetch_add(1, Ordering::SeqCst);
        }
        // Openers of a FIFO wait for the other side here.
        pipe.readable_queue.wake_all();
        pipe.writable_queue.wake_all();
        Arc::new(Self { pipe, reads, writes, writers_before, _fifo: fifo })
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        if self.reads {
            self.pipe.readers.fetch_sub(1, Ordering::SeqCst);
        }
        if self.writes {
            self.pipe.writers.fetch_sub(1, Ordering::SeqCst);
        }
        self.pipe.readable_queue.wake_all();
        self.pipe.writable_queue.wake_all();
    }
}

impl FileOperations for PipeEnd {
    fn read(&self, file: &File, to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        self.pipe.read(to, file.is_nonblocking())
    }

    fn write(&self, file: &File, from: &mut dyn Source, _position: &mut u64) -> Result<usize> {
        self.pipe.write(from, file.is_nonblocking(), file.flags().contains(OpenFlags::DIRECT))
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn poll(&self, _file: &File, table: &mut PollTable<'_>) -> PollEvents {
        let mut events = PollEvents::empty();
        if self.reads {
            table.add(&self.pipe.readable_queue);
            if self.pipe.filled.load(Ordering::SeqCst) {
                events |= PollEvents::READABLE;
            }
            let writers_ever = self.pipe.writers_ever.load(Ordering::SeqCst);
            if !self.pipe.has_writers() && writers_ever != self.writers_before {
                events |= PollEvents::HUP;
            }
        }
        if self.writes {
            table.add(&self.pipe.writable_queue);
            if self.pipe.writable.load(Ordering::SeqCst) {
                events |= PollEvents::WRITABLE;
            }
            if !self.pipe.has_readers() {
                events |= PollEvents::ERR;
            }
        }
        events
    }

    fn ioctl(&self, _file: &File, command: u32, argument: usize) -> Result<usize> {
        if command != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let bytes = self.pipe.ring.lock().bytes() as u32;
        machine::user::copy_to(argument, &bytes.to_ne_bytes()).map_err(|_| Errno::EFAULT)?;
        Ok(0)
    }
}

/// Makes a pipe: the end to read from and the one to write to. Flags that count are NONBLOCK and
/// DIRECT.
///
/// # Errors
/// EINVAL: other flags. ENFILE.
pub fn create(flags: OpenFlags, credentials: &Arc<Credentials>) -> Result<(Arc<File>, Arc<File>)> {
    let allowed = OpenFlags::NONBLOCK | OpenFlags::DIRECT | OpenFlags::CLOEXEC;
    if !allowed.contains(flags) {
        return Err(Errno::EINVAL);
    }
    let pipe = Pipe::new();
    let fifo = Fifo::of(&pipe);
    let shown = |number| format!("pipe:[{number}]");
    let path = anonymous::path(FileType::Fifo, credentials, Some(fifo), shown);
    let reading = PipeEnd::new(pipe.clone(), true, false, None);
    let writing = PipeEnd::new(pipe, false, true, None);
    let reader = File::new(path.clone(), reading, flags, credentials)?;
    let writer = File::new(path, writing, flags | OpenFlags::WRONLY, credentials)?;
    Ok((reader, writer))
}

fn end_of(file: &File) -> Result<&PipeEnd> {
    file.operations().downcast_ref().ok_or(Errno::EBADF)
}

/// How many bytes a pipe can hold (`F_GETPIPE_SZ`).
///
/// # Errors
/// EBADF: not a pipe.
pub fn size(file: &File) -> Result<usize> {
    Ok(end_of(file)?.pipe.size())
}

/// Changes how many bytes a pipe can hold, and returns what became of it (`F_SETPIPE_SZ`).
///
/// # Errors
/// EBADF: not a pipe. EPERM: more than an ordinary user may have. EBUSY: it holds more.
pub fn set_size(file: &File, size: usize, credentials: &Credentials) -> Result<usize> {
    end_of(file)?.pipe.set_size(size, credentials)
}
