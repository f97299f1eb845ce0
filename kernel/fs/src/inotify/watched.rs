//! The inodes that are watched, and the telling.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use sync::{LockClass, SpinLock};

use super::event::Event;
use super::{Events, Instance};
use crate::dentry::Dentry;
use crate::inode::Inode;
use crate::stat::FileType;

/// A leaf.
static WATCHED_LOCK: LockClass = LockClass::new("inotify.watched");

/// An instance's interest in an inode, which it keeps: so the inode's address stays its own.
pub(super) struct Watch {
    pub(super) number: i32,
    pub(super) inode: Arc<dyn Inode>,
    mask: AtomicU32,
    instance: Weak<Instance>,
}

impl Watch {
    pub(super) fn new(
        number: i32,
        inode: Arc<dyn Inode>,
        mask: Events,
        instance: Weak<Instance>,
    ) -> Arc<Self> {
        Arc::new(Self { number, inode, mask: AtomicU32::new(mask.bits()), instance })
    }

    pub(super) fn set_mask(&self, mask: Events, add: bool) {
        if add {
            self.mask.fetch_or(mask.bits(), Ordering::Relaxed);
        } else {
            self.mask.store(mask.bits(), Ordering::Relaxed);
        }
    }

    fn mask(&self) -> Events {
        Events::from_bits_retain(self.mask.load(Ordering::Relaxed))
    }
}

static WATCHED: SpinLock<BTreeMap<usize, Vec<Arc<Watch>>>> =
    SpinLock::new(&WATCHED_LOCK, BTreeMap::new());

/// How many watches there are, for a look without the lock. Whoever has just been added may miss what goes on at
/// that moment.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn key(inode: &Arc<dyn Inode>) -> usize {
    Arc::as_ptr(inode).cast::<()>() as usize
}

pub(super) fn enter(watch: Arc<Watch>) {
    WATCHED.lock().entry(key(&watch.inode)).or_default().push(watch);
    COUNT.fetch_add(1, Ordering::Relaxed);
}

pub(super) fn leave(watch: &Arc<Watch>) {
    let mut watched = WATCHED.lock();
    let place = key(&watch.inode);
    let Some(list) = watched.get_mut(&place) else { return };
    let index = list.iter().position(|other| Arc::ptr_eq(other, watch));
    let removed = index.map(|index| list.swap_remove(index));
    let empty = if list.is_empty() { watched.remove(&place) } else { None };
    drop(watched);
    if removed.is_some() {
        COUNT.fetch_sub(1, Ordering::Relaxed);
    }
    drop((removed, empty));
}

/// Whether anything is watched at all.
#[inline]
pub(crate) fn is_active() -> bool {
    COUNT.load(Ordering::Relaxed) != 0
}

/// A number that ties the two halves of a rename.
pub(crate) fn cookie() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Tells who watches a file, and who watches the directory that it is in by this name.
#[inline]
pub(crate) fn tell(dentry: &Arc<Dentry>, events: Events) {
    if is_active() && !dentry.is_anonymous() {
        tell_both(dentry, events);
    }
}

#[cold]
fn tell_both(dentry: &Arc<Dentry>, events: Events) {
    if let Some(parent) = dentry.parent() {
        let mut events = events;
        if dentry.inode().file_type() == FileType::Directory {
            events |= Events::ISDIR;
        }
        let unlinked = dentry.is_removed();
        tell_watches(parent.inode(), events, 0, &dentry.name(), unlinked);
    }
    tell_inode(dentry.inode(), events, 0, b"");
}

/// Tells who watches an inode: of something done to it, or to a name in it.
pub(crate) fn tell_inode(inode: &Arc<dyn Inode>, events: Events, cookie: u32, name: &[u8]) {
    if is_active() {
        let is_directory = name.is_empty() && inode.file_type() == FileType::Directory;
        let kind = if is_directory { Events::ISDIR } else { Events::empty() };
        tell_watches(inode, events | kind, cookie, name, false);
    }
}

/// The kernel has changed what a file shows.
pub fn modified(inode: &Arc<dyn Inode>) {
    tell_inode(inode, Events::MODIFY, 0, b"");
}

fn tell_watches(inode: &Arc<dyn Inode>, events: Events, cookie: u32, name: &[u8], unlinked: bool) {
    let watches = WATCHED.lock().get(&key(inode)).cloned().unwrap_or_default();
    for watch in watches {
        let mask = watch.mask();
        let gone = events.contains(Events::DELETE_SELF);
        let Some(instance) = watch.instance.upgrade() else { continue };
        let wanted = mask.intersects(events & Events::ALL);
        if wanted && !(unlinked && mask.contains(Events::EXCL_UNLINK)) {
            // A file's own end is told without saying what it was.
            let shown = if gone { events - Events::ISDIR } else { events };
            instance.queue(Event::new(watch.number, shown, cookie, name));
        }
        if gone || wanted && mask.contains(Events::ONESHOT) {
            leave(&watch);
            instance.forget(&watch);
        }
    }
}
