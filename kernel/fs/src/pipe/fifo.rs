//! FIFOs: pipes that are found by a name.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::Ordering;

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
}

impl Fifo {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { pipe: SpinLock::new(&FIFO_LOCK, Weak::new()) })
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

/// Opens a FIFO. Whoever opens only one end waits until somebody has opened the other, or with NONBLOCK does not.
///
/// # Errors
/// ENXIO: NONBLOCK, for writing only, and nobody reads. ERESTARTSYS: a signal came first. EINVAL: neither to read nor to write.
pub(crate) fn open_fifo(fifo: &Arc<Fifo>, flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
    let pipe = fifo.pipe();
    let nonblocking = flags.contains(OpenFlags::NONBLOCK);
    let open = |reads, writes| PipeEnd::new(pipe.clone(), reads, writes, Some(fifo.clone()));
    match (flags.readable(), flags.writable()) {
        (true, true) => Ok(open(true, true)),
        (true, false) => {
            let writers = pipe.writers_ever.load(Ordering::SeqCst);
            let end = open(true, false);
            if !nonblocking {
                let came = || {
                    let came = pipe.writers_ever.load(Ordering::SeqCst) != writers;
                    (came || pipe.has_writers()).then_some(())
                };
                pipe.readable_queue.wait_map(Sleep::Interruptible, None, came)?;
            }
            Ok(end)
        }
        (false, true) => {
            if nonblocking && !pipe.has_readers() {
                return Err(Errno::ENXIO);
            }
            let readers = pipe.readers_ever.load(Ordering::SeqCst);
            let end = open(false, true);
            let came = || {
                let came = pipe.readers_ever.load(Ordering::SeqCst) != readers;
                (came || pipe.has_readers()).then_some(())
            };
            if !nonblocking {
                pipe.writable_queue.wait_map(Sleep::Interruptible, None, came)?;
            }
            Ok(end)
        }
        (false, false) => Err(Errno::EINVAL),
    }
}
