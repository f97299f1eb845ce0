//! What a task has to do with mutexes of this kind.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use errno::Errno;
use sched::{Task, TaskRef};
use sync::{KeyCell, List};

use crate::chains::chains;
use crate::mutex::RtMutex;

/// Made when a task first waits for or holds such a mutex; most never do.
pub(crate) struct Party {
    /// What it waited for is its: what it looks at in its sleep. SeqCst on both sides, as for any condition that no lock protects.
    pub(crate) granted: AtomicBool,
    pub(crate) place: KeyCell<Place>,
}

/// Where it stands in the chains.
#[derive(Default)]
pub(crate) struct Place {
    /// What it waits for: one at a time.
    pub(crate) blocked_on: Option<Arc<RtMutex>>,
    /// What it holds or has been granted.
    pub(crate) holds: List<RtMutex>,
}

impl Party {
    /// Of a task that is in the chains.
    pub(crate) fn of(task: &Task) -> &Self {
        sched::inheritance(task).expect("a task is prepared before it comes into a chain")
    }
}

/// Makes a task ready to wait for or to hold such a mutex. May sleep.
///
/// # Errors
/// ENOMEM.
pub fn prepare(task: &Task) -> Result<(), Errno> {
    if has_party(task) {
        return Ok(());
    }
    sched::set_urgency_hook(urgency_changed);
    let make = || Party { granted: AtomicBool::new(false), place: KeyCell::new(Place::default()) };
    let party = sched::keep_inheritance(task, make)?;
    chains().claim(&party.place);
    Ok(())
}

/// Whether a task has ever been [prepared](prepare): if not, it holds nothing and waits for nothing.
pub fn has_party(task: &Task) -> bool {
    sched::inheritance::<Party>(task).is_some()
}

/// Whether what a task waits for was granted to it. It may have been stolen again by the time it [claims](crate::Chains::claim) it.
pub fn is_granted(task: &Task) -> bool {
    Party::of(task).granted.load(SeqCst)
}

fn urgency_changed(task: &TaskRef) {
    chains().propagate(task);
}
