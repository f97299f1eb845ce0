//! Waiting for several files at once.
//!
//! A file tells what is possible on it now and, in the same call, which wait queues are woken when
//! that changes. So whoever asks with a table has subscribed before the answer was found, and loses
//! no change:
//!
//! ```text
//!   poll: ask every file, with a table        notifier: make the file ready
//!         nothing ready: sleep                          wake the queue ──> every watcher on it
//!         woken: ask again, without a table
//! ```

use alloc::sync::Arc;
use alloc::vec::Vec;

use bitflags::bitflags;
use errno::{Errno, Result};
use sched::{PollSleeper, Sleep, WaitError, WaitQueue, Watch};

use crate::file::File;

bitflags! {
    /// What is possible, or asked for (`POLL*`, the same numbers as `EPOLL*`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct PollEvents: u32 {
        /// There is something to read, or its end.
        const IN = 0x001;
        /// There is something urgent to read.
        const PRI = 0x002;
        /// Something can be written.
        const OUT = 0x004;
        /// Something failed, or nobody reads what is written. Told unasked.
        const ERR = 0x008;
        /// The other end is gone. Told unasked.
        const HUP = 0x010;
        /// The descriptor is not open. Told unasked.
        const NVAL = 0x020;
        /// As `IN`.
        const RDNORM = 0x040;
        /// As `PRI`.
        const RDBAND = 0x080;
        /// As `OUT`.
        const WRNORM = 0x100;
        /// As `OUT`, for what is urgent.
        const WRBAND = 0x200;
        /// The other end will write nothing more.
        const RDHUP = 0x2000;
    }
}

impl PollEvents {
    /// Something to read.
    pub const READABLE: Self = Self::IN.union(Self::RDNORM);
    /// Something can be written.
    pub const WRITABLE: Self = Self::OUT.union(Self::WRNORM);
    /// Both, always: a regular file.
    pub const ALWAYS_READY: Self = Self::READABLE.union(Self::WRITABLE);
    /// What is told whether asked for or not.
    pub const UNASKED: Self = Self::ERR.union(Self::HUP).union(Self::NVAL);
}

/// What a table does with each queue.
pub type Watcher<'a> = &'a mut dyn FnMut(&Arc<WaitQueue>);

/// Collects the wait queues of the files that are asked; may be one that does not care.
pub struct PollTable<'a> {
    watch: Option<Watcher<'a>>,
}

impl<'a> PollTable<'a> {
    /// For who only wants to know what is possible now.
    pub const fn none() -> Self {
        Self { watch: None }
    }

    /// Calls `watch` with each queue.
    pub fn new(watch: Watcher<'a>) -> Self {
        Self { watch: Some(watch) }
    }

    /// Adds a queue. A file calls it before it looks at its state.
    pub fn add(&mut self, queue: &Arc<WaitQueue>) {
        if let Some(watch) = &mut self.watch {
            watch(queue);
        }
    }
}

/// A file to be polled.
#[derive(Debug)]
pub struct PollEntry {
    /// The file; `None` if the descriptor was not open (reported as `NVAL`).
    pub file: Option<Arc<File>>,
    /// What is asked for.
    pub events: PollEvents,
    /// What was found.
    pub found: PollEvents,
}

impl PollEntry {
    fn ask(&mut self, table: &mut PollTable<'_>) -> bool {
        let found = match &self.file {
            Some(file) => file.poll(table),
            None => PollEvents::NVAL,
        };
        self.found = found & (self.events | PollEvents::UNASKED);
        !self.found.is_empty()
    }
}

/// Waits until something that is asked for is possible on at least one file, and returns on how
/// many. With a deadline (monotonic, in nanoseconds) it returns 0 when that has passed; a deadline
/// of 0 only looks. An entry without a file is for `poll` an event; callers who want to ignore one
/// leave it out.
///
/// # Errors
/// EINTR: a signal came first. (`poll` is not restarted after a handler; whoever wants
/// ERESTARTNOHAND maps it.)
pub fn poll_files(entries: &mut [PollEntry], deadline: Option<u64>) -> Result<usize> {
    let ready = count_ready(entries, &mut PollTable::none());
    if ready > 0 || deadline == Some(0) {
        return Ok(ready);
    }
    let sleeper = PollSleeper::new();
    let mut watches = Vec::new();
    let mut watch = |queue: &Arc<WaitQueue>| watches.push(Watch::new(queue.clone(), &sleeper));
    let mut ready = count_ready(entries, &mut PollTable::new(&mut watch));
    while ready == 0 {
        match sleeper.sleep(Sleep::Interruptible, deadline) {
            Ok(()) => ready = count_ready(entries, &mut PollTable::none()),
            Err(WaitError::TimedOut) => break,
            Err(WaitError::Interrupted) => return Err(Errno::EINTR),
        }
    }
    Ok(ready)
}

fn count_ready(entries: &mut [PollEntry], table: &mut PollTable<'_>) -> usize {
    entries.iter_mut().map(|entry| usize::from(entry.ask(table))).sum()
}
