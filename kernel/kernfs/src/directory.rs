//! Registered directories.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use errno::{Errno, Result};
use fault::Point;
use fs::{DirectorySink, File, FileOperations, FileType, Inode, LinkTarget, OpenFlags, Stat};
use sync::{LockClass, SpinLock};

use crate::attribute::{Attribute, AttributeNode};
use crate::listing::list_with_dots;
use crate::symlink::Symlink;
use crate::tree::Tree;

/// A leaf lock.
static ENTRIES_LOCK: LockClass = LockClass::new("kernfs.directory");

/// Any bytes, as the layer above takes them.
type Name = Box<[u8]>;

/// A name in a directory. Its cookie grows from entry to entry and is never used again, so a reader
/// finds its place whatever has come and gone.
struct Entry {
    cookie: u64,
    name: Name,
    node: Arc<dyn Inode>,
}

struct Entries {
    /// In ascending order of cookies.
    list: Vec<Entry>,
    next_cookie: u64,
}

/// A directory that the kernel fills. Any part of the kernel may add to it and remove what it
/// added.
pub struct Directory {
    tree: Arc<Tree>,
    number: u64,
    removed: AtomicBool,
    entries: SpinLock<Entries>,
}

impl Directory {
    /// An empty directory: the root of a tree, or to be [added](Self::add).
    pub fn new(tree: &Arc<Tree>) -> Arc<Self> {
        Arc::new(Self {
            tree: tree.clone(),
            number: tree.take_inode_number(),
            removed: AtomicBool::new(false),
            entries: SpinLock::new(&ENTRIES_LOCK, Entries { list: Vec::new(), next_cookie: 1 }),
        })
    }

    /// What it shares with the rest of its file system.
    pub fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    /// Adds a node of one's own making. May be called wherever memory may be allocated.
    ///
    /// # Errors
    /// EEXIST: the name is taken. ENOMEM.
    pub fn add(&self, name: impl AsRef<[u8]>, node: Arc<dyn Inode>) -> Result<()> {
        if fault::should_fail(Point::KernelEntry) {
            return Err(Errno::ENOMEM);
        }
        let name = Box::from(name.as_ref());
        let mut entries = self.entries.lock();
        if entries.list.iter().any(|entry| entry.name == name) {
            return Err(Errno::EEXIST);
        }
        entries.list.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let cookie = entries.next_cookie;
        entries.next_cookie += 1;
        entries.list.push(Entry { cookie, name, node });
        Ok(())
    }

    /// Adds a file.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_file(&self, name: &str, attribute: Attribute) -> Result<()> {
        self.add(name, Arc::new(AttributeNode::new(&self.tree, attribute)))
    }

    /// Adds a symbolic link to a path.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_symlink(&self, name: &str, target: &str) -> Result<()> {
        let target: Box<[u8]> = target.as_bytes().into();
        let link = Symlink::new(&self.tree, move || Ok(LinkTarget::Text(target.to_vec())));
        self.add(name, Arc::new(link))
    }

    /// The directory at a path below this one, made as far as it is missing.
    ///
    /// # Errors
    /// ENOTDIR: something else has one of the names. ENOMEM.
    pub fn subdirectory(self: &Arc<Self>, path: &str) -> Result<Arc<Self>> {
        let mut here = self.clone();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let next = match here.find(name.as_bytes()) {
                Some(node) => node.downcast().ok_or(Errno::ENOTDIR)?,
                None => {
                    let new = Self::new(&here.tree);
                    match here.add(name, new.clone()) {
                        Ok(()) => new,
                        // Somebody else was first.
                        Err(Errno::EEXIST) => {
                            let node = here.find(name.as_bytes()).ok_or(Errno::ENOENT)?;
                            node.downcast().ok_or(Errno::ENOTDIR)?
                        }
                        Err(error) => return Err(error),
                    }
                }
            };
            here = next;
        }
        Ok(here)
    }

    /// Removes a name, and with a directory all that is in it. Files that are open stay usable.
    ///
    /// # Errors
    /// ENOENT.
    pub fn remove(&self, name: impl AsRef<[u8]>) -> Result<()> {
        let entry = {
            let mut entries = self.entries.lock();
            let place = entries.list.iter().position(|entry| *entry.name == *name.as_ref());
            entries.list.remove(place.ok_or(Errno::ENOENT)?)
        };
        if let Some(directory) = entry.node.downcast::<Self>() {
            directory.removed.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The node with this name.
    pub fn find(&self, name: &[u8]) -> Option<Arc<dyn Inode>> {
        let entries = self.entries.lock();
        let entry = entries.list.iter().find(|entry| *entry.name == *name)?;
        Some(entry.node.clone())
    }

    /// Gives the entries from `position` on to `to`; false when that is full.
    pub fn list(&self, position: &mut u64, to: &mut dyn DirectorySink) -> bool {
        while let Some((cookie, name, node)) = self.entry_from(*position) {
            let number = node.stat().map_or(cookie, |stat| stat.inode);
            let next = cookie + 1;
            if !to.entry(&name, number, node.file_type(), next) {
                return false;
            }
            *position = next;
        }
        true
    }

    /// The first entry at or behind a cookie, copied out: the sink may sleep in user memory.
    fn entry_from(&self, cookie: u64) -> Option<(u64, Name, Arc<dyn Inode>)> {
        let entries = self.entries.lock();
        let place = entries.list.partition_point(|entry| entry.cookie < cookie);
        let entry = entries.list.get(place)?;
        Some((entry.cookie, entry.name.clone(), entry.node.clone()))
    }
}

impl Inode for Directory {
    fn file_type(&self) -> FileType {
        FileType::Directory
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.tree.stat(FileType::Directory, 0o555, self.number))
    }

    fn is_current(&self) -> bool {
        !self.removed.load(Ordering::Relaxed)
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        self.find(name).ok_or(Errno::ENOENT)
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        Ok(Arc::new(OpenDirectory(self)))
    }
}

struct OpenDirectory(Arc<Directory>);

impl FileOperations for OpenDirectory {
    fn read_directory(
        &self,
        file: &File,
        position: &mut u64,
        to: &mut dyn DirectorySink,
    ) -> Result<()> {
        list_with_dots(file, position, to, |position, to| {
            self.0.list(position, to);
            Ok(())
        })
    }
}
