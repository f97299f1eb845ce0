//! Which sets there are.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::Credentials;
use sync::{LockClass, SpinLock};

use crate::set::{Permissions, Set};

/// A leaf.
static SETS_LOCK: LockClass = LockClass::new("ipc.sets");

/// The most sets (`SEMMNI`).
pub const SETS_MAX: usize = 32000;
/// The most semaphores in a set (`SEMMSL`).
pub const COUNT_MAX: usize = 32000;

/// Numbers of sets: the place, and above it how often it was used, so that an old number does not find a new set.
const PLACES: i32 = 1 << 15;

struct Sets {
    by_number: BTreeMap<i32, Arc<Set>>,
    /// How many were ever made.
    made: i32,
}

static SETS: SpinLock<Sets> =
    SpinLock::new(&SETS_LOCK, Sets { by_number: BTreeMap::new(), made: 0 });

/// `IPC_PRIVATE`: a set that has no key.
const PRIVATE: i32 = 0;

/// How to get a set.
#[derive(Clone, Copy, Debug)]
pub struct Create {
    /// Make it if there is none (`IPC_CREAT`).
    pub make: bool,
    /// There must be none (`IPC_EXCL`).
    pub exclusive: bool,
    /// Permission bits of a new one, and what is wanted of one that is there.
    pub mode: u32,
}

/// The set with a key, which may be made for it.
///
/// # Errors
/// ENOENT, EEXIST, EINVAL (an impossible number of semaphores, or more than it has), EACCES, ENOSPC, ENOMEM.
pub fn get(key: i32, count: usize, create: Create, who: &Credentials) -> Result<Arc<Set>> {
    if count > COUNT_MAX {
        return Err(Errno::EINVAL);
    }
    if key != PRIVATE
        && let Some(found) = with_key(key)
    {
        if create.make && create.exclusive {
            return Err(Errno::EEXIST);
        }
        let status = found.status();
        if count > status.count {
            return Err(Errno::EINVAL);
        }
        let wanted = (create.mode >> 6 | create.mode >> 3 | create.mode) & 7;
        status.permissions.check(who, wanted)?;
        return Ok(found);
    }
    if key != PRIVATE && !create.make {
        return Err(Errno::ENOENT);
    }
    if count == 0 {
        return Err(Errno::EINVAL);
    }
    make(key, count, create, who)
}

fn with_key(key: i32) -> Option<Arc<Set>> {
    SETS.lock().by_number.values().find(|set| set.key() == key).cloned()
}

fn make(key: i32, count: usize, create: Create, who: &Credentials) -> Result<Arc<Set>> {
    let permissions = Permissions {
        uid: who.euid,
        gid: who.egid,
        creator_uid: who.euid,
        creator_gid: who.egid,
        mode: create.mode & 0o777,
    };
    let number = {
        let mut sets = SETS.lock();
        if sets.by_number.len() >= SETS_MAX {
            return Err(Errno::ENOSPC);
        }
        loop {
            let made = sets.made;
            sets.made = made.wrapping_add(1) & i32::MAX;
            let number = made % PLACES + (made / PLACES % (i32::MAX / PLACES)) * PLACES;
            if !sets.by_number.contains_key(&number) {
                break number;
            }
        }
    };
    let set = Arc::new(Set::new(number, key, count, permissions)?);
    let mut sets = SETS.lock();
    let taken = key != PRIVATE && sets.by_number.values().any(|set| set.key() == key);
    if taken {
        drop(sets);
        // Somebody made one for the key in between.
        return get(key, count, create, who);
    }
    sets.by_number.insert(number, set.clone());
    Ok(set)
}

/// The set with a number.
///
/// # Errors
/// EINVAL.
pub fn find(number: i32) -> Result<Arc<Set>> {
    SETS.lock().by_number.get(&number).cloned().ok_or(Errno::EINVAL)
}

/// All sets, in the order of their numbers.
pub fn sets() -> Vec<Arc<Set>> {
    SETS.lock().by_number.values().cloned().collect()
}

/// How many sets and semaphores there are.
pub fn usage() -> (usize, usize) {
    let all = sets();
    (all.len(), all.iter().map(|set| set.status().count).sum())
}

/// Removes a set. Who waits on it learns of that.
///
/// # Errors
/// EINVAL, EPERM.
pub fn remove(number: i32, who: &Credentials) -> Result<()> {
    let set = find(number)?;
    set.status().permissions.check_owner(who)?;
    let removed = SETS.lock().by_number.remove(&number);
    set.state.lock().removed = true;
    set.queue.wake_all();
    drop(removed);
    Ok(())
}
