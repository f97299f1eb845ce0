//! File systems in memory: `tmpfs`, `ramfs`, and the root file system.
//!
//! One implementation: an `Instance` counts what its nodes use, and `ramfs` is one without limits.
//! Nodes keep themselves alive by their names and by whoever has them open; nothing is ever written
//! anywhere.

mod budget;
mod content;
mod directory;
mod names;
mod node;
mod operations;
mod options;

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use errno::Result;
use memory::PAGE_SIZE;
use sync::{LockClass, SpinLock};

use crate::inode::{Inode, NewNode, NodeKind};
use crate::stat::{DeviceNumber, S_ISVTX, StatFs};
use crate::superblock::{FileSystem, FileSystemType, MountRequest, Superblock, anonymous_device};
use budget::Budget;
pub(crate) use content::Content;
pub use content::pages_in_use;
pub(crate) use node::Node;
use options::Options;

/// `TMPFS_MAGIC`.
const MAGIC: u32 = 0x0102_1994;

/// `tmpfs`.
pub static TMPFS: FileSystemType =
    FileSystemType { name: "tmpfs", nodev: true, mount: mount_tmpfs };

/// `ramfs`: a tmpfs without limits.
pub static RAMFS: FileSystemType =
    FileSystemType { name: "ramfs", nodev: true, mount: mount_ramfs };

/// What the nodes of one file system share.
pub(crate) struct Instance {
    device: DeviceNumber,
    pages: Arc<Budget>,
    inodes: Budget,
    last_number: AtomicU64,
    /// Held by whoever locks more than one directory; with it, their order does not matter.
    tree: SpinLock<()>,
}

/// Taken before `tmpfs.directory`.
static TREE_LOCK: LockClass = LockClass::new("tmpfs.tree");

impl Instance {
    fn new(pages: u64, inodes: u64) -> Arc<Self> {
        Arc::new(Self {
            device: anonymous_device(),
            pages: Arc::new(Budget::new(pages)),
            inodes: Budget::new(inodes),
            last_number: AtomicU64::new(0),
            tree: SpinLock::new(&TREE_LOCK, ()),
        })
    }

    /// Without limits, for files that the kernel makes for itself (memfd).
    pub(crate) fn unlimited() -> Arc<Self> {
        Self::new(Budget::UNLIMITED, Budget::UNLIMITED)
    }

    fn next_number(&self) -> u64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Pages that belong to no node, as the contents of a file of this size.
    pub(crate) fn content(&self, size: u64) -> Content {
        Content::new(self.pages.clone(), size)
    }

    /// A file without a name.
    pub(crate) fn unnamed_file(self: &Arc<Self>, new: &NewNode<'_>) -> Result<Arc<Node>> {
        Node::new(self, new)
    }
}

/// A mounted file system in memory.
struct TmpFs {
    instance: Arc<Instance>,
    root: Arc<Node>,
    options: Options,
}

impl TmpFs {
    fn build(options: Options) -> Result<Arc<Self>> {
        let instance = Instance::new(options.pages(), options.inodes());
        let root = Node::new(
            &instance,
            &NewNode {
                kind: NodeKind::Directory,
                permissions: options.mode.unwrap_or(0o777 | S_ISVTX),
                uid: options.uid.unwrap_or(0),
                gid: options.gid.unwrap_or(0),
            },
        )?;
        Ok(Arc::new(Self { instance, root, options }))
    }
}

impl FileSystem for TmpFs {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }

    fn statfs(&self) -> Result<StatFs> {
        let count = |budget: &Budget| match budget.limit() {
            Budget::UNLIMITED => (0, 0),
            limit => (limit, budget.available()),
        };
        let (blocks, blocks_free) = count(&self.instance.pages);
        let (files, files_free) = count(&self.instance.inodes);
        let block_size = PAGE_SIZE as u32;
        Ok(StatFs { magic: MAGIC, block_size, blocks, blocks_free, files, files_free })
    }

    fn show_options(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.options.show(self.instance.pages.limit(), out)
    }

    fn remount(&self, options: &[u8]) -> Result<()> {
        let options = Options::parse(options)?;
        if options.pages.is_some() {
            self.instance.pages.set_limit(options.pages())?;
        }
        if options.inodes.is_some() {
            self.instance.inodes.set_limit(options.inodes())?;
        }
        Ok(())
    }
}

/// Makes a tmpfs with options as `mount` takes them.
///
/// # Errors
/// EINVAL: options that are not known or make no sense.
pub fn new(kind: &'static str, options: &[u8]) -> Result<Arc<Superblock>> {
    Ok(Superblock::new(kind, TmpFs::build(Options::parse(options)?)?))
}

/// Makes the root file system: no limits, mode 755.
///
/// # Errors
/// ENOMEM.
pub fn new_rootfs() -> Result<Arc<Superblock>> {
    let options = Options { mode: Some(0o755), ..Options::UNLIMITED };
    Ok(Superblock::new("rootfs", TmpFs::build(options)?))
}

fn mount_tmpfs(request: &MountRequest<'_>) -> Result<Arc<Superblock>> {
    let mut options = Options::parse(request.options)?;
    options.uid = options.uid.or(Some(request.credentials.fsuid));
    options.gid = options.gid.or(Some(request.credentials.fsgid));
    Ok(Superblock::new("tmpfs", TmpFs::build(options)?))
}

fn mount_ramfs(request: &MountRequest<'_>) -> Result<Arc<Superblock>> {
    let mode = Options::parse(request.options)?.mode.or(Some(0o755));
    Ok(Superblock::new("ramfs", TmpFs::build(Options { mode, ..Options::UNLIMITED })?))
}
