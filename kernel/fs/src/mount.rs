//! Mounts: where file systems are hung into the tree.
//!
//! A mount shows part of a file system (all of it, or for a bind mount what lies below some
//! directory) at a place of another mount. The mounts of a namespace form a tree of their own; a
//! path walk crosses into a child at a dentry that is marked as a mount point, and goes up through
//! the mount's place.
//!
//! A mount is in use while anybody but its place in the tree has a reference to it: each open file,
//! working directory and mount below it does. `umount` refuses then (EBUSY), unless it may detach:
//! a detached mount is out of the tree and lives until its last user has gone.

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use errno::{Errno, Result};
use sync::{LockClass, SpinLock};

use crate::dentry::Dentry;
use crate::path::Path;
use crate::stat::MountFlags;
use crate::superblock::Superblock;

/// Held for a look at one mount's links, and at a child's inside its parent's.
static LINKS_LOCK: LockClass = LockClass::new("mount.links");

/// Where a mount hangs.
struct Place {
    parent: Weak<Mount>,
    point: Arc<Dentry>,
}

/// Its links in the tree of mounts.
struct Links {
    place: Option<Place>,
    children: Vec<Arc<Mount>>,
}

/// A file system hung into the tree.
pub struct Mount {
    id: u32,
    superblock: Arc<Superblock>,
    root: Arc<Dentry>,
    source: String,
    flags: AtomicU32,
    links: SpinLock<Links>,
}

impl Mount {
    /// A mount that is not in a tree yet. `root` is a directory (or for a bind mount any file) of
    /// the superblock.
    pub(crate) fn new(
        superblock: Arc<Superblock>,
        root: Arc<Dentry>,
        source: &str,
        flags: MountFlags,
    ) -> Arc<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        superblock.add_mount();
        Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            superblock,
            root,
            source: source.into(),
            flags: AtomicU32::new(flags.bits()),
            links: SpinLock::new(&LINKS_LOCK, Links { place: None, children: Vec::new() }),
        })
    }

    /// A mount that never gets into a tree: for the kernel's own use, and for files without names.
    pub fn internal(superblock: Arc<Superblock>) -> Arc<Self> {
        let root = superblock.root().clone();
        Self::new(superblock, root, "none", MountFlags::empty())
    }

    /// Its number, for `/proc/PID/mountinfo`.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The file system.
    pub fn superblock(&self) -> &Arc<Superblock> {
        &self.superblock
    }

    /// The topmost place that it shows.
    pub fn root(&self) -> &Arc<Dentry> {
        &self.root
    }

    /// What was given as its source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What may be done through it.
    pub fn flags(&self) -> MountFlags {
        MountFlags::from_bits_truncate(self.flags.load(Ordering::Relaxed))
    }

    /// Changes what may be done through it.
    pub fn set_flags(&self, flags: MountFlags) {
        self.flags.store(flags.bits(), Ordering::Relaxed);
    }

    /// EROFS if nothing may be changed through it.
    pub fn require_writable(&self) -> Result<()> {
        if self.flags().contains(MountFlags::RDONLY) { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// The place that it covers, none if it is a root or was detached.
    pub fn place(&self) -> Option<Path> {
        let links = self.links.lock();
        let place = links.place.as_ref()?;
        Some(Path::new(place.parent.upgrade()?, place.point.clone()))
    }

    /// What is mounted at a dentry of this mount.
    pub(crate) fn child_at(&self, point: &Arc<Dentry>) -> Option<Arc<Self>> {
        let links = self.links.lock();
        // The latest first: a mount over a mount point covers what is there only if it could be
        // reached by its dentry, so there is one at most; a search from the end costs the same.
        links.children.iter().rev().find(|child| child.covers(point)).cloned()
    }

    fn covers(&self, point: &Arc<Dentry>) -> bool {
        // A child's own links are not locked by whoever holds the parent's: the place is set before
        // the child is put among the children, and cleared after it is taken out.
        self.links
            .lock_irq_nested()
            .place
            .as_ref()
            .is_some_and(|place| Arc::ptr_eq(&place.point, point))
    }

    pub(crate) fn children(&self) -> Vec<Arc<Self>> {
        self.links.lock().children.clone()
    }

    /// Hangs it in at a place.
    pub(crate) fn attach_to(self: &Arc<Self>, at: &Path) {
        let place = Place { parent: Arc::downgrade(at.mount()), point: at.dentry().clone() };
        self.links.lock().place = Some(place);
        at.dentry().add_mount();
        at.mount().links.lock().children.push(self.clone());
    }

    /// Takes it out of the tree.
    pub(crate) fn detach(&self) {
        let Some(at) = self.place() else { return };
        let removed = {
            let mut links = at.mount().links.lock();
            let index =
                links.children.iter().position(|child| core::ptr::eq(Arc::as_ptr(child), self));
            index.map(|index| links.children.remove(index))
        };
        at.dentry().remove_mount();
        let place = self.links.lock().place.take();
        drop((removed, place));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.superblock.remove_mount();
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mount({} {})", self.id, self.superblock.kind())
    }
}
