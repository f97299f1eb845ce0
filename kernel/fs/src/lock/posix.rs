//! `fcntl` record locks: locks on ranges of bytes, held by a process (its descriptor table) or, for
//! open-file-description locks, by an open file.

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};

use super::{existing, take, tidy};
use crate::inode::Inode;

/// How a range is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With others (`F_RDLCK`).
    Read,
    /// Alone (`F_WRLCK`).
    Write,
}

/// A lock on bytes `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first byte.
    pub start: u64,
    /// The last byte; [`u64::MAX`] means to the end, however far that moves.
    pub end: u64,
    /// How it is locked.
    pub kind: Kind,
    /// Whose it is: [`FileTable::id`](crate::FileTable::id), or [`Range::owned_by_file`].
    pub owner: u64,
    /// The process to name to others (`l_pid`); 0 for locks of open files, which show as -1.
    pub pid: u32,
}

impl Range {
    /// The owner number of an open file's own locks, apart from those of the tables.
    pub const fn owned_by_file(file: u64) -> u64 {
        file | 1 << 63
    }

    fn meets(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    fn conflicts(&self, other: &Self) -> bool {
        self.owner != other.owner
            && self.meets(other)
            && (self.kind == Kind::Write || other.kind == Kind::Write)
    }
}

/// All ranges locked in an inode. One owner's ranges do not overlap.
#[derive(Default)]
pub(super) struct Ranges(Vec<Range>);

impl Ranges {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn conflict(&self, wanted: &Range) -> Option<Range> {
        self.0.iter().copied().find(|held| held.conflicts(wanted))
    }

    fn take(&mut self, wanted: Range) -> Option<()> {
        if self.conflict(&wanted).is_some() {
            return None;
        }
        self.release(wanted.owner, wanted.start, wanted.end);
        self.0.push(wanted);
        self.merge(wanted.owner);
        Some(())
    }

    /// Cuts a range out of what an owner holds; says whether there was anything.
    fn release(&mut self, owner: u64, start: u64, end: u64) -> bool {
        let mut left = Vec::with_capacity(self.0.len() + 1);
        let mut found = false;
        for held in &self.0 {
            if held.owner != owner || held.start > end || start > held.end {
                left.push(*held);
                continue;
            }
            found = true;
            if held.start < start {
                left.push(Range { end: start - 1, ..*held });
            }
            if held.end > end {
                left.push(Range { start: end + 1, ..*held });
            }
        }
        self.0 = left;
        found
    }

    /// Joins an owner's ranges that touch and are of one kind.
    fn merge(&mut self, owner: u64) {
        self.0.sort_by_key(|range| (range.owner, range.start));
        self.0.dedup_by(|next, previous| {
            let joined = next.owner == owner
                && previous.owner == owner
                && next.kind == previous.kind
                && previous.end.checked_add(1) == Some(next.start);
            if joined {
                previous.end = next.end;
            }
            joined
        });
    }
}

/// Locks a range, waiting if `wait`. May sleep. A circle of waiters is not looked for: it ends with
/// a signal.
///
/// # Errors
/// EAGAIN: locked by another, and `wait` is not set. ERESTARTSYS: a signal came.
pub fn lock(inode: &Arc<dyn Inode>, range: Range, wait: bool) -> Result<()> {
    take(inode, wait, Errno::EAGAIN, |state| state.ranges.take(range))
}

/// Gives up what an owner holds between two bytes, both included.
pub fn unlock(inode: &Arc<dyn Inode>, owner: u64, start: u64, end: u64) {
    let Some(locks) = existing(inode) else { return };
    if locks.state.lock().ranges.release(owner, start, end) {
        locks.released.wake_all();
    }
    tidy(inode, locks);
}

/// Gives up all that an owner holds.
pub fn release(inode: &Arc<dyn Inode>, owner: u64) {
    unlock(inode, owner, 0, u64::MAX);
}

/// A lock that keeps the caller from having this one, if there is any (`F_GETLK`).
pub fn conflict(inode: &Arc<dyn Inode>, wanted: &Range) -> Option<Range> {
    let locks = existing(inode)?;
    let found = locks.state.lock().ranges.conflict(wanted);
    tidy(inode, locks);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(owner: u64, start: u64, end: u64, kind: Kind) -> Range {
        Range { start, end, kind, owner, pid: owner as u32 }
    }

    #[test]
    fn a_hole_in_the_middle_leaves_two_locks() {
        let mut ranges = Ranges::default();
        assert_eq!(ranges.take(range(1, 0, 99, Kind::Write)), Some(()));
        assert!(ranges.release(1, 10, 19));
        assert_eq!(ranges.take(range(2, 10, 19, Kind::Write)), Some(()));
        assert_eq!(ranges.take(range(2, 9, 9, Kind::Read)), None);
        assert_eq!(ranges.conflict(&range(2, 0, 0, Kind::Read)), Some(range(1, 0, 9, Kind::Write)));
        assert!(ranges.release(2, 0, u64::MAX));
        assert_eq!(ranges.take(range(1, 10, 19, Kind::Write)), Some(()));
        assert_eq!(ranges.0, [range(1, 0, 99, Kind::Write)]);
    }

    #[test]
    fn readers_share_and_an_owner_changes_kind() {
        let mut ranges = Ranges::default();
        assert_eq!(ranges.take(range(1, 0, u64::MAX, Kind::Read)), Some(()));
        assert_eq!(ranges.take(range(2, 5, 5, Kind::Read)), Some(()));
        assert_eq!(ranges.take(range(1, 0, 4, Kind::Write)), Some(()));
        assert_eq!(ranges.take(range(1, 5, 5, Kind::Write)), None);
        assert_eq!(ranges.0.len(), 3);
    }
}
