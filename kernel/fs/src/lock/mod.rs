//! Locks on files, as programs take them: whole files by `flock`, ranges of bytes by `fcntl`.
//!
//! The locks of an inode are in one list, which exists while there are any. They are found by the
//! inode's address, which stays its own while it has locks: whoever holds one has the file open.

pub mod flock;
pub mod posix;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use errno::Result;
use sched::{Sleep, WaitQueue};
use sync::{LockClass, SpinLock};

use crate::inode::Inode;

/// Taken before `file_locks.inode`.
static TABLE_LOCK: LockClass = LockClass::new("file_locks");
static INODE_LOCK: LockClass = LockClass::new("file_locks.inode");

/// The locks of one inode.
struct InodeLocks {
    state: SpinLock<State>,
    /// Woken when a lock goes.
    released: WaitQueue,
}

/// Both kinds; they do not see each other.
#[derive(Default)]
struct State {
    whole: flock::Holders,
    ranges: posix::Ranges,
}

impl State {
    fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.ranges.is_empty()
    }
}

static INODES: SpinLock<BTreeMap<usize, Arc<InodeLocks>>> =
    SpinLock::new(&TABLE_LOCK, BTreeMap::new());

fn key(inode: &Arc<dyn Inode>) -> usize {
    Arc::as_ptr(inode).cast::<()>() as usize
}

fn existing(inode: &Arc<dyn Inode>) -> Option<Arc<InodeLocks>> {
    INODES.lock().get(&key(inode)).cloned()
}

fn of(inode: &Arc<dyn Inode>) -> Arc<InodeLocks> {
    let fresh = || {
        let state = SpinLock::new(&INODE_LOCK, State::default());
        Arc::new(InodeLocks { state, released: WaitQueue::new() })
    };
    INODES.lock().entry(key(inode)).or_insert_with(fresh).clone()
}

/// Forgets the list of an inode that has no lock and for which nobody waits.
fn tidy(inode: &Arc<dyn Inode>, locks: Arc<InodeLocks>) {
    let mut inodes = INODES.lock();
    // One reference is the table's and one the caller's; no other can come up while the table is
    // locked.
    let unused = Arc::strong_count(&locks) == 2 && locks.state.lock().is_empty();
    let removed = if unused { inodes.remove(&key(inode)) } else { None };
    drop(inodes);
    drop((removed, locks));
}

/// Takes a lock by `attempt`; waits while it gives `None` if that is wanted.
fn take(
    inode: &Arc<dyn Inode>,
    wait: bool,
    busy: errno::Errno,
    mut attempt: impl FnMut(&mut State) -> Option<()>,
) -> Result<()> {
    let locks = of(inode);
    let outcome = if attempt(&mut locks.state.lock()).is_some() {
        Ok(())
    } else if wait {
        let attempt = || attempt(&mut locks.state.lock());
        locks.released.wait_map(Sleep::Interruptible, None, attempt).map_err(Into::into)
    } else {
        Err(busy)
    };
    // A lock may have become weaker, or one may have been given up for the attempt.
    locks.released.wake_all();
    tidy(inode, locks);
    outcome
}
