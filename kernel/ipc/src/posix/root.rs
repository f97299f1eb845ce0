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
    /// What never changes of what `stat` tells.
    stat: Stat,
    attributes: SpinLock<fs::Attributes>,
    names: Arc<Directory>,
}

impl Root {
    pub(super) fn new() -> Arc<Self> {
        let tree = Tree::new(1);
        let names = Directory::new(&tree);
        let permissions = 0o777 | S_ISVTX;
        let stat = tree.stat(FileType::Directory, permissions, tree.take_inode_number());
        let node = NewNode { kind: NodeKind::Directory, permissions, uid: 0, gid: 0 };
        let attributes = SpinLock::new(&STAT_LOCK, fs::Attributes::new(&node));
        Arc::new(Self { stat, attributes, names })
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
        self.attributes.lock().touch_modified();
    }
}

impl Inode for Root {
    fn file_type(&self) -> FileType {
        FileType::Directory
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.attributes.lock().show(self.stat))
    }

    fn set_attributes(&self, set: &SetAttributes) -> Result<()> {
        self.attributes.lock().set(set);
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
