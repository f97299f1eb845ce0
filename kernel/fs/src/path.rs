//! A place in the tree of names: a dentry, seen through a mount.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::dentry::{Dentry, Name, Names};
use crate::inode::Inode;
use crate::mount::Mount;
use crate::stat::{PATH_MAX, StatFs};
use errno::{Errno, Result};

/// A place: which mount, and which name in its file system. Holding one keeps the mount busy.
#[derive(Clone, Debug)]
pub struct Path {
    mount: Arc<Mount>,
    dentry: Arc<Dentry>,
}

impl Path {
    /// Puts a place together.
    pub const fn new(mount: Arc<Mount>, dentry: Arc<Dentry>) -> Self {
        Self { mount, dentry }
    }

    /// The mount through which it is seen.
    pub const fn mount(&self) -> &Arc<Mount> {
        &self.mount
    }

    /// The name.
    pub const fn dentry(&self) -> &Arc<Dentry> {
        &self.dentry
    }

    /// What the name leads to.
    pub fn inode(&self) -> &Arc<dyn Inode> {
        self.dentry.inode()
    }

    /// The size of its file system and what is free.
    ///
    /// # Errors
    /// As the file system says.
    pub fn statfs(&self) -> Result<StatFs> {
        self.mount.superblock().file_system().statfs()
    }

    /// Whether both are the same place in the same mount.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.dentry, &other.dentry) && Arc::ptr_eq(&self.mount, &other.mount)
    }

    /// The same dentry's neighbour in the same mount.
    pub(crate) fn with_dentry(&self, dentry: Arc<Dentry>) -> Self {
        Self { mount: self.mount.clone(), dentry }
    }

    /// Whether names looked up here may be cached: not in a file system that is not mounted any
    /// more.
    pub(crate) fn keeps_children(&self) -> bool {
        self.mount.superblock().is_mounted()
    }

    /// Locks the names of the directory here.
    pub(crate) fn names(&self) -> Names<'_> {
        Names::lock(&self.dentry, self.keeps_children())
    }

    /// Goes up over mount points, from the root of a mount to the place that it covers. `None` at
    /// the root of the namespace.
    pub(crate) fn covered(&self) -> Option<Self> {
        if !Arc::ptr_eq(&self.dentry, self.mount.root()) {
            return None;
        }
        self.mount.place()
    }

    /// Goes down to the root of what is mounted here, through all layers.
    pub(crate) fn into_covering(mut self) -> Self {
        while self.dentry.is_mount_point()
            && let Some(mount) = self.mount.child_at(&self.dentry)
        {
            let dentry = mount.root().clone();
            self = Self { mount, dentry };
        }
        self
    }

    /// The path from `root` to here, as `readlink` shows a link in `/proc`: what is not below `root`
    /// is shown from the top of its own tree, and what was removed ends with ` (deleted)`.
    ///
    /// # Errors
    /// ENAMETOOLONG: with its NUL it is longer than [`PATH_MAX`].
    pub fn to_bytes(&self, root: &Self) -> Result<Vec<u8>> {
        require_length(self.mark_removed(self.walk_up(Some(root)).0))
    }

    /// The path from `root` to here, as `getcwd` gives it: what is not below `root` starts with
    /// `(unreachable)`.
    ///
    /// # Errors
    /// ENAMETOOLONG: with its NUL it is longer than [`PATH_MAX`].
    pub(crate) fn to_directory_bytes(&self, root: &Self) -> Result<Vec<u8>> {
        let (mut text, top) = self.walk_up(Some(root));
        if top == Top::Other {
            text.splice(0..0, b"(unreachable)".iter().copied());
        }
        require_length(text)
    }

    /// The path from the top of the tree to here, whatever the caller's root is, as in
    /// `/proc/PID/maps`.
    pub fn to_absolute_bytes(&self) -> Vec<u8> {
        self.mark_removed(self.walk_up(None).0)
    }

    fn mark_removed(&self, mut text: Vec<u8>) -> Vec<u8> {
        if self.dentry.is_removed() {
            text.extend_from_slice(b" (deleted)");
        }
        text
    }

    /// The path to here from `root`, or from the top of the tree if that is met first or no root is
    /// given.
    pub(crate) fn walk_up(&self, root: Option<&Self>) -> (Vec<u8>, Top) {
        if self.dentry.is_anonymous() {
            return (self.dentry.name().to_vec(), Top::Root);
        }
        let mut names = Vec::new();
        let mut at = self.clone();
        let top = loop {
            if root.is_some_and(|root| at.is(root)) {
                break Top::Root;
            }
            if let Some(below) = at.covered() {
                at = below;
                continue;
            }
            let (parent, name) = at.dentry.parent_and_name();
            let Some(parent) = parent else { break Top::Other };
            names.push(name);
            at = at.with_dentry(parent);
        };
        (join(&names), top)
    }
}

/// A path that may be handed out.
fn require_length(text: Vec<u8>) -> Result<Vec<u8>> {
    if text.len() < PATH_MAX { Ok(text) } else { Err(Errno::ENAMETOOLONG) }
}

/// Where a walk upwards ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Top {
    /// At the root that was given.
    Root,
    /// At the top of the tree, without meeting it.
    Other,
}

/// The path of which these are the components, the last one first.
pub(crate) fn join(names: &[Name]) -> Vec<u8> {
    let mut text = Vec::new();
    for name in names.iter().rev() {
        text.push(b'/');
        text.extend_from_slice(name);
    }
    if text.is_empty() {
        text.push(b'/');
    }
    text
}
