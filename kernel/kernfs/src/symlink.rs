//! Registered symbolic links.

use alloc::boxed::Box;
use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{FileOperations, FileType, Inode, LinkTarget, OpenFlags, Stat};

use crate::tree::Tree;

type Target = Box<dyn Fn() -> Result<LinkTarget> + Send + Sync>;

/// A symbolic link whose target is asked for each time.
pub struct Symlink {
    tree: Arc<Tree>,
    number: u64,
    target: Target,
}

impl Symlink {
    /// A link in a file system.
    pub fn new(
        tree: &Arc<Tree>,
        target: impl Fn() -> Result<LinkTarget> + Send + Sync + 'static,
    ) -> Self {
        Self { tree: tree.clone(), number: tree.take_inode_number(), target: Box::new(target) }
    }
}

impl Inode for Symlink {
    fn file_type(&self) -> FileType {
        FileType::Symlink
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.tree.stat(FileType::Symlink, 0o777, self.number))
    }

    fn read_link(&self) -> Result<LinkTarget> {
        (self.target)()
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        Err(Errno::ELOOP)
    }
}
