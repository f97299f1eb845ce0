//! A tree of mounts, and the changes of it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use errno::{Errno, Result};
use sync::{LockClass, SpinLock};

use crate::dentry::Dentry;
use crate::mount::Mount;
use crate::path::Path;
use crate::stat::{FileType, MountFlags};
use crate::superblock::Superblock;

/// One change to a tree of mounts at a time. Taken before `mount.links`.
static NAMESPACE_LOCK: LockClass = LockClass::new("mount.namespace");

/// The most mounts in a tree (`/proc/sys/fs/mount-max`).
const MOUNTS_MAX: usize = 100_000;

/// Mounts and their copies.
type Copies = Vec<(Arc<Mount>, Arc<Mount>)>;

/// A tree of mounts, shared by all who see it.
pub struct MountNamespace {
    inode: u64,
    root: Arc<Mount>,
    /// Held while the tree is changed.
    changes: SpinLock<()>,
}

impl MountNamespace {
    /// A tree with one mount, the root file system.
    pub fn new(superblock: Arc<Superblock>, source: &str) -> Arc<Self> {
        let root = superblock.root().clone();
        Self::with_root(Mount::new(superblock, root, source, MountFlags::empty()))
    }

    fn with_root(root: Arc<Mount>) -> Arc<Self> {
        /// Linux numbers namespaces other than its first ones from here on.
        static NEXT: AtomicU64 = AtomicU64::new(0xf800_0000);
        let inode = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { inode, root, changes: SpinLock::new(&NAMESPACE_LOCK, ()) })
    }

    /// The number that `/proc/PID/ns/mnt` shows.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// A tree with the same mounts, and which mount of it stands for which of this one.
    ///
    /// # Errors
    /// ENOSPC: too many mounts.
    pub(crate) fn copy_all(&self) -> Result<(Arc<Self>, Copies)> {
        if self.mounts().len() > MOUNTS_MAX {
            return Err(Errno::ENOSPC);
        }
        let top = Path::new(self.root.clone(), self.root.root().clone());
        let root = self.copy(&top);
        let mut copies = self.copy_children(&top, &root);
        copies.push((self.root.clone(), root.clone()));
        Ok((Self::with_root(root), copies))
    }

    /// The root directory, with whatever is mounted over it.
    pub fn root(&self) -> Path {
        Path::new(self.root.clone(), self.root.root().clone()).into_covering()
    }

    /// Hangs a file system in at a directory.
    ///
    /// # Errors
    /// ENOTDIR; ENOENT: the directory was removed. EBUSY: the same file system is mounted there.
    pub fn mount(
        &self,
        superblock: Arc<Superblock>,
        source: &str,
        at: &Path,
        flags: MountFlags,
    ) -> Result<Arc<Mount>> {
        let covered = at.clone().into_covering();
        if Arc::ptr_eq(covered.mount().superblock(), &superblock) && covered.covered().is_some() {
            return Err(Errno::EBUSY);
        }
        let root = superblock.root().clone();
        let mount = Mount::new(superblock, root, source, flags);
        self.attach(&mount, at)?;
        Ok(mount)
    }

    /// Shows what is at `from` at another place too.
    ///
    /// # Errors
    /// As [`mount`](Self::mount).
    pub fn bind(&self, from: &Path, at: &Path, recursive: bool) -> Result<Arc<Mount>> {
        let copy = self.copy(from);
        if recursive {
            self.copy_children(from, &copy);
        }
        self.attach(&copy, at)?;
        Ok(copy)
    }

    fn copy(&self, from: &Path) -> Arc<Mount> {
        let source = from.mount();
        Mount::new(
            source.superblock().clone(),
            from.dentry().clone(),
            source.source(),
            source.flags(),
        )
    }

    /// Copies the mounts below `from` to the same places of `to`. The depth of mounts is a loop,
    /// not a recursion.
    fn copy_children(&self, from: &Path, to: &Arc<Mount>) -> Copies {
        let mut copies = Copies::new();
        let mut left = Vec::from([(from.mount().clone(), from.dentry().clone(), to.clone())]);
        while let Some((mount, top, copy)) = left.pop() {
            for child in mount.children() {
                let Some(place) = child.place() else { continue };
                if !place.dentry().is_within(&top) {
                    continue;
                }
                let child_root = Path::new(child.clone(), child.root().clone());
                let child_copy = self.copy(&child_root);
                child_copy.attach_to(&Path::new(copy.clone(), place.dentry().clone()));
                copies.push((child.clone(), child_copy.clone()));
                left.push((child, child_root.dentry().clone(), child_copy));
            }
        }
        copies
    }

    fn attach(&self, mount: &Arc<Mount>, at: &Path) -> Result<()> {
        let is_directory = |dentry: &Dentry| dentry.inode().file_type() == FileType::Directory;
        if is_directory(mount.root()) != is_directory(at.dentry()) {
            return Err(Errno::ENOTDIR);
        }
        if at.dentry().is_removed() {
            return Err(Errno::ENOENT);
        }
        let _changes = self.changes.lock();
        mount.attach_to(&at.clone().into_covering());
        Ok(())
    }

    /// Moves a mount to another place. `mount` is the root of one.
    ///
    /// # Errors
    /// EINVAL: not the root of a mount, or the root of the namespace. ELOOP: into itself. As
    /// [`mount`](Self::mount).
    pub fn move_to(&self, mount: &Path, at: &Path) -> Result<()> {
        if !Arc::ptr_eq(mount.dentry(), mount.mount().root()) || mount.covered().is_none() {
            return Err(Errno::EINVAL);
        }
        let mut above = Some(at.mount().clone());
        while let Some(ancestor) = above {
            if Arc::ptr_eq(&ancestor, mount.mount()) {
                return Err(Errno::ELOOP);
            }
            above = ancestor.place().map(|place| place.mount().clone());
        }
        let moved = mount.mount().clone();
        {
            let _changes = self.changes.lock();
            moved.detach();
        }
        self.attach(&moved, at)
    }

    /// Takes the mount whose root `at` is out of the tree. `detach`: even if it is in use, and with
    /// all that is mounted below it.
    ///
    /// # Errors
    /// EINVAL: not the root of a mount. EBUSY: in use, or the root of the namespace.
    pub fn unmount(&self, at: Path, detach: bool) -> Result<()> {
        let (mount, is_root) = (at.mount().clone(), Arc::ptr_eq(at.dentry(), at.mount().root()));
        drop(at);
        if !is_root {
            return Err(Errno::EINVAL);
        }
        if Arc::ptr_eq(&mount, &self.root) {
            return Err(Errno::EBUSY);
        }
        let _changes = self.changes.lock();
        if mount.place().is_none() {
            return Err(Errno::EINVAL);
        }
        // One reference is the tree's, one is ours.
        if !detach && (Arc::strong_count(&mount) > 2 || !mount.children().is_empty()) {
            return Err(Errno::EBUSY);
        }
        let mut left = Vec::from([mount]);
        while let Some(mount) = left.pop() {
            left.extend(mount.children());
            mount.detach();
        }
        Ok(())
    }

    /// The mounts in the order in which `/proc/mounts` lists them, parents first, each with its
    /// place.
    pub fn mounts(&self) -> Vec<Arc<Mount>> {
        let mut found = Vec::new();
        let mut left = Vec::from([self.root.clone()]);
        while let Some(mount) = left.pop() {
            left.extend(mount.children().into_iter().rev());
            found.push(mount);
        }
        found
    }
}

impl Drop for MountNamespace {
    /// Nobody sees the tree any more: its mounts leave the places that they cover, which other trees may have too.
    fn drop(&mut self) {
        let mut left = self.root.children();
        while let Some(mount) = left.pop() {
            left.extend(mount.children());
            mount.detach();
        }
    }
}
