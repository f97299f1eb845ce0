//! Whose a group's directory and files are, and who may move processes between groups.

use errno::Result;
use fs::{Access, Credentials, FileType, Owner, Ownership};

use crate::group::Cgroup;

/// What user space sees of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Part {
    /// The directory itself.
    Directory,
    /// `cgroup.type`
    Type,
    /// `cgroup.procs`
    Procs,
    /// `cgroup.threads`
    Threads,
    /// `cgroup.controllers`
    Controllers,
    /// `cgroup.subtree_control`
    SubtreeControl,
    /// `cgroup.events`
    Events,
    /// `cgroup.max.descendants`
    MaxDescendants,
    /// `cgroup.max.depth`
    MaxDepth,
    /// `cgroup.stat`
    Stat,
    /// `cgroup.kill`
    Kill,
}

/// How many there are.
pub(crate) const PARTS: usize = Part::Kill as usize + 1;

impl Part {
    const fn permissions(self) -> u32 {
        match self {
            Self::Directory => 0o755,
            Self::Controllers | Self::Events | Self::Stat => 0o444,
            Self::Kill => 0o200,
            _ => 0o644,
        }
    }

    /// All parts as they are made for somebody.
    pub(crate) fn owners(uid: u32, gid: u32) -> [Owner; PARTS] {
        let all = [
            Self::Directory,
            Self::Type,
            Self::Procs,
            Self::Threads,
            Self::Controllers,
            Self::SubtreeControl,
            Self::Events,
            Self::MaxDescendants,
            Self::MaxDepth,
            Self::Stat,
            Self::Kill,
        ];
        all.map(|part| Owner { uid, gid, permissions: part.permissions() })
    }
}

/// Whether somebody may move a process from one group to another: they may write to `cgroup.procs`
/// of the target, which has been checked where that was opened or is checked with `target`, and to
/// that of the nearest group above both.
///
/// # Errors
/// EACCES.
pub fn check_attach(from: &Cgroup, to: &Cgroup, who: &Credentials) -> Result<()> {
    to.nearest_above_both(from).check_procs_writable(who)
}

impl Cgroup {
    /// Whether somebody may write to its `cgroup.procs`.
    ///
    /// # Errors
    /// EACCES.
    pub fn check_procs_writable(&self, who: &Credentials) -> Result<()> {
        let file = Ownership { file_type: FileType::Regular, owner: self.owner(Part::Procs) };
        who.check(&file, Access::WRITE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_place() {
        let owners = Part::owners(7, 8);
        assert_eq!(owners[Part::Directory as usize].permissions, 0o755);
        assert_eq!(owners[Part::Procs as usize].permissions, 0o644);
        assert_eq!(owners[Part::Stat as usize].permissions, 0o444);
        assert_eq!(owners[Part::Kill as usize].permissions, 0o200);
        assert!(owners.iter().all(|owner| owner.uid == 7 && owner.gid == 8));
    }
}
