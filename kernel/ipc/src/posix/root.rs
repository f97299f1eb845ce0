//! The directory of all queues.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{
    FileOperations, FileType, Inode, NewNode, NodeKind, OpenFlags, S_ISVTX, SetAttributes, Stat,
};
use kernfs::{Directory, Tree};
use sync::{LockClass, SpinLock};

use super::limits::Attributes;
use super::node::Node;

/// A leaf.
static STAT_LOCK: LockClass = LockClass::new("mqueue.root");

/// The root directory: it has no others below it.
pub(super) struct Root {
    stat: SpinLock<Stat>,
    names: Arc<Directory>,
}

impl Root {
    pub(super) fn new() -> Arc<Self> {
        let tree = Tree::new(1);
        let names = Directory::new(&tree);
        let stat = tree.stat(FileType::Directory, 0o777 | S_ISVTX, tree.take_inode_number());
        Arc::new(Self { stat: SpinLock::new(&STAT_LOCK, stat), names })
    }

    /// What numbers its inodes.
    pub(super) fn tree(&self) -> &Arc<Tree> {
        self.names.tree()
    }

    /// Makes a queue with a name.
    ///
    /// # Errors
    /// EEXIST, ENOMEM; as [`Node::new`].
    pub(super) fn make(
        &self,
        name: &[u8],
        new: &NewNode<'_>,
        attributes: Attributes,
    ) -> Result<Arc<dyn Inode>> {
        let node = Node::new(self, new, attributes)?;
        self.names.add(name, node.clone())?;
        self.touch();
        Ok(node)
    }

    fn touch(&self) {
        let now = time::realtime();
        let mut stat = self.stat.lock();
        (stat.modified, stat.changed) = (now, now);
    }
}

impl Inode for Root {
    fn file_type(&self) -> FileType {
        FileType::Directory
    }

    fn stat(&self) -> Result<Stat> {
        Ok(*self.stat.lock())
    }

    fn set_attributes(&self, set: &SetAttributes) -> Result<()> {
        let mut stat = self.stat.lock();
        stat.permissions = set.permissions.unwrap_or(stat.permissions);
        stat.uid = set.uid.unwrap_or(stat.uid);
        stat.gid = set.gid.unwrap_or(stat.gid);
        stat.changed = time::realtime();
        Ok(())
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        self.names.find(name).ok_or(Errno::ENOENT)
    }

    /// A file is a queue, of the size that queues have by default.
    fn create(&self, name: &[u8], new: &NewNode<'_>) -> Result<Arc<dyn Inode>> {
        match new.kind {
            NodeKind::Regular => self.make(name, new, Attributes::of_default()),
            _ => Err(Errno::EPERM),
        }
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        let node = self.lookup(name)?;
        self.names.remove(name)?;
        if let Some(node) = node.downcast::<Node>() {
            node.unlinked();
        }
        self.touch();
        Ok(())
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        self.names.clone().open(flags)
    }
}
