//! `epoll`: watching many files at once, for long.
//!
//! Each file that is watched is an item with a place on the wait queues of the file. A wake-up
//! there puts the item on the epoll's list of items that may be ready and wakes whoever waits for
//! the epoll. The waiter takes items off the list, asks each file what is really possible, and
//! reports that:
//!
//! ```text
//!   file's queue woken ──> Ear::notify ──> list ──> wait: pop, ask the file ──> report
//!                                            ^                    │
//!                                            └── level-triggered ─┘
//! ```
//!
//! A level-triggered item that was reported stays on the list and falls off when asking finds
//! nothing; an edge-triggered one comes back only by a wake-up; a one-shot one is disabled.

mod item;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bitflags::bitflags;
use errno::{Errno, Result};
use sched::{Mutex, Sleep, WaitError, WaitQueue, Watch};
use sync::LockClass;

use crate::anonymous;
use crate::credentials::Credentials;
use crate::file::File;
use crate::file_table::Fd;
use crate::flags::OpenFlags;
use crate::operations::FileOperations;
use crate::poll::{PollEvents, PollTable};
use item::{Ear, Item, Ready};

/// Held while files are asked and queues are joined.
static INTERESTS_LOCK: LockClass = LockClass::new("epoll.interests");
/// Taken before any `epoll.interests` by whoever watches one epoll with another.
static NESTING_LOCK: LockClass = LockClass::new("epoll.nesting");

static NESTING: Mutex<()> = Mutex::new(&NESTING_LOCK, ());

/// How deep epolls may watch epolls.
const MAX_DEPTH: usize = 5;

bitflags! {
    /// What to watch for and how (`EPOLL*`); the lower bits are those of [`PollEvents`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct EventFlags: u32 {
        /// The events of [`PollEvents`].
        const EVENTS = PollEvents::all().bits();
        /// Wake only some of the epolls that watch; all are woken here, which is allowed.
        const EXCLUSIVE = 1 << 28;
        /// Keep the machine awake; it never sleeps here.
        const WAKEUP = 1 << 29;
        /// Report once, then nothing until it is modified.
        const ONESHOT = 1 << 30;
        /// Report changes, not states.
        const EDGE = 1 << 31;
    }
}

impl EventFlags {
    fn events(self) -> PollEvents {
        PollEvents::from_bits_truncate(self.bits())
    }

    fn from_events(events: PollEvents) -> Self {
        Self::from_bits_truncate(events.bits())
    }
}

/// What is watched for, or was found, and the number that the program gave for it (`struct
/// epoll_event`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The events.
    pub flags: EventFlags,
    /// The program's number.
    pub data: u64,
}

/// What `epoll_ctl` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Watch a file.
    Add(Event),
    /// Watch it for something else.
    Modify(Event),
    /// Watch it no more.
    Delete,
}

/// An item is known by the descriptor and the file. The address stays the file's own while the item
/// has its weak reference.
type Key = (Fd, usize);

struct Interest {
    item: Arc<Item>,
    /// Places on the queues of the file; the queues know the ear weakly.
    _watches: Vec<Watch>,
    _ear: Arc<Ear>,
}

#[derive(Default)]
struct Interests {
    map: BTreeMap<Key, Interest>,
    /// Those of closed files are looked for when there are so many.
    tidy_at: usize,
}

impl Interests {
    fn tidy(&mut self) {
        const LEAST: usize = 64;
        if self.map.len() >= self.tidy_at {
            self.map.retain(|_, interest| interest.item.file.strong_count() > 0);
            self.tidy_at = (self.map.len() * 2).max(LEAST);
        }
    }
}

/// An epoll.
struct Epoll {
    interests: Mutex<Interests>,
    ready: Arc<Ready>,
}

fn key(fd: Fd, file: &Arc<File>) -> Key {
    (fd, Arc::as_ptr(file) as usize)
}

impl Epoll {
    fn add(&self, fd: Fd, file: &Arc<File>, event: Event) -> Result<()> {
        let mut interests = self.interests.lock();
        interests.tidy();
        if interests.map.contains_key(&key(fd, file)) {
            return Err(Errno::EEXIST);
        }
        let item = Item::new(file, event, &self.ready);
        let ear = Arc::new(Ear(item.clone()));
        let mut watches = Vec::new();
        let mut watch = |queue: &Arc<WaitQueue>| watches.push(Watch::new(queue.clone(), &ear));
        file.poll(&mut PollTable::new(&mut watch));
        interests
            .map
            .insert(key(fd, file), Interest { item: item.clone(), _watches: watches, _ear: ear });
        drop(interests);
        self.list_if_ready(&item);
        Ok(())
    }

    fn list_if_ready(&self, item: &Arc<Item>) {
        if !item.look().is_empty() && item.list() {
            self.ready.queue.wake_all();
        }
    }

    fn modify(&self, fd: Fd, file: &Arc<File>, event: Event) -> Result<()> {
        let interests = self.interests.lock();
        let item = interests.map.get(&key(fd, file)).ok_or(Errno::ENOENT)?.item.clone();
        item.set_event(event);
        drop(interests);
        self.list_if_ready(&item);
        Ok(())
    }

    fn delete(&self, fd: Fd, file: &Arc<File>) -> Result<()> {
        let interest = self.interests.lock().map.remove(&key(fd, file)).ok_or(Errno::ENOENT)?;
        interest.item.disable();
        Ok(())
    }

    /// Up to `max` reports of what is ready now. Each item on the list is asked once.
    fn collect(&self, max: usize) -> Vec<Event> {
        let mut found = Vec::new();
        for _ in 0..self.ready.len() {
            if found.len() == max {
                break;
            }
            let Some(item) = self.ready.pop() else { break };
            found.extend(item.report());
        }
        found
    }

    fn wait(&self, max: usize, deadline: Option<u64>) -> Result<Vec<Event>> {
        loop {
            let found = self.collect(max);
            if !found.is_empty() || deadline == Some(0) {
                return Ok(found);
            }
            let listed = || (!self.ready.is_empty()).then_some(());
            match self.ready.queue.wait_map(Sleep::Interruptible, deadline, listed) {
                Ok(()) => {}
                Err(WaitError::TimedOut) => return Ok(Vec::new()),
                Err(WaitError::Interrupted) => return Err(Errno::EINTR),
            }
        }
    }

    /// The epolls that this one watches.
    fn nested(&self) -> Vec<Arc<File>> {
        let interests = self.interests.lock();
        let files = interests.map.values().filter_map(|interest| interest.item.file.upgrade());
        files.filter(|file| epoll_of(file).is_ok()).collect()
    }
}

impl FileOperations for Epoll {
    fn is_seekable(&self) -> bool {
        false
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn poll(&self, _file: &File, table: &mut PollTable<'_>) -> PollEvents {
        table.add(&self.ready.queue);
        let any = self.ready.snapshot().iter().any(|item| !item.look().is_empty());
        if any { PollEvents::READABLE } else { PollEvents::empty() }
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        // First the places on the queues, so that nothing is put on the list any more; then the
        // list, whose items refer to it.
        self.interests.get_mut().map.clear();
        self.ready.clear();
    }
}

fn epoll_of(file: &File) -> Result<&Epoll> {
    file.operations().downcast_ref().ok_or(Errno::EINVAL)
}

/// Makes an epoll.
///
/// # Errors
/// ENFILE.
pub fn create(credentials: &Arc<Credentials>) -> Result<Arc<File>> {
    let interests = Mutex::new(&INTERESTS_LOCK, Interests::default());
    let epoll = Epoll { interests, ready: Ready::new() };
    anonymous::open("eventpoll", Arc::new(epoll), OpenFlags::RDWR, credentials)
}

/// Changes what an epoll watches. `fd` is the descriptor by which the program knows the file.
///
/// # Errors
/// EINVAL: not an epoll, or the epoll itself. EPERM: the file cannot be watched. EEXIST, ENOENT.
/// ELOOP: epolls would watch each other in a circle, or too deep.
pub fn control(epoll: &Arc<File>, fd: Fd, file: &Arc<File>, control: Control) -> Result<()> {
    let this = epoll_of(epoll)?;
    if Arc::ptr_eq(epoll, file) {
        return Err(Errno::EINVAL);
    }
    if !file.operations().is_pollable() {
        return Err(Errno::EPERM);
    }
    match control {
        Control::Add(event) if epoll_of(file).is_ok() => {
            let _nesting = NESTING.lock();
            require_no_circle(epoll, file)?;
            this.add(fd, file, event)
        }
        Control::Add(event) => this.add(fd, file, event),
        Control::Modify(event) => this.modify(fd, file, event),
        Control::Delete => this.delete(fd, file),
    }
}

/// ELOOP if `epoll` is among what `file` watches, directly or not, or if that goes too deep.
fn require_no_circle(epoll: &Arc<File>, file: &Arc<File>) -> Result<()> {
    let mut level = alloc::vec![file.clone()];
    for _ in 0..MAX_DEPTH {
        let mut next = Vec::new();
        for watcher in &level {
            if Arc::ptr_eq(watcher, epoll) {
                return Err(Errno::ELOOP);
            }
            next.extend(epoll_of(watcher)?.nested());
        }
        if next.is_empty() {
            return Ok(());
        }
        level = next;
    }
    Err(Errno::ELOOP)
}

/// Waits until something that is watched is ready, and returns up to `max` reports; none after the
/// deadline (monotonic, in nanoseconds; 0 only looks).
///
/// # Errors
/// EINVAL: not an epoll, or `max` is 0. EINTR: a signal came first.
pub fn wait(epoll: &File, max: usize, deadline: Option<u64>) -> Result<Vec<Event>> {
    if max == 0 {
        return Err(Errno::EINVAL);
    }
    epoll_of(epoll)?.wait(max, deadline)
}
