//! Dentries: names that have been looked up, and the tree they form.
//!
//! A dentry ties a name in a directory to an inode. It keeps its parent alive, so whoever holds one
//! (an open file, a working directory, a mount point) can tell its path. Downwards, a directory
//! keeps those children that its file system allows to be cached, and knows the others for as long
//! as somebody holds them; so there is one dentry for a place at any time.
//!
//! ```text
//!            keeps                     looks up, or finds in `children`
//!   child ─────────> parent     parent ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄> child
//! ```
//!
//! Whoever changes a directory's names, or asks its file system for one, holds the directory's
//! `names` mutex ([`Names`]), so that what the file system has and what is cached here change as
//! one. A name that is cached is found without it.
//!
//! Locks: `fs.rename`, then one directory's `names` or two (an ancestor first, else by address, as
//! [`Names::lock_both`] has it), then the file system's locks, then `children` and `place`, which
//! are leaves.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use errno::{Errno, Result};
use sched::{Mutex, MutexGuard};
use sync::{LockClass, SpinLock};

use crate::children::Children;
use crate::inode::Inode;

/// A component of a path.
pub type Name = Arc<[u8]>;

/// See the order above.
static NAMES_LOCK: LockClass = LockClass::new("dentry.names");
/// A leaf lock.
static CHILDREN_LOCK: LockClass = LockClass::new("dentry.children");
/// A leaf lock.
static PLACE_LOCK: LockClass = LockClass::new("dentry.place");

enum Child {
    Kept(Arc<Dentry>),
    Known(Weak<Dentry>),
}

impl Child {
    fn get(&self) -> Option<Arc<Dentry>> {
        match self {
            Self::Kept(dentry) => Some(dentry.clone()),
            Self::Known(dentry) => dentry.upgrade(),
        }
    }

    fn is(&self, dentry: &Dentry) -> bool {
        let pointer = match self {
            Self::Kept(child) => Arc::as_ptr(child),
            Self::Known(child) => child.as_ptr(),
        };
        core::ptr::eq(pointer, dentry)
    }
}

/// Where in the tree a dentry is.
struct Place {
    /// None for the root of a file system and for what has no name.
    parent: Option<Arc<Dentry>>,
    name: Name,
}

/// A name that leads to an inode.
pub struct Dentry {
    inode: Arc<dyn Inode>,
    names: Mutex<()>,
    place: SpinLock<Place>,
    children: SpinLock<Children<Child>>,
    /// The name was removed; what it led to may still be open.
    removed: AtomicBool,
    /// Never was in a directory: a pipe, a socket, an epoll. `name` is what to show.
    anonymous: bool,
    /// How many mounts have this place as their mount point.
    mounts: AtomicU32,
}

impl Dentry {
    fn build(
        inode: Arc<dyn Inode>,
        parent: Option<Arc<Dentry>>,
        name: Name,
        anonymous: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            inode,
            names: Mutex::new(&NAMES_LOCK, ()),
            place: SpinLock::new(&PLACE_LOCK, Place { parent, name }),
            children: SpinLock::new(&CHILDREN_LOCK, Children::new()),
            removed: AtomicBool::new(false),
            anonymous,
            mounts: AtomicU32::new(0),
        })
    }

    /// The root of a file system.
    pub fn root(inode: Arc<dyn Inode>) -> Arc<Self> {
        Self::build(inode, None, Name::from(*b"/"), false)
    }

    /// Something that has no place in a tree; `shown` is what `/proc/PID/fd` shows for it.
    pub fn anonymous(inode: Arc<dyn Inode>, shown: &[u8]) -> Arc<Self> {
        Self::build(inode, None, Name::from(shown), true)
    }

    /// A child that is in no directory from the start (O_TMPFILE).
    pub(crate) fn unnamed(inode: Arc<dyn Inode>, parent: &Arc<Self>, shown: &[u8]) -> Arc<Self> {
        let dentry = Self::build(inode, Some(parent.clone()), Name::from(shown), false);
        dentry.removed.store(true, Ordering::Relaxed);
        dentry
    }

    /// What the name leads to.
    pub fn inode(&self) -> &Arc<dyn Inode> {
        &self.inode
    }

    /// The name as it is now.
    pub fn name(&self) -> Name {
        self.place.lock().name.clone()
    }

    /// The directory it is in as of now; none for a root.
    pub fn parent(&self) -> Option<Arc<Self>> {
        self.place.lock().parent.clone()
    }

    pub(crate) fn parent_and_name(&self) -> (Option<Arc<Self>>, Name) {
        let place = self.place.lock();
        (place.parent.clone(), place.name.clone())
    }

    /// Whether the name was removed.
    pub fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Relaxed)
    }

    /// Whether it never was in a tree.
    pub fn is_anonymous(&self) -> bool {
        self.anonymous
    }

    pub(crate) fn is_mount_point(&self) -> bool {
        self.mounts.load(Ordering::Acquire) != 0
    }

    pub(crate) fn add_mount(&self) {
        self.mounts.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn remove_mount(&self) {
        self.mounts.fetch_sub(1, Ordering::AcqRel);
    }

    /// The child with this name, cached or not. `keep`: the file system is mounted, so children may
    /// be cached. May sleep.
    ///
    /// # Errors
    /// As [`Inode::lookup`].
    pub fn lookup(self: &Arc<Self>, name: &[u8], keep: bool) -> Result<Arc<Self>> {
        match self.known(name) {
            Some(child) if child.inode.is_current() => Ok(child),
            _ => Names::lock(self, keep).lookup(name),
        }
    }

    /// The child with this name, if it has been looked up and is still known.
    #[inline]
    fn known(&self, name: &[u8]) -> Option<Arc<Self>> {
        self.children.lock().get(name)?.get()
    }

    /// Stops knowing a child, if it is the one known by its name.
    fn forget(&self, child: &Dentry) {
        let name = child.name();
        let mut children = self.children.lock();
        let known = children.get(&name).is_some_and(|known| known.is(child));
        let removed = if known { children.remove(&name) } else { None };
        drop(children);
        drop(removed);
    }

    fn move_to(self: &Arc<Self>, to: &Arc<Dentry>, name: Name, keep: bool) {
        let place = Place { parent: Some(to.clone()), name: name.clone() };
        let old = core::mem::replace(&mut *self.place.lock(), place);
        drop(old);
        to.know(name, self, keep);
    }

    fn know(&self, name: Name, child: &Arc<Dentry>, keep: bool) {
        let child = if keep && child.inode.is_cacheable() {
            Child::Kept(child.clone())
        } else {
            Child::Known(Arc::downgrade(child))
        };
        let replaced = self.children.lock().insert(name, child);
        drop(replaced);
    }

    /// Whether `self` is `other` or lies below it.
    pub fn is_within(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        let mut at = self.clone();
        loop {
            if Arc::ptr_eq(&at, other) {
                return true;
            }
            let Some(parent) = at.parent() else { return false };
            at = parent;
        }
    }

    /// Stops keeping what is below this dentry; what is in use stays known. Works through the tree
    /// with a list, as a tree may be deeper than a kernel stack.
    pub fn uncache_descendants(&self) {
        let mut left = self.uncache_children();
        while let Some(dentry) = left.pop() {
            left.append(&mut dentry.uncache_children());
        }
    }

    fn uncache_children(&self) -> Vec<Arc<Self>> {
        let mut kept = Vec::new();
        self.children.lock().for_each_mut(|child| {
            if let Child::Kept(dentry) = child {
                let known = Child::Known(Arc::downgrade(dentry));
                if let Child::Kept(dentry) = core::mem::replace(child, known) {
                    kept.push(dentry);
                }
            }
        });
        kept
    }
}

/// The names of a directory, locked for a change of them.
pub(crate) struct Names<'a> {
    directory: &'a Arc<Dentry>,
    keep: bool,
    _lock: MutexGuard<'a, ()>,
}

impl<'a> Names<'a> {
    /// Locks a directory's names. May sleep.
    pub(crate) fn lock(directory: &'a Arc<Dentry>, keep: bool) -> Self {
        Self { directory, keep, _lock: directory.names.lock() }
    }

    /// Locks two directories' names, which may be one: then the second is `None`. The caller holds
    /// the file system's `rename` lock if they are not, so that none becomes the other's ancestor
    /// meanwhile.
    pub(crate) fn lock_both(
        one: &'a Arc<Dentry>,
        other: &'a Arc<Dentry>,
        keep: bool,
    ) -> (Self, Option<Self>) {
        let nested = |directory: &'a Arc<Dentry>| Self {
            directory,
            keep,
            _lock: directory.names.lock_nested(),
        };
        if Arc::ptr_eq(one, other) {
            return (Self::lock(one, keep), None);
        }
        let other_first =
            one.is_within(other) || !other.is_within(one) && Arc::as_ptr(other) < Arc::as_ptr(one);
        if other_first {
            let other = Self::lock(other, keep);
            (nested(one), Some(other))
        } else {
            let one = Self::lock(one, keep);
            let other = nested(other);
            (one, Some(other))
        }
    }

    /// The child with this name.
    ///
    /// # Errors
    /// As [`Inode::lookup`].
    pub(crate) fn lookup(&self, name: &[u8]) -> Result<Arc<Dentry>> {
        if let Some(child) = self.directory.known(name) {
            if child.inode.is_current() {
                return Ok(child);
            }
            self.directory.forget(&child);
        }
        Ok(self.insert(name, self.directory.inode.lookup(name)?))
    }

    /// ENOENT if the directory was removed: nothing is made in it then.
    pub(crate) fn require_alive(&self) -> Result<()> {
        if self.directory.is_removed() { Err(Errno::ENOENT) } else { Ok(()) }
    }

    /// Ties a name to the inode that was looked up or made for it.
    pub(crate) fn insert(&self, name: &[u8], inode: Arc<dyn Inode>) -> Arc<Dentry> {
        let name = Name::from(name);
        let child = Dentry::build(inode, Some(self.directory.clone()), name.clone(), false);
        self.directory.know(name, &child, self.keep);
        child
    }

    /// The name of a child was removed.
    pub(crate) fn removed(&self, child: &Dentry) {
        child.removed.store(true, Ordering::Relaxed);
        self.directory.forget(child);
    }

    /// A child has moved to `to` (this directory if `None`) under a new name. `replaced` is the
    /// dentry that was there.
    pub(crate) fn renamed(
        &self,
        child: &Arc<Dentry>,
        to: Option<&Self>,
        new_name: &[u8],
        replaced: Option<&Dentry>,
    ) {
        let to = to.unwrap_or(self);
        if let Some(replaced) = replaced {
            to.removed(replaced);
        }
        self.directory.forget(child);
        child.move_to(to.directory, Name::from(new_name), self.keep);
    }

    /// A child has changed places with another one, of `to` or of this directory.
    pub(crate) fn exchanged(&self, child: &Arc<Dentry>, to: Option<&Self>, other: &Arc<Dentry>) {
        let to = to.unwrap_or(self);
        let (name, other_name) = (child.name(), other.name());
        self.directory.forget(child);
        to.directory.forget(other);
        child.move_to(to.directory, other_name, self.keep);
        other.move_to(self.directory, name, self.keep);
    }
}

impl Drop for Dentry {
    /// Goes up the chain of parents in a loop: dropping one parent from within another's drop would
    /// need a stack as deep as the tree.
    fn drop(&mut self) {
        let mut next = self.leave();
        while let Some(parent) = next {
            next = Arc::into_inner(parent).and_then(|mut parent| parent.leave());
        }
    }
}

impl Dentry {
    /// Takes the parent, after taking the entry out of it that knew this dentry.
    fn leave(&mut self) -> Option<Arc<Dentry>> {
        let place = self.place.get_mut();
        let parent = place.parent.take()?;
        let mut children = parent.children.lock();
        let stale = match children.get(&place.name) {
            Some(Child::Known(weak)) => weak.strong_count() == 0,
            _ => false,
        };
        let removed = if stale { children.remove(&place.name) } else { None };
        drop(children);
        drop(removed);
        Some(parent)
    }
}

impl core::fmt::Debug for Dentry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Dentry({})", alloc::string::String::from_utf8_lossy(&self.name()))
    }
}
