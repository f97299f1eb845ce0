//! A group as a directory.

use alloc::sync::Arc;

use cgroup::{Cgroup, Part};
use errno::{Errno, Result};
use fs::{FileOperations, FileType, Inode, NewNode, NodeKind, OpenFlags, SetAttributes, Stat};
use kernfs::Tree;

use crate::file::{self, FILES, GroupFile};

/// A group's directory: its files, then the groups in it.
pub(crate) struct Directory {
    tree: Arc<Tree>,
    number: u64,
    group: Arc<Cgroup>,
    /// Changed with this directory's names locked by the layer above.
    entries: Arc<kernfs::Directory>,
}

impl Directory {
    /// The directory of a group that has none yet.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn new(tree: &Arc<Tree>, group: &Arc<Cgroup>) -> Result<Arc<Self>> {
        let entries = kernfs::Directory::new(tree);
        for description in FILES.iter().filter(|file| !group.is_root() || file.is_in_root) {
            let node: Arc<dyn Inode> = GroupFile::new(tree, group, description);
            if description.part == Part::Events {
                group.set_events_file(&node);
            }
            entries.add(description.name, node)?;
        }
        let number = tree.take_inode_number();
        Ok(Arc::new(Self { tree: tree.clone(), number, group: group.clone(), entries }))
    }

    /// The group.
    pub(crate) fn group(&self) -> &Arc<Cgroup> {
        &self.group
    }

    fn make_group(&self, name: &[u8], node: &NewNode<'_>) -> Result<Arc<dyn Inode>> {
        if name.contains(&b'\n') {
            // It would break the lines of /proc/PID/cgroup.
            return Err(Errno::EINVAL);
        }
        let group = Cgroup::make(&self.group, name, node.uid, node.gid)?;
        group.change_owner(Part::Directory, |owner| owner.permissions = node.permissions);
        let directory = Self::new(&self.tree, &group);
        let added = directory.and_then(|directory| {
            self.entries.add(name, directory.clone())?;
            Ok(directory as Arc<dyn Inode>)
        });
        if added.is_err() {
            // Nobody has seen it, so nobody is in it.
            let removed = group.remove();
            debug_assert!(removed.is_ok(), "a group that nobody knows is empty");
        }
        added
    }
}

impl Inode for Directory {
    fn file_type(&self) -> FileType {
        FileType::Directory
    }

    fn stat(&self) -> Result<Stat> {
        let mut stat = file::stat_of(&self.tree, &self.group, Part::Directory, self.number);
        stat.links = 2 + self.group.children();
        Ok(stat)
    }

    fn set_attributes(&self, set: &SetAttributes) -> Result<()> {
        file::set_owner(&self.group, Part::Directory, set)
    }

    fn is_current(&self) -> bool {
        self.group.is_online()
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        self.entries.find(name).ok_or(Errno::ENOENT)
    }

    fn create(&self, name: &[u8], node: &NewNode<'_>) -> Result<Arc<dyn Inode>> {
        match node.kind {
            NodeKind::Directory => self.make_group(name, node),
            NodeKind::Regular => Err(Errno::EACCES),
            _ => Err(Errno::EPERM),
        }
    }

    /// # Errors
    /// EBUSY: somebody is in the group, or a group below it.
    fn rmdir(&self, name: &[u8]) -> Result<()> {
        let node = self.entries.find(name).ok_or(Errno::ENOENT)?;
        let directory: Arc<Self> = node.downcast().ok_or(Errno::ENOTDIR)?;
        directory.group.remove()?;
        self.entries.remove(name)
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        self.entries.clone().open(flags)
    }
}
