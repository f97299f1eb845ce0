//! `inotify`: being told of what is done with files.
//!
//! ```text
//!   add_watch(place, mask) ──> Watch in the instance, by its number, and in the table of watched inodes
//!   open, read, write, rename ... ──tell──> the watches of the inode, and of the directory that its name is in
//!                                              └──> an event in the instance's queue; readers wake
//! ```
//!
//! Whoever changes a file says so after it has happened, holding no spin lock. While nothing in the whole system is
//! watched, that is one load.

mod event;
mod watched;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

use bitflags::bitflags;
use errno::{Errno, Result};
use sched::{Sleep, WaitQueue};
use sync::{LockClass, SpinLock};

use crate::anonymous;
use crate::credentials::{Access, Credentials};
use crate::file::File;
use crate::flags::OpenFlags;
use crate::inode::Inode;
use crate::io::Sink;
use crate::operations::FileOperations;
use crate::path::Path;
use crate::poll::{PollEvents, PollTable};
use crate::stat::FileType;
use event::Event;
use watched::Watch;
pub use watched::modified;
pub(crate) use watched::{cookie, is_active, tell, tell_inode};

bitflags! {
    /// What happened, what to be told of, and how to watch (`IN_*`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Events: u32 {
        /// Read.
        const ACCESS = 0x1;
        /// Written or cut.
        const MODIFY = 0x2;
        /// Mode, owner, times or number of names changed.
        const ATTRIB = 0x4;
        /// Closed by somebody who could write.
        const CLOSE_WRITE = 0x8;
        /// Closed by somebody who could not.
        const CLOSE_NOWRITE = 0x10;
        /// Opened.
        const OPEN = 0x20;
        /// Renamed away.
        const MOVED_FROM = 0x40;
        /// Renamed to here.
        const MOVED_TO = 0x80;
        /// Made in the directory.
        const CREATE = 0x100;
        /// Removed from the directory.
        const DELETE = 0x200;
        /// The watched file has no name any more.
        const DELETE_SELF = 0x400;
        /// The watched file was renamed.
        const MOVE_SELF = 0x800;
        /// Events were lost.
        const Q_OVERFLOW = 0x4000;
        /// The watch is gone.
        const IGNORED = 0x8000;
        /// Watch only a directory.
        const ONLYDIR = 0x0100_0000;
        /// Do not follow a symbolic link.
        const DONT_FOLLOW = 0x0200_0000;
        /// No events of files that have been removed from the directory.
        const EXCL_UNLINK = 0x0400_0000;
        /// Only a watch that is not there yet.
        const MASK_CREATE = 0x1000_0000;
        /// More events for a watch that is there.
        const MASK_ADD = 0x2000_0000;
        /// What it happened to is a directory.
        const ISDIR = 0x4000_0000;
        /// Only one event.
        const ONESHOT = 0x8000_0000;
    }
}

impl Events {
    /// All that can happen.
    pub const ALL: Self = Self::from_bits_retain(0xfff);
    /// What `inotify_add_watch` takes.
    const ASKABLE: Self = Self::ALL
        .union(Self::ONLYDIR)
        .union(Self::DONT_FOLLOW)
        .union(Self::EXCL_UNLINK)
        .union(Self::MASK_CREATE)
        .union(Self::MASK_ADD)
        .union(Self::ONESHOT);
}

/// A leaf.
static QUEUE_LOCK: LockClass = LockClass::new("inotify.queue");
/// Taken before `inotify.watched`.
static WATCHES_LOCK: LockClass = LockClass::new("inotify.watches");

/// The most events that wait in a queue (`/proc/sys/fs/inotify/max_queued_events`).
const QUEUED_MAX: usize = 16384;
/// The most watches of an instance (`max_user_watches`).
const WATCHES_MAX: usize = 65536;

/// `FIONREAD`.
const FIONREAD: u32 = 0x541b;

/// The watches of an instance by their numbers.
struct Watches {
    by_number: BTreeMap<i32, Arc<Watch>>,
    next: i32,
}

/// Watches, and what they saw.
struct Instance {
    queue: SpinLock<VecDeque<Event>>,
    watches: SpinLock<Watches>,
    readable: Arc<WaitQueue>,
}

impl Instance {
    /// Queues an event, unless it says what the last one says.
    fn queue(&self, event: Event) {
        let mut queue = self.queue.lock();
        let event = match queue.len() {
            QUEUED_MAX.. => Event::overflow(),
            _ => event,
        };
        if queue.back() == Some(&event) || queue.try_reserve(1).is_err() {
            return;
        }
        queue.push_back(event);
        drop(queue);
        self.readable.wake_all();
    }

    /// Forgets a watch; its last event says so.
    fn forget(&self, watch: &Arc<Watch>) {
        let removed = self.watches.lock().by_number.remove(&watch.number);
        if removed.is_some() {
            self.queue(Event::new(watch.number, Events::IGNORED, 0, b""));
        }
    }

    fn add(self: &Arc<Self>, inode: &Arc<dyn Inode>, mask: Events) -> Result<i32> {
        let kept = mask & (Events::ALL | Events::EXCL_UNLINK | Events::ONESHOT);
        let mut watches = self.watches.lock();
        if let Some(watch) = watches.by_number.values().find(|watch| watch.inode.is(inode)) {
            if mask.contains(Events::MASK_CREATE) {
                return Err(Errno::EEXIST);
            }
            watch.set_mask(kept, mask.contains(Events::MASK_ADD));
            return Ok(watch.number);
        }
        if watches.by_number.len() >= WATCHES_MAX {
            return Err(Errno::ENOSPC);
        }
        let number = watches.next;
        watches.next = number.checked_add(1).ok_or(Errno::ENOSPC)?;
        let watch = Watch::new(number, inode.clone(), kept, Arc::downgrade(self));
        watches.by_number.insert(number, watch.clone());
        watched::enter(watch);
        Ok(number)
    }

    /// Moves events to a reader, as many as fit.
    fn give(&self, to: &mut dyn Sink) -> Result<Option<usize>> {
        let mut done = 0;
        loop {
            let mut queue = self.queue.lock();
            let Some(event) = queue.front() else { break };
            if event.size() > to.remaining() {
                return if done == 0 { Err(Errno::EINVAL) } else { Ok(Some(done)) };
            }
            let bytes = event.to_bytes();
            drop(queue.pop_front());
            drop(queue);
            match to.put(&bytes) {
                Ok(moved) if moved == bytes.len() => done += moved,
                Ok(_) | Err(_) if done == 0 => return Err(Errno::EFAULT),
                Ok(_) | Err(_) => break,
            }
        }
        Ok((done > 0).then_some(done))
    }

    fn has_events(&self) -> bool {
        !self.queue.lock().is_empty()
    }
}

/// An open instance.
struct InstanceFile(Arc<Instance>);

impl Drop for InstanceFile {
    fn drop(&mut self) {
        let watches = core::mem::take(&mut self.0.watches.lock().by_number);
        for watch in watches.values() {
            watched::leave(watch);
        }
    }
}

impl FileOperations for InstanceFile {
    fn read(&self, file: &File, to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        loop {
            if let Some(given) = self.0.give(to)? {
                return Ok(given);
            }
            if file.is_nonblocking() {
                return Err(Errno::EAGAIN);
            }
            let ready = || self.0.has_events().then_some(());
            self.0.readable.wait_map(Sleep::Interruptible, None, ready)?;
        }
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn poll(&self, _file: &File, table: &mut PollTable<'_>) -> PollEvents {
        table.add(&self.0.readable);
        if self.0.has_events() { PollEvents::READABLE } else { PollEvents::empty() }
    }

    fn ioctl(&self, _file: &File, command: u32, argument: usize) -> Result<usize> {
        if command != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let bytes: usize = self.0.queue.lock().iter().map(Event::size).sum();
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX).to_ne_bytes();
        machine::user::copy_to(argument, &bytes).map_err(|_| Errno::EFAULT)?;
        Ok(0)
    }
}

/// Makes an instance. Of the flags NONBLOCK counts.
///
/// # Errors
/// ENFILE.
pub fn create(flags: OpenFlags, credentials: &Arc<Credentials>) -> Result<Arc<File>> {
    let instance = Arc::new(Instance {
        queue: SpinLock::new(&QUEUE_LOCK, VecDeque::new()),
        watches: SpinLock::new(&WATCHES_LOCK, Watches { by_number: BTreeMap::new(), next: 1 }),
        readable: Arc::new(WaitQueue::new()),
    });
    anonymous::open("inotify", Arc::new(InstanceFile(instance)), flags, credentials)
}

fn instance_of(file: &File) -> Result<&Arc<Instance>> {
    file.operations().downcast_ref().map(|file: &InstanceFile| &file.0).ok_or(Errno::EINVAL)
}

/// Watches what is at a place; returns the watch's number.
///
/// # Errors
/// EINVAL: not an instance, or nothing to be told of. EACCES: it may not be read. ENOTDIR, EEXIST, ENOSPC.
pub fn add_watch(file: &File, place: &Path, mask: Events, who: &Credentials) -> Result<i32> {
    let instance = instance_of(file)?;
    if !mask.intersects(Events::ALL)
        || !Events::ASKABLE.contains(mask)
        || mask.contains(Events::MASK_ADD | Events::MASK_CREATE)
    {
        return Err(Errno::EINVAL);
    }
    let inode = place.inode();
    if mask.contains(Events::ONLYDIR) && inode.file_type() != FileType::Directory {
        return Err(Errno::ENOTDIR);
    }
    who.check(&inode.ownership()?, Access::READ)?;
    instance.add(inode, mask)
}

/// Ends a watch.
///
/// # Errors
/// EINVAL: not an instance, or it has no such watch.
pub fn remove_watch(file: &File, number: i32) -> Result<()> {
    let instance = instance_of(file)?;
    let watch = instance.watches.lock().by_number.get(&number).cloned().ok_or(Errno::EINVAL)?;
    watched::leave(&watch);
    instance.forget(&watch);
    Ok(())
}
