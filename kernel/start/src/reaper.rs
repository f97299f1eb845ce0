//! Dead tasks are taken apart by a worker.

use sync::Once;
use workqueue::{Running, Work};

/// Unbound: taking an address space apart may be long, and is not to hold up the items of a CPU.
static REAP: Once<Work<fn(&Running<'_>)>> = Once::new();

/// Makes the item. Once, before a task can end.
pub(crate) fn prepare() {
    let reap: fn(&Running<'_>) = |_| kthread::reaper::reap();
    // The kernel starts once.
    let _ = REAP.set(Work::from_fn("reap", reap));
}

/// Something has died.
pub(crate) fn kick() {
    if let Some(reap) = REAP.get() {
        workqueue::system_unbound_wq().queue(reap);
    }
}
