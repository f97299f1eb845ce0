//! Freezing: the queues that are freezable begin nothing new, and the freezer waits for what they have begun.

use core::sync::atomic::{AtomicBool, Ordering};

use kthread::freezer::FreezableWork;

use crate::flags::WqFlags;
use crate::queue;

static FREEZING: AtomicBool = AtomicBool::new(false);

/// The freezer's hooks.
pub(crate) static WORK: FreezableWork = FreezableWork { begin, is_busy, thaw };

/// Whether freezable queues stand still.
pub(crate) fn is_freezing() -> bool {
    FREEZING.load(Ordering::SeqCst)
}

fn begin() {
    set(true);
}

fn thaw() {
    set(false);
}

fn set(freezing: bool) {
    // A queue that is made meanwhile looks at the flag under the lock that `for_each` takes.
    FREEZING.store(freezing, Ordering::SeqCst);
    queue::for_each(|queue| {
        if queue.flags.contains(WqFlags::FREEZABLE) {
            queue.adjust_max_active();
        }
    });
}

fn is_busy() -> bool {
    let mut busy = false;
    queue::for_each(|queue| {
        if queue.flags.contains(WqFlags::FREEZABLE) {
            queue.for_each_part(|part| {
                busy |= part.pool.lock().pwq(part.slot()).active != 0;
            });
        }
    });
    busy
}
