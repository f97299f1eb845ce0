//! A queue as a file: its inode, and what `mq_open` opens.

use alloc::format;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use errno::{Errno, Result};
use fs::{
    Capabilities, Credentials, File, FileOperations, FileType, Inode, NewNode, OpenFlags,
    PollEvents, PollTable, SetAttributes, Sink, Stat,
};
use sync::{LockClass, SpinLock};

use super::limits::{Attributes, QUEUES_MAX};
use super::queue::Queue;
use super::root::Root;

/// A leaf.
static STAT_LOCK: LockClass = LockClass::new("mqueue.stat");

/// What a queue's file is shown to hold: a line, and some blanks.
const TEXT_SIZE: u64 = 80;

/// How many queues there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// How many queues there are, those included that have lost their names and are still open.
pub fn count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// One of the queues that there may be.
struct Counted;

impl Counted {
    fn new(who: &Credentials) -> Result<Self> {
        let most = usize::try_from(QUEUES_MAX.load(Ordering::Relaxed)).unwrap_or(0);
        let unlimited = who.capable(Capabilities::SYS_RESOURCE);
        let add = |count| (count < most || unlimited).then_some(count + 1);
        let counted = COUNT.try_update(Ordering::Relaxed, Ordering::Relaxed, add);
        counted.map(|_| Self).map_err(|_| Errno::ENOSPC)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        COUNT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A queue's inode: it lives as long as it has its name or is open.
pub(super) struct Node {
    /// What never changes of what `stat` tells.
    stat: Stat,
    attributes: SpinLock<fs::Attributes>,
    queue: Queue,
    _counted: Counted,
}

impl Node {
    /// A queue that the calling task makes.
    ///
    /// # Errors
    /// ENOSPC: there are too many. EMFILE: the user has too much in queues.
    pub(super) fn new(root: &Root, new: &NewNode<'_>, attributes: Attributes) -> Result<Arc<Self>> {
        let me = sched::current();
        let thread = process::Thread::of(&me);
        let counted = Counted::new(&thread.credentials())?;
        let limit = thread.process().limit(process::Resource::MessageQueue).soft;
        let queue = Queue::new(attributes, thread.user(), limit)?;
        let attributes = fs::Attributes::new(new);
        let stat = Stat {
            device: root.tree().device(),
            size: TEXT_SIZE,
            created: attributes.changed,
            ..Stat::new(FileType::Regular, new.permissions, root.tree().take_inode_number())
        };
        let attributes = SpinLock::new(&STAT_LOCK, attributes);
        Ok(Arc::new(Self { stat, attributes, queue, _counted: counted }))
    }

    /// It has lost its name.
    pub(super) fn unlinked(&self) {
        let mut attributes = self.attributes.lock();
        attributes.links = 0;
        attributes.touch_changed();
    }
}

impl Inode for Node {
    fn file_type(&self) -> FileType {
        FileType::Regular
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.attributes.lock().show(self.stat))
    }

    /// To be cut to nothing means nothing to a queue.
    fn set_attributes(&self, set: &SetAttributes) -> Result<()> {
        self.attributes.lock().set(set);
        Ok(())
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        Ok(Arc::new(OpenQueue(self)))
    }
}

/// An open queue.
pub struct OpenQueue(Arc<Node>);

impl OpenQueue {
    /// The queue that a file has open.
    ///
    /// # Errors
    /// EBADF: it is no queue.
    pub fn of(file: &File) -> Result<&Self> {
        file.operations().downcast_ref().ok_or(Errno::EBADF)
    }

    /// The queue.
    pub fn queue(&self) -> &Queue {
        &self.0.queue
    }
}

impl FileOperations for OpenQueue {
    fn read(&self, _file: &File, to: &mut dyn Sink, position: &mut u64) -> Result<usize> {
        let (bytes, registration) = self.queue().describe();
        let (way, signal, pid) = registration.map_or((0, 0, 0), |it| it.numbers());
        let text =
            format!("QSIZE:{bytes:<10} NOTIFY:{way:<5} SIGNO:{signal:<5} NOTIFY_PID:{pid:<6}\n");
        let start = usize::try_from(*position).unwrap_or(usize::MAX);
        let rest = text.as_bytes().get(start..).unwrap_or(&[]);
        let moved = to.put(&rest[..rest.len().min(to.remaining())])?;
        *position += moved as u64;
        Ok(moved)
    }

    fn poll(&self, _file: &File, table: &mut PollTable<'_>) -> PollEvents {
        table.add(&self.queue().changed);
        let count = self.queue().count();
        let mut events = PollEvents::empty();
        if count > 0 {
            events |= PollEvents::READABLE;
        }
        if count < self.queue().attributes().messages {
            events |= PollEvents::WRITABLE;
        }
        events
    }

    fn is_pollable(&self) -> bool {
        true
    }

    /// Who closes a descriptor is not told any more.
    fn flush(&self, _file: &File) {
        self.queue().forget_current();
    }
}
