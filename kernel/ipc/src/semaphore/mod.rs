//! Semaphores: sets of counters that processes change several of at once, or wait to.
//!
//! ```text
//!   get(key) ──> Set, found by its number ──> operate: all changes at once, or wait until that is possible
//!                  │                            └── with UNDO: the opposite is noted, and done when the process ends
//!                  └── remove ──> who waits gets EIDRM
//! ```

mod operate;
mod set;

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::Credentials;
use sync::LockClass;

use crate::permissions::{Create, Permissions};
use crate::registry::Registry;

pub use operate::{Operation, operate, undo_all};
pub use set::{Set, Status, VALUE_MAX};

/// A leaf.
static SETS_LOCK: LockClass = LockClass::new("ipc.sets");

/// The most sets (`SEMMNI`).
pub const SETS_MAX: usize = 32000;
/// The most semaphores in a set (`SEMMSL`).
pub const COUNT_MAX: usize = 32000;
/// The most operations of one call (`SEMOPM`).
pub const OPERATIONS_MAX: usize = 500;

static SETS: Registry<Set> = Registry::new(&SETS_LOCK);

/// The set with a key, which may be made for it.
///
/// # Errors
/// ENOENT, EEXIST, EINVAL (an impossible number of semaphores, or more than it has), EACCES, ENOSPC, ENOMEM.
pub fn get(key: i32, count: usize, create: Create, who: &Credentials) -> Result<Arc<Set>> {
    if count > COUNT_MAX {
        return Err(Errno::EINVAL);
    }
    let fits = |found: &Set| {
        let status = found.status();
        if count > status.count {
            return Err(Errno::EINVAL);
        }
        status.permissions.check(who, create.wanted())
    };
    let prepare = || {
        if count == 0 {
            return Err(Errno::EINVAL);
        }
        let semaphores = set::new_semaphores(count)?;
        let permissions = Permissions::of_new(who, create.mode);
        Ok(move |number| Set::new(number, key, semaphores, permissions))
    };
    SETS.get(key, create, SETS_MAX, fits, prepare)
}

/// The set with a number.
///
/// # Errors
/// EINVAL.
pub fn find(number: i32) -> Result<Arc<Set>> {
    SETS.find(number)
}

/// The set in a place, as `SEM_STAT` goes through them.
///
/// # Errors
/// EINVAL.
pub fn at(place: i32) -> Result<Arc<Set>> {
    SETS.at(place)
}

/// The highest place that is taken.
pub fn highest_place() -> usize {
    SETS.highest_place()
}

/// All sets.
pub fn all() -> impl Iterator<Item = Arc<Set>> {
    SETS.iter()
}

/// How many sets and semaphores there are.
pub fn usage() -> (usize, usize) {
    all().fold((0, 0), |(sets, semaphores), set| (sets + 1, semaphores + set.status().count))
}

/// Removes a set. Who waits on it learns of that.
///
/// # Errors
/// EINVAL, EPERM.
pub fn remove(number: i32, who: &Credentials) -> Result<()> {
    let set = find(number)?;
    set.status().permissions.check_owner(who)?;
    let removed = SETS.remove(number);
    set.remove();
    drop(removed);
    Ok(())
}
