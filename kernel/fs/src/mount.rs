//! Mounts: where file systems are hung into the tree.
//!
//! A mount shows part of a file system (all of it, or for a bind mount what lies below some directory) at a place of
//! another mount. The mounts of a namespace form a tree of their own; a path walk crosses into a child at a dentry that is
//! marked as a mount point, and goes up through the mount's place.
//!
//! A mount is in use while anybody but its place in the tree has a reference to it: each open file, working directory and
//! mount below it does. `umount` refuses then (EBUSY), unless it may detach: a detached mount is out of the
//! tree and lives until its last user has gone.

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};

use errno::{Errno, Result};
use sync::{LockClass, SpinLock};

use crate::dentry::Dentry;
use crate::path::{Path, Top, join};
use crate::stat::{FileType, MountFlags};
use crate::superblock::Superblock;

/// One change to a tree of mounts at a time. Taken before `mount.links`.
static NAMESPACE_LOCK: LockClass = LockClass::new("mount.namespace");
/// Held for a look at one mount's links; nothing is taken inside.
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
    /// A mount that is not in a tree yet. `root` is a directory (or for a bind mount any file) of the superblock.
    fn new(
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
        // The latest first: a mount over a mount point covers what is there only if it could be reached by
        // its dentry, so there is one at most; a search from the end costs the same.
        links.children.iter().rev().find(|child| child.covers(point)).cloned()
    }

    fn covers(&self, point: &Arc<Dentry>) -> bool {
        // A child's own links are not locked by whoever holds the parent's: the place is set before the child is put among
        // the children, and cleared after it is taken out.
        self.links
            .lock_irq_nested()
            .place
            .as_ref()
            .is_some_and(|place| Arc::ptr_eq(&place.point, point))
    }

    fn children(&self) -> Vec<Arc<Self>> {
        self.links.lock().children.clone()
    }

    fn attach_to(self: &Arc<Self>, at: &Path) {
        let place = Place { parent: Arc::downgrade(at.mount()), point: at.dentry().clone() };
        self.links.lock().place = Some(place);
        at.dentry().add_mount();
        at.mount().links.lock().children.push(self.clone());
    }

    fn detach(&self) {
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
        // Children of a detached mount that were not taken out go with it.
        self.superblock.remove_mount();
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mount({} {})", self.id, self.superblock.kind())
    }
}

/// A tree of mounts, shared by all who see it.
pub struct MountNamespace {
    root: Arc<Mount>,
    /// Held while the tree is changed.
    changes: SpinLock<()>,
}

impl MountNamespace {
    /// A tree with one mount, the root file system.
    pub fn new(superblock: Arc<Superblock>, source: &str) -> Arc<Self> {
        let root = superblock.root().clone();
        Arc::new(Self {
            root: Mount::new(superblock, root, source, MountFlags::empty()),
            changes: SpinLock::new(&NAMESPACE_LOCK, ()),
        })
    }

    /// The root directory, with whatever is mounted over it.
    pub fn root(&self) -> Path {
        Path::new(self.root.clone(), self.root.root().clone()).into_covering()
    }

    /// Hangs a file system in at a directory.
    ///
    /// # Errors
    /// ENOTDIR; ENOENT: the directory was removed.
    pub fn mount(
        &self,
        superblock: Arc<Superblock>,
        source: &str,
        at: &Path,
        flags: MountFlags,
    ) -> Result<Arc<Mount>> {
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

    /// Copies the mounts below `from` to the same places of `to`. The depth of mounts is a loop, not a recursion.
    fn copy_children(&self, from: &Path, to: &Arc<Mount>) {
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
                left.push((child, child_root.dentry().clone(), child_copy));
            }
        }
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
    /// EINVAL: not the root of a mount, or the root of the namespace. ELOOP: into itself. As [`mount`](Self::mount).
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

    /// Takes the mount whose root `at` is out of the tree. `detach`: even if it is in use, and with all that is mounted below it.
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
        if !detach && (Arc::strong_count(&mount) > 2 || !mount.links.lock().children.is_empty()) {
            return Err(Errno::EBUSY);
        }
        let mut left = Vec::from([mount]);
        while let Some(mount) = left.pop() {
            left.extend(mount.children());
            mount.detach();
        }
        Ok(())
    }

    /// The mounts in the order in which `/proc/mounts` lists them, parents first, each with its place.
    pub fn mounts(&self) -> Vec<Arc<Mount>> {
        let mut found = Vec::new();
        let mut left = Vec::from([self.root.clone()]);
        while let Some(mount) = left.pop() {
            left.extend(mount.children().into_iter().rev());
            found.push(mount);
        }
        found
    }

    /// Writes a line for each mount that can be reached from `root`: `/proc/mounts`.
    pub fn show(&self, root: &Path, out: &mut dyn Write) -> fmt::Result {
        for mount in self.mounts() {
            let top = Path::new(mount.clone(), mount.root().clone());
            let (place, Top::Root) = top.walk_up(Some(root)) else { continue };
            show_escaped(out, mount.source().as_bytes())?;
            out.write_char(' ')?;
            show_escaped(out, &place)?;
            write!(out, " {} ", mount.superblock().kind())?;
            show_flags(out, mount.flags())?;
            mount.superblock().file_system().show_options(out)?;
            out.write_str(" 0 0\n")?;
        }
        Ok(())
    }

    /// Writes `/proc/PID/mountinfo`.
    pub fn show_info(&self, root: &Path, out: &mut dyn Write) -> fmt::Result {
        for mount in self.mounts() {
            let top = Path::new(mount.clone(), mount.root().clone());
            let (place, Top::Root) = top.walk_up(Some(root)) else { continue };
            let parent = mount.place().map_or(mount.id(), |place| place.mount().id());
            let device = mount.root().inode().stat().map(|stat| stat.device).unwrap_or_default();
            write!(out, "{} {} {}:{} ", mount.id(), parent, device.major, device.minor)?;
            let base = Path::new(mount.clone(), mount.superblock().root().clone());
            show_escaped(out, &path_in_file_system(mount.root(), &base))?;
            out.write_char(' ')?;
            show_escaped(out, &place)?;
            out.write_char(' ')?;
            show_flags(out, mount.flags())?;
            write!(out, " - {} ", mount.superblock().kind())?;
            show_escaped(out, mount.source().as_bytes())?;
            out.write_str(" rw")?;
            mount.superblock().file_system().show_options(out)?;
            out.write_char('\n')?;
        }
        Ok(())
    }
}

fn path_in_file_system(dentry: &Arc<Dentry>, base: &Path) -> Vec<u8> {
    let mut names = Vec::new();
    let mut at = dentry.clone();
    while !Arc::ptr_eq(&at, base.dentry()) {
        let (parent, name) = at.parent_and_name();
        let Some(parent) = parent else { break };
        names.push(name);
        at = parent;
    }
    join(&names)
}

/// Writes text with blanks, tabs, line ends and backslashes as octal numbers.
fn show_escaped(out: &mut dyn Write, text: &[u8]) -> fmt::Result {
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                ' ' | '\t' | '\n' | '\\' | '#' => write!(out, "\\{:03o}", character as u32)?,
                _ => out.write_char(character)?,
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\{byte:03o}")?;
        }
    }
    Ok(())
}

fn show_flags(out: &mut dyn Write, flags: MountFlags) -> fmt::Result {
    out.write_str(if flags.contains(MountFlags::RDONLY) { "ro" } else { "rw" })?;
    for (flag, name) in [
        (MountFlags::SYNCHRONOUS, "sync"),
        (MountFlags::NOSUID, "nosuid"),
        (MountFlags::NODEV, "nodev"),
        (MountFlags::NOEXEC, "noexec"),
        (MountFlags::NOATIME, "noatime"),
        (MountFlags::NODIRATIME, "nodiratime"),
        (MountFlags::RELATIME, "relatime"),
    ] {
        if flags.contains(flag) {
            write!(out, ",{name}")?;
        }
    }
    Ok(())
}
