//! The inodes of a file system in memory.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};
use memory::{PAGE_SIZE, Page};
use sync::{LockClass, SpinGuard, SpinLock};

use super::Instance;
use super::content::{Content, Writer};
use super::directory::Directory;
use crate::char_device;
use crate::credentials::Capabilities;
use crate::file::File;
use crate::flags::{OpenFlags, RenameFlags};
use crate::inode::{DirectorySink, Inode, LinkTarget, NewNode, NodeKind, emit_dots};
use crate::io::{Sink, Source};
use crate::operations::FileOperations;
use crate::pipe::{self, Fifo};
use crate::stat::{DeviceNumber, FileType, MountFlags, S_ISGID, S_ISUID, SetAttributes, Stat};

/// Inside `tmpfs.tree` where more than one is taken.
static DIRECTORY_LOCK: LockClass = LockClass::new("tmpfs.directory");
/// Inside `tmpfs.directory`.
static ATTRIBUTES_LOCK: LockClass = LockClass::new("tmpfs.attributes");

/// The most names of one file.
const MAX_LINKS: u32 = 65_000;

/// Bytes that a name takes off a directory's size as `stat` shows it.
const ENTRY_SIZE: u64 = 20;

/// Take away what a hole leaves.
const FALLOC_KEEP_SIZE: u32 = 1;
const FALLOC_PUNCH_HOLE: u32 = 2;

/// What can change about a node beside its contents.
struct Attributes {
    permissions: u32,
    uid: u32,
    gid: u32,
    links: u32,
    accessed: u64,
    modified: u64,
    changed: u64,
}

/// What a node is.
enum Kind {
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
    instance: Arc<Instance>,
    number: u64,
    created: u64,
    attributes: SpinLock<Attributes>,
    kind: Kind,
}

impl Node {
    /// A node with one link (a directory: two) that is not in any directory yet.
    ///
    /// # Errors
    /// ENOSPC: the instance has no inode left.
    pub(super) fn new(instance: &Arc<Instance>, new: &NewNode<'_>) -> Result<Arc<Self>> {
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
        let now = time::realtime();
        let attributes = Attributes {
            permissions: new.permissions,
            uid: new.uid,
            gid: new.gid,
            links: if new.kind == NodeKind::Directory { 2 } else { 1 },
            accessed: now,
            modified: now,
            changed: now,
        };
        Ok(Arc::new(Self {
            instance: instance.clone(),
            number: instance.next_number(),
            created: now,
            attributes: SpinLock::new(&ATTRIBUTES_LOCK, attributes),
            kind,
        }))
    }

    fn directory(&self) -> Result<SpinGuard<'_, Directory>> {
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

    fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory(_))
    }

    /// The contents have changed now.
    fn touch_modified(&self) {
        let now = time::realtime();
        let mut attributes = self.attributes.lock();
        attributes.modified = now;
        attributes.changed = now;
    }

    /// What `stat` tells has changed now, and the number of names perhaps.
    fn touch_changed(&self, links: i32) {
        let mut attributes = self.attributes.lock();
        attributes.changed = time::realtime();
        attributes.links = attributes.links.saturating_add_signed(links);
    }

    /// The file was read. As `relatime` has it: remembered only if it was changed since, or a day has passed.
    fn touch_accessed(&self, file: &File) {
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
    fn drop_set_id_bits(&self, file: &File) {
        if file.credentials().capable(Capabilities::FSETID) {
            return;
        }
        let mut attributes = self.attributes.lock();
        attributes.permissions &= !S_ISUID;
        if attributes.permissions & 0o010 != 0 {
            attributes.permissions &= !S_ISGID;
        }
    }

    fn sibling(inode: &Arc<dyn Inode>) -> Result<Arc<Self>> {
        inode.downcast().ok_or(Errno::EXDEV)
    }

    /// Takes a name away that is not a directory's, or an empty directory's.
    fn remove(&self, name: &[u8], directory: bool) -> Result<()> {
        let tree = directory.then(|| self.instance.tree.lock());
        let mut entries = self.directory()?;
        let victim = entries.get(name)?.clone();
        match (directory, &victim.kind) {
            (true, Kind::Directory(inner)) => inner.lock_irq_nested().kill()?,
            (true, _) => return Err(Errno::ENOTDIR),
            (false, Kind::Directory(_)) => return Err(Errno::EISDIR),
            (false, _) => {}
        }
        let removed = entries.remove(name);
        drop(entries);
        drop(tree);
        drop(removed);
        victim.touch_changed(if directory { -2 } else { -1 });
        self.touch_modified();
        if directory {
            self.touch_changed(-1);
        }
        Ok(())
    }

    /// Runs `body` on two directories, which may be one: then the second is `None`.
    fn with_both<T>(
        &self,
        other: &Self,
        body: impl FnOnce(&mut Directory, Option<&mut Directory>) -> Result<T>,
    ) -> Result<T> {
        let (Kind::Directory(mine), Kind::Directory(theirs)) = (&self.kind, &other.kind) else {
            return Err(Errno::ENOTDIR);
        };
        let _tree = self.instance.tree.lock();
        let mut mine = mine.lock();
        if core::ptr::eq(self, other) {
            return body(&mut mine, None);
        }
        body(&mut mine, Some(&mut theirs.lock_irq_nested()))
    }

    /// Moves a name over what is there; returns what that was.
    fn move_name(
        &self,
        name: &[u8],
        to: &Self,
        new_name: &[u8],
        no_replace: bool,
    ) -> Result<Option<Arc<Self>>> {
        let (moved, replaced) = self.with_both(to, |from, into| {
            let moved = from.get(name)?.clone();
            let target = into.as_deref().unwrap_or(from);
            if target.is_dead() {
                return Err(Errno::ENOENT);
            }
            let replaced = target.get(new_name).ok().cloned();
            match &replaced {
                Some(_) if no_replace => return Err(Errno::EEXIST),
                Some(victim) => match (moved.is_directory(), &victim.kind) {
                    (true, Kind::Directory(inner)) => inner.lock_irq_nested().kill()?,
                    (true, _) => return Err(Errno::ENOTDIR),
                    (false, Kind::Directory(_)) => return Err(Errno::EISDIR),
                    (false, _) => {}
                },
                None => {}
            }
            from.remove(name);
            let target = into.unwrap_or(from);
            if target.replace(new_name, moved.clone()).is_none() {
                target.insert(new_name, moved.clone());
            }
            Ok((moved, replaced))
        })?;
        if moved.is_directory() {
            self.touch_changed(-1);
            to.touch_changed(1);
        }
        if let Some(victim) = &replaced {
            let was_directory = victim.is_directory();
            victim.touch_changed(if was_directory { -2 } else { -1 });
            to.touch_changed(if was_directory { -1 } else { 0 });
        }
        moved.touch_changed(0);
        Ok(replaced)
    }

    fn exchange(&self, name: &[u8], to: &Self, new_name: &[u8]) -> Result<()> {
        let (mine, theirs) = self.with_both(to, |from, mut into| {
            let mine = from.get(name)?.clone();
            let theirs = into.as_deref().unwrap_or(from).get(new_name)?.clone();
            from.replace(name, theirs.clone());
            match &mut into {
                Some(into) => into.replace(new_name, mine.clone()),
                None => from.replace(new_name, mine.clone()),
            };
            Ok((mine, theirs))
        })?;
        let links = i32::from(theirs.is_directory()) - i32::from(mine.is_directory());
        self.touch_changed(links);
        to.touch_changed(-links);
        mine.touch_changed(0);
        theirs.touch_changed(0);
        Ok(())
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
        let attributes = self.attributes.lock();
        stat.permissions = attributes.permissions;
        stat.uid = attributes.uid;
        stat.gid = attributes.gid;
        stat.links = attributes.links;
        stat.accessed = attributes.accessed;
        stat.modified = attributes.modified;
        stat.changed = attributes.changed;
        Ok(stat)
    }

    fn set_attributes(&self, set: &SetAttributes) -> Result<()> {
        if let Some(size) = set.size {
            self.set_size(size)?;
        }
        let mut attributes = self.attributes.lock();
        attributes.permissions = set.permissions.unwrap_or(attributes.permissions);
        attributes.uid = set.uid.unwrap_or(attributes.uid);
        attributes.gid = set.gid.unwrap_or(attributes.gid);
        attributes.accessed = set.accessed.unwrap_or(attributes.accessed);
        attributes.modified = set.modified.unwrap_or(attributes.modified);
        attributes.changed = time::realtime();
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
            attributes.changed = time::realtime();
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

impl FileOperations for Node {
    fn read(&self, file: &File, to: &mut dyn Sink, position: &mut u64) -> Result<usize> {
        let count = self.content()?.read(to, position)?;
        self.touch_accessed(file);
        Ok(count)
    }

    fn write(&self, file: &File, from: &mut dyn Source, position: &mut u64) -> Result<usize> {
        if from.remaining() == 0 {
            return Ok(0);
        }
        let content = self.content()?;
        let writer: Writer<'_> = content.writer();
        if file.flags().contains(OpenFlags::APPEND) {
            *position = content.size();
        }
        self.drop_set_id_bits(file);
        let outcome = content.write(&writer, from, position);
        drop(writer);
        self.touch_modified();
        outcome
    }

    fn read_directory(
        &self,
        file: &File,
        position: &mut u64,
        to: &mut dyn DirectorySink,
    ) -> Result<()> {
        if !emit_dots(file, position, to)? {
            return Ok(());
        }
        loop {
            let Some((name, node, next)) = self.directory()?.at(*position) else { break };
            if !to.entry(&name, node.number, node.file_type(), next) {
                break;
            }
            *position = next;
        }
        self.touch_accessed(file);
        Ok(())
    }

    fn is_mappable(&self) -> bool {
        matches!(self.kind, Kind::Regular(_))
    }

    fn page(&self, _file: &File, index: u64) -> Result<Page> {
        self.content()?.page(index)
    }

    fn page_at_hand(&self, _file: &File, index: u64) -> Option<Page> {
        self.content().ok()?.present_page(index).ok()?
    }

    fn is_shared_memory(&self) -> bool {
        true
    }

    fn sync(&self, _file: &File) -> Result<()> {
        Ok(())
    }

    fn allocate(&self, _file: &File, mode: u32, offset: u64, length: u64) -> Result<()> {
        let content = self.content()?;
        match mode {
            0 | FALLOC_KEEP_SIZE => content.allocate(offset, length, mode == FALLOC_KEEP_SIZE)?,
            mode if mode == FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE => {
                content.punch_hole(offset, length);
            }
            _ => return Err(Errno::EOPNOTSUPP),
        }
        self.touch_modified();
        Ok(())
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
