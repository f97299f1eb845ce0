//! `flock`: a lock on a whole file, held by an open file.

use alloc::vec::Vec;

use errno::{Errno, Result};

use super::{existing, take, tidy};
use crate::file::File;

/// How a file is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With others (`LOCK_SH`).
    Shared,
    /// Alone (`LOCK_EX`).
    Exclusive,
}

/// The open files that hold the lock.
#[derive(Default)]
pub(super) struct Holders(Vec<(u64, Kind)>);

impl Holders {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives `owner` the lock if it goes with the others'. What `owner` held before is given up in
    /// any case, as `flock` does not promise an unbroken change of kind.
    fn take(&mut self, owner: u64, kind: Kind) -> Option<()> {
        self.release(owner);
        let conflict =
            self.0.iter().any(|&(_, held)| kind == Kind::Exclusive || held == Kind::Exclusive);
        if conflict {
            return None;
        }
        self.0.push((owner, kind));
        Some(())
    }

    fn release(&mut self, owner: u64) -> bool {
        let before = self.0.len();
        self.0.retain(|&(holder, _)| holder != owner);
        self.0.len() != before
    }
}

/// Locks the file, waiting if `wait`. May sleep.
///
/// # Errors
/// EAGAIN: locked by another, and `wait` is not set. ERESTARTSYS: a signal came.
pub fn lock(file: &File, kind: Kind, wait: bool) -> Result<()> {
    take(file.inode(), wait, Errno::EAGAIN, |state| state.whole.take(file.id(), kind))
}

/// Gives the lock up, if the file holds it.
pub fn release(file: &File) {
    let Some(locks) = existing(file.inode()) else { return };
    if locks.state.lock().whole.release(file.id()) {
        locks.released.wake_all();
    }
    tidy(file.inode(), locks);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exclusive_excludes_everybody_else() {
        let mut holders = Holders::default();
        assert_eq!(holders.take(1, Kind::Shared), Some(()));
        assert_eq!(holders.take(2, Kind::Shared), Some(()));
        assert_eq!(holders.take(1, Kind::Exclusive), None);
        // The attempt has cost the first its shared lock.
        assert!(!holders.release(1));
        assert!(holders.release(2));
        assert_eq!(holders.take(1, Kind::Exclusive), Some(()));
        assert_eq!(holders.take(2, Kind::Shared), None);
        assert_eq!(holders.take(1, Kind::Shared), Some(()));
        assert_eq!(holders.take(2, Kind::Shared), Some(()));
    }
}
