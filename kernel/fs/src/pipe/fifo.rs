//! FIFOs: pipes that are found by a name.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicUsize, Ordering};

use errno::{Errno, Result};
use sched::Sleep;
use sync::{LockClass, SpinLock};

use super::{Pipe, PipeEnd};
use crate::flags::OpenFlags;
use crate::operations::FileOperations;

/// A leaf lock.
static FIFO_LOCK: LockClass = LockClass::new("fifo");

/// What an inode has that is a FIFO: the pipe, while somebody has it open.
pub(crate) struct Fifo {
    pipe: SpinLock<Weak<Pipe>>,
    /// It has a name, by which the two ends find each other: whoever comes first waits.
    named: bool,
}

impl Fifo {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { pipe: SpinLock::new(&FIFO_LOCK, Weak::new()), named: true })
    }

    /// Of a pipe that somebody has open.
    pub(crate) fn of(pipe: &Arc<Pipe>) -> Arc<Self> {
        let pipe = SpinLock::new(&FIFO_LOCK, Arc::downgrade(pipe));
        Arc::new(Self { pipe, named: false })
    }

    fn pipe(&self) -> Arc<Pipe> {
        if let Some(pipe) = self.pipe.lock().upgrade() {
            return pipe;
        }
        let fresh = Pipe::new();
        let mut slot = self.pipe.lock();
        if let Some(theirs) = slot.upgrade() {
            return theirs;
        }
        *slot = Arc::downgrade(&fresh);
        fresh
    }
}

/// Opens a FIFO. Whoever opens only one end waits until somebody has opened the other, or with
/// NONBLOCK does not. A pipe without a name is open already, and nobody waits.
///
/// # Errors
/// ENXIO: NONBLOCK, for writing only, and nobody reads. ERESTARTSYS: a signal came first. EINVAL:
/// neither to read nor to write.
pub(crate) fn open_fifo(fifo: &Arc<Fifo>, flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
    let pipe = fifo.pipe();
    let nonblocking = flags.contains(OpenFlags::NONBLOCK);
    let open = |reads, writes| PipeEnd::new(pipe.clone(), reads, writes, Some(fifo.clone()));
    match (flags.readable(), flags.writable()) {
        (true, true) => Ok(open(true, true)),
        (true, false) => {
            let others = Others::of(&pipe.writers, &pipe.writers_ever);
            let end = open(true, false);
            if fifo.named && !nonblocking {
                let came = || others.came().then_some(());
                pipe.readable_queue.wait_map(Sleep::Interruptible, None, came)?;
            }
            Ok(end)
        }
        (false, true) => {
            let others = Others::of(&pipe.readers, &pipe.readers_ever);
            if fifo.named && nonblocking && !others.present {
                return Err(Errno::ENXIO);
            }
            let end = open(false, true);
            if fifo.named {
                let came = || others.came().then_some(());
                pipe.writable_queue.wait_map(Sleep::Interruptible, None, came)?;
            }
            Ok(end)
        }
        (false, false) => Err(Errno::EINVAL),
    }
}

/// Those at the other end, as they were before one's own end was open.
struct Others<'a> {
    present: bool,
    ever: usize,
    ever_now: &'a AtomicUsize,
}

impl<'a> Others<'a> {
    fn of(now: &AtomicUsize, ever_now: &'a AtomicUsize) -> Self {
        // In this order: whoever comes after the first load changes the count, and whoever was
        // there and has gone by the second cannot have seen this end.
        let ever = ever_now.load(Ordering::SeqCst);
        let present = now.load(Ordering::SeqCst) != 0;
        Self { present, ever, ever_now }
    }

    /// Whether anybody has been there since, even if they have left again.
    fn came(&self) -> bool {
        self.present || self.ever_now.load(Ordering::SeqCst) != self.ever
    }
}
