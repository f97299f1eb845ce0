//! What of all groups is under one lock: whether they are there, who is in them, what they allow.

use sync::{Key, LockClass, SpinLock};

/// Taken inside the process table's lock, with interrupts off; wait queues are taken inside.
static HIERARCHY_LOCK: LockClass = LockClass::new("cgroup.hierarchy");
/// Opens the [`State`] of every group.
pub(crate) static HIERARCHY: SpinLock<Key> = SpinLock::new(&HIERARCHY_LOCK, Key::new());

/// How far a group has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It is not in the tree yet.
    New,
    /// Processes may join it, and groups be made in it.
    Online,
    /// It was removed; somebody still refers to it.
    Dying,
}

/// The most that there may be of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// So many.
    Of(u32),
    /// Any number.
    None,
}

impl Limit {
    /// Whether there may be one more than `count`.
    pub(crate) fn allows_more_than(self, count: u32) -> bool {
        match self {
            Self::Of(limit) => count < limit,
            Self::None => true,
        }
    }
}

/// How many groups are below one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Those that are there.
    pub descendants: u32,
    /// Those that were removed and are still referred to.
    pub dying_descendants: u32,
}

/// A group's part of what the lock protects.
pub(crate) struct State {
    pub(crate) life: Life,
    /// Processes of its own with a live thread.
    pub(crate) members: usize,
    /// Children that are populated.
    pub(crate) populated_children: usize,
    pub(crate) children: u32,
    pub(crate) below: Statistics,
    pub(crate) max_depth: Limit,
    pub(crate) max_descendants: Limit,
}

impl State {
    pub(crate) const fn new(life: Life, members: usize) -> Self {
        Self {
            life,
            members,
            populated_children: 0,
            children: 0,
            below: Statistics { descendants: 0, dying_descendants: 0 },
            max_depth: Limit::None,
            max_descendants: Limit::None,
        }
    }

    pub(crate) fn is_populated(&self) -> bool {
        self.members > 0 || self.populated_children > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count() {
        assert!(Limit::None.allows_more_than(u32::MAX));
        assert!(Limit::Of(1).allows_more_than(0));
        assert!(!Limit::Of(1).allows_more_than(1));
        assert!(!Limit::Of(0).allows_more_than(0));
    }
}
