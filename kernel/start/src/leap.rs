//! Timers on the date follow a leap second in a worker: the date is moved in an interrupt.

use sync::Once;
use workqueue::{Running, Work};

static FOLLOW: Once<Work<fn(&Running<'_>)>> = Once::new();

/// Makes the item, and says that it is to be queued. Once, when items can be.
pub(crate) fn prepare() {
    let follow: fn(&Running<'_>) = |_| time::follow_date();
    // The kernel starts once.
    let _ = FOLLOW.set(Work::from_fn("clock_was_set_work", follow));
    time::set_leap_hook(kick);
}

fn kick() {
    if let Some(follow) = FOLLOW.get() {
        workqueue::schedule_work(follow);
    }
}
