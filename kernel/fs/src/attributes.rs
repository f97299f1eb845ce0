//! What can change about a file beside its contents: whose it is, its names' number, its times.

use crate::inode::{NewNode, NodeKind};
use crate::stat::{FileType, Stat};

/// Whose a file is and what others may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Permission, set-ID and sticky bits.
    pub permissions: u32,
}

impl Owner {
    /// Changes what is to be set.
    pub fn set(&mut self, set: &SetAttributes) {
        self.uid = set.uid.unwrap_or(self.uid);
        self.gid = set.gid.unwrap_or(self.gid);
        self.permissions = set.permissions.unwrap_or(self.permissions);
    }
}

/// What of an inode decides who may do what with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// What kind of file.
    pub file_type: FileType,
    /// Whose it is.
    pub owner: Owner,
}

/// Which attributes of a file to set; what is `None` stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetAttributes {
    /// Permission, set-ID and sticky bits.
    pub permissions: Option<u32>,
    /// The owner.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
    /// The size: cuts the file or lengthens it with zeros.
    pub size: Option<u64>,
    /// Last read.
    pub accessed: Option<u64>,
    /// Last change of the contents.
    pub modified: Option<u64>,
}

impl SetAttributes {
    /// Whether the owner or the permissions are to be set.
    pub const fn sets_owner(&self) -> bool {
        self.permissions.is_some() || self.uid.is_some() || self.gid.is_some()
    }
}

/// What a file system that keeps times has to remember of an inode. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    /// Whose it is.
    pub owner: Owner,
    /// Names that it has.
    pub links: u32,
    /// Last read.
    pub accessed: u64,
    /// Last change of the contents.
    pub modified: u64,
    /// Last change of the contents or of what is kept here.
    pub changed: u64,
}

impl Attributes {
    /// Those of a node that is made now. A directory has two names.
    pub fn new(node: &NewNode<'_>) -> Self {
        let NewNode { kind, uid, gid, permissions } = *node;
        let now = time::realtime();
        Self {
            owner: Owner { uid, gid, permissions },
            links: if kind == NodeKind::Directory { 2 } else { 1 },
            accessed: now,
            modified: now,
            changed: now,
        }
    }

    /// Changes what is to be set. The size is the contents' affair.
    pub fn set(&mut self, set: &SetAttributes) {
        self.owner.set(set);
        self.accessed = set.accessed.unwrap_or(self.accessed);
        self.modified = set.modified.unwrap_or(self.modified);
        self.touch_changed();
    }

    /// The contents have changed now.
    pub fn touch_modified(&mut self) {
        self.touch_changed();
        self.modified = self.changed;
    }

    /// What `stat` tells has changed now.
    pub fn touch_changed(&mut self) {
        self.changed = time::realtime();
    }

    /// What `stat` tells of an inode that has these.
    pub const fn show(&self, stat: Stat) -> Stat {
        let Self { owner, links, accessed, modified, changed } = *self;
        Stat { links, accessed, modified, changed, ..stat.owned_by(owner) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_stays() {
        let mut owner = Owner { uid: 1, gid: 2, permissions: 0o640 };
        owner.set(&SetAttributes::default());
        assert_eq!(owner, Owner { uid: 1, gid: 2, permissions: 0o640 });
        owner.set(&SetAttributes { gid: Some(7), ..Default::default() });
        owner.set(&SetAttributes { permissions: Some(0o600), ..Default::default() });
        assert_eq!(owner, Owner { uid: 1, gid: 7, permissions: 0o600 });
    }
}
