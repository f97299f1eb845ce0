//! `eventfd`: a counter to wait for.

use alloc::sync::Arc;

use bitflags::bitflags;
use errno::{Errno, Result};
use sched::{Sleep, WaitQueue};
use sync::{LockClass, SpinLock};

use crate::anonymous;
use crate::credentials::Credentials;
use crate::file::File;
use crate::flags::OpenFlags;
use crate::io::{Sink, Source};
use crate::operations::FileOperations;
use crate::poll::{PollEvents, PollTable};

/// A leaf lock; conditions of waiters take it.
static COUNT_LOCK: LockClass = LockClass::new("eventfd");

/// The counter's highest value.
const MAX: u64 = u64::MAX - 1;

bitflags! {
    /// How to make one (`EFD_*`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct EventFdFlags: u32 {
        /// Each read takes 1 off the counter, not all.
        const SEMAPHORE = 1;
        /// Reads and writes do not wait.
        const NONBLOCK = 0o4000;
        /// The descriptor is closed by `execve`.
        const CLOEXEC = 0o2000000;
    }
}

struct EventFd {
    count: SpinLock<u64>,
    semaphore: bool,
    changed: Arc<WaitQueue>,
}

impl EventFd {
    fn take(&self) -> Option<u64> {
        let mut count = self.count.lock();
        let taken = if self.semaphore { (*count).min(1) } else { *count };
        *count -= taken;
        (taken > 0).then_some(taken)
    }

    fn add(&self, value: u64) -> Option<()> {
        let mut count = self.count.lock();
        let sum = count.checked_add(value).filter(|&sum| sum <= MAX)?;
        *count = sum;
        Some(())
    }

    /// Waits for `attempt` to give something.
    fn wait<T>(&self, file: &File, mut attempt: impl FnMut() -> Option<T>) -> Result<T> {
        if let Some(value) = attempt() {
            return Ok(value);
        }
        if file.is_nonblocking() {
            return Err(Errno::EAGAIN);
        }
        Ok(self.changed.wait_map(Sleep::Interruptible, None, attempt)?)
    }
}

impl FileOperations for EventFd {
    fn read(&self, file: &File, to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        if to.remaining() < 8 {
            return Err(Errno::EINVAL);
        }
        let value = self.wait(file, || self.take())?;
        self.changed.wake_all();
        to.put(&value.to_ne_bytes())
    }

    fn write(&self, file: &File, from: &mut dyn Source, _position: &mut u64) -> Result<usize> {
        let mut bytes = [0; 8];
        if from.remaining() < 8 {
            return Err(Errno::EINVAL);
        }
        if from.take(&mut bytes)? < 8 {
            return Err(Errno::EFAULT);
        }
        let value = u64::from_ne_bytes(bytes);
        if value > MAX {
            return Err(Errno::EINVAL);
        }
        self.wait(file, || self.add(value))?;
        self.changed.wake_all();
        Ok(8)
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn poll(&self, _file: &File, table: &mut PollTable<'_>) -> PollEvents {
        table.add(&self.changed);
        let count = *self.count.lock();
        let mut events = PollEvents::empty();
        if count > 0 {
            events |= PollEvents::IN;
        }
        if count < MAX {
            events |= PollEvents::OUT;
        }
        events
    }
}

/// Makes a counter.
///
/// # Errors
/// ENFILE.
pub fn create(
    initial: u32,
    flags: EventFdFlags,
    credentials: &Arc<Credentials>,
) -> Result<Arc<File>> {
    let event = EventFd {
        count: SpinLock::new(&COUNT_LOCK, u64::from(initial)),
        semaphore: flags.contains(EventFdFlags::SEMAPHORE),
        changed: Arc::new(WaitQueue::new()),
    };
    let mut open = OpenFlags::RDWR;
    open.set(OpenFlags::NONBLOCK, flags.contains(EventFdFlags::NONBLOCK));
    anonymous::open("eventfd", Arc::new(event), open, credentials)
}
