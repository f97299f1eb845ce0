//! The inodes of a file system in memory.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use errno::{Errno, Result};
use fault::Point;
use memory::PAGE_SIZE;
use sync::{LockClass, SpinGuard, SpinLock};

use super::Instance;
use super::content::Content;
use super::directory::Directory;
use crate::attributes::{Attributes, Ownership, SetAttributes};
use crate::char_device;
use crate::credentials::Capabilities;
use crate::file::File;
use crate::flags::{OpenFlags, RenameFlags};
use crate::inode::{Inode, LinkTarget, NewNode, NodeKind};
use crate::operations::FileOperations;
use crate::pipe::{self, Fifo};
use crate::stat::{DeviceNumber, FileType, MountFlags, S_ISGID, S_ISUID, Stat};

/// Inside `tmpfs.tree` where more than one is taken.
static DIRECTORY_LOCK: LockClass = LockClass::new("tmpfs.directory");
/// Inside `tmpfs.directory`.
static ATTRIBUTES_LOCK: LockClass = LockClass::new("tmpfs.attributes");

/// The most names of one file.
const MAX_LINKS: u32 = 65_000;

/// Bytes that a name takes off a directory's size as `stat` shows it.
const ENTRY_SIZE: u64 = 20;

/// What a node is.
pub(super) enum Kind {
    Regular(Content),
    Directory(SpinLock<Directory>),
    Symlink(Box<[u8]>),
    Fifo(Arc<Fifo>),
    CharDevice(DeviceNumber),
    BlockDevice(DeviceNumber),
    Socket,
}

/// An inode in memory. It is also what its opened files work on: it has no state per open.
pub(crate) struct Node {
    pub(super) instance: Arc<Instance>,
    pub(super) number: u64,
    created: u64,
    attributes: SpinLock<Attributes>,
    pub(super) kind: Kind,
    /// The keeper of devtmpfs has made it, and may remove it.
    kept: AtomicBool,
}

impl Node {
    /// A node with one link (a directory: two) that is not in any directory yet.
    ///
    /// # Errors
    /// ENOSPC: the instance has no inode left.
    pub(super) fn new(instance: &Arc<Instance>, new: &NewNode<'_>) -> Result<Arc<Self>> {
        if fault::should_fail(Point::Inode) {
            return Err(Errno::ENOSPC);
        }
        instance.inodes.charge(1)?;
        let kind = match new.kind {
            NodeKind::Regular => Kind::Regular(Content::new(instance.pages.clone(), 0)),
            NodeKind::Directory => {
                Kind::Directory(SpinLock::new(&DIRECTORY_LOCK, Directory::new()))
            }
            NodeKind::Symlink(target) => Kind::Symlink(target.into()),
            NodeKind::Fifo => Kind::Fifo(Fifo::new()),
            NodeKind::CharDevice(device) => Kind::CharDevice(device),
            NodeKind::BlockDevice(device) => Kind::BlockDevice(device),
            NodeKind::Socket => Kind::Socket,
        };
        let attributes = Attributes::new(new);
        Ok(Arc::new(Self {
            instance: instance.clone(),
            number: instance.next_number(),
            created: attributes.changed,
            attributes: SpinLock::new(&ATTRIBUTES_LOCK, attributes),
            kind,
            kept: AtomicBool::new(false),
        }))
    }

    /// Says that the keeper of devtmpfs has made it. Before it has a name that others can find.
    pub(crate) fn set_kept(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Whether the keeper of devtmpfs has made it.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    pub(super) fn directory(&self) -> Result<SpinGuard<'_, Directory>> {
        match &self.kind {
            Kind::Directory(directory) => Ok(directory.lock()),
            _ => Err(Errno::ENOTDIR),
        }
    }

    pub(super) fn content(&self) -> Result<&Content> {
        match &self.kind {
            Kind::Regular(content) => Ok(content),
            Kind::Directory(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory(_))
    }

    /// The contents have changed now.
    pub(super) fn touch_modified(&self) {
        self.attributes.lock().touch_modified();
    }

    /// What `stat` tells has changed now, and the number of names perhaps.
    pub(super) fn touch_changed(&self, links: i32) {
        let mut attributes = self.attributes.lock();
        attributes.touch_changed();
        attributes.links = attributes.links.saturating_add_signed(links);
    }

    /// The file was read. As `relatime` has it: remembered only if it was changed since, or a day
    /// has passed.
    pub(super) fn touch_accessed(&self, file: &File) {
        const DAY: u64 = 86_400 * time::SECOND;
        let off = MountFlags::NOATIME | MountFlags::RDONLY;
        if file.flags().contains(OpenFlags::NOATIME) || file.path().mount().flags().intersects(off)
        {
            return;
        }
        let now = time::realtime();
        let mut attributes = self.attributes.lock();
        let newest_change = attributes.modified.max(attributes.changed);
        if attributes.accessed <= newest_change || now.saturating_sub(attributes.accessed) > DAY {
            attributes.accessed = now;
        }
    }

    /// Somebody writes: a file that runs as somebody else stops to, unless they may keep it so.
    pub(super) fn drop_set_id_bits(&self, file: &File) {
        if file.credentials().capable(Capabilities::FSETID) {
            return;
        }
        let mut attributes = self.attributes.lock();
        let permissions = &mut attributes.owner.permissions;
        *permissions &= !S_ISUID;
        if *permissions & 0o010 != 0 {
            *permissions &= !S_ISGID;
        }
    }

    pub(super) fn sibling(inode: &Arc<dyn Inode>) -> Result<Arc<Self>> {
        inode.downcast().ok_or(Errno::EXDEV)
    }

    fn set_size(&self, size: u64) -> Result<()> {
        let content = self.content()?;
        let writer = content.writer();
        content.resize(&writer, size);
        drop(writer);
        self.touch_modified();
        Ok(())
    }
}

impl Inode for Node {
    fn file_type(&self) -> FileType {
        match self.kind {
            Kind::Regular(_) => FileType::Regular,
            Kind::Directory(_) => FileType::Directory,
            Kind::Symlink(_) => FileType::Symlink,
            Kind::Fifo(_) => FileType::Fifo,
            Kind::CharDevice(_) => FileType::CharDevice,
            Kind::BlockDevice(_) => FileType::BlockDevice,
            Kind::Socket => FileType::Socket,
        }
    }

    fn stat(&self) -> Result<Stat> {
        let mut stat = Stat::new(self.file_type(), 0, self.number);
        match &self.kind {
            Kind::Regular(content) => {
                stat.size = content.size();
                stat.blocks = content.page_count() * (PAGE_SIZE as u64 / 512);
            }
            Kind::Directory(directory) => stat.size = directory.lock().length() as u64 * ENTRY_SIZE,
            Kind::Symlink(target) => stat.size = target.len() as u64,
            Kind::CharDevice(device) | Kind::BlockDevice(device) => stat.represents = *device,
            Kind::Fifo(_) | Kind::Socket => {}
        }
        stat.device = self.instance.device;
        stat.created = self.created;
        Ok(self.attributes.lock().show(stat))
    }

    fn ownership(&self) -> Result<Ownership> {
        Ok(Ownership { file_type: self.file_type(), owner: self.attributes.lock().owner })
    }

    fn set_attributes(&self, set: &SetAttributes) -> Result<()> {
        if let Some(size) = set.size {
            self.set_size(size)?;
        }
        self.attributes.lock().set(set);
        Ok(())
    }

    fn is_cacheable(&self) -> bool {
        true
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let node: Arc<Self> = self.directory()?.get(name)?.clone();
        Ok(node)
    }

    fn create(&self, name: &[u8], new: &NewNode<'_>) -> Result<Arc<dyn Inode>> {
        // Asked first, so that a name that is taken costs no inode; and again when it is put in.
        self.directory()?.require_free(name)?;
        let node = Self::new(&self.instance, new)?;
        {
            let mut entries = self.directory()?;
            entries.require_free(name)?;
            entries.insert(name, node.clone());
        }
        self.touch_modified();
        if node.is_directory() {
            self.touch_changed(1);
        }
        Ok(node)
    }

    fn link(&self, name: &[u8], inode: &Arc<dyn Inode>) -> Result<()> {
        let node = Self::sibling(inode)?;
        if !Arc::ptr_eq(&node.instance, &self.instance) {
            return Err(Errno::EXDEV);
        }
        {
            let mut entries = self.directory()?;
            entries.require_free(name)?;
            let mut attributes = node.attributes.lock();
            if attributes.links >= MAX_LINKS {
                return Err(Errno::EMLINK);
            }
            attributes.links += 1;
            attributes.touch_changed();
            drop(attributes);
            entries.insert(name, node.clone());
        }
        self.touch_modified();
        Ok(())
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        self.remove(name, false)
    }

    fn rmdir(&self, name: &[u8]) -> Result<()> {
        self.remove(name, true)
    }

    fn rename(
        &self,
        name: &[u8],
        to: &Arc<dyn Inode>,
        new_name: &[u8],
        flags: RenameFlags,
    ) -> Result<()> {
        let to = Self::sibling(to)?;
        if flags.contains(RenameFlags::EXCHANGE) {
            self.exchange(name, &to, new_name)?;
        } else {
            let no_replace = flags.contains(RenameFlags::NOREPLACE);
            self.move_name(name, &to, new_name, no_replace)?;
        }
        self.touch_modified();
        to.touch_modified();
        Ok(())
    }

    fn create_unnamed(&self, new: &NewNode<'_>) -> Result<Arc<dyn Inode>> {
        let node = Self::new(&self.instance, new)?;
        node.touch_changed(-1);
        Ok(node)
    }

    fn read_link(&self) -> Result<LinkTarget> {
        match &self.kind {
            Kind::Symlink(target) => Ok(LinkTarget::Text(Vec::from(&**target))),
            _ => Err(Errno::EINVAL),
        }
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        match &self.kind {
            Kind::Regular(_) | Kind::Directory(_) => Ok(self),
            Kind::Fifo(fifo) => pipe::open_fifo(fifo, flags),
            Kind::CharDevice(device) => char_device::open(*device, flags),
            Kind::BlockDevice(_) | Kind::Socket => Err(Errno::ENXIO),
            Kind::Symlink(_) => Err(Errno::ELOOP),
        }
    }
}

impl Drop for Node {
    /// Takes a tree apart with a list: it may be deeper than a kernel stack.
    fn drop(&mut self) {
        self.instance.inodes.release(1);
        let Kind::Directory(directory) = &mut self.kind else { return };
        let mut left: Vec<Arc<Self>> = directory.get_mut().take_nodes().collect();
        while let Some(node) = left.pop() {
            if let Some(mut node) = Arc::into_inner(node)
                && let Kind::Directory(directory) = &mut node.kind
            {
                left.extend(directory.get_mut().take_nodes());
            }
        }
    }
}
