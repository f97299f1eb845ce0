//! Delayed work whose queue has ended when its time comes.
//!
//! It is not done, and if its handle is gone, too, the timer's reference is the last one. With that goes the item, whose own code may
//! sleep then: not in a timer. So the timer leaves its reference with the item's [`Delay`], and a worker drops it.

use alloc::sync::Arc;

use sync::{Linked, Links, List, LockClass, Once, SpinLock};

use crate::delayed::Delay;
use crate::item::{Node, Running, Work, WorkItem};
use crate::system::system_unbound_wq;

/// Both taken with interrupts off; they take nothing.
static LIST_LOCK: LockClass = LockClass::new("wq_stranded");
static LEFT_LOCK: LockClass = LockClass::new("wq_stranded_item");

static STRANDED: SpinLock<List<Delay>> = SpinLock::new(&LIST_LOCK, List::new());

/// What delayed work has for this.
pub(crate) struct Stranded {
    links: Links<Delay>,
    left: SpinLock<Option<Arc<Node>>>,
}

impl Stranded {
    pub(crate) fn new() -> Self {
        Self { links: Links::new(), left: SpinLock::new(&LEFT_LOCK, None) }
    }
}

impl Linked for Delay {
    fn links(&self) -> &Links<Self> {
        &self.stranded.links
    }
}

/// Has a worker drop a reference to an item, which is idle. Any context.
pub(crate) fn leave(delay: &Arc<Delay>, node: Arc<Node>) {
    // Not the last ones, if there are any: the item was left before, and something happened to it since.
    let before = delay.stranded.left.lock_irq().replace(node);
    drop(before);
    let listed = STRANDED.lock_irq().push_back(delay.clone()).err();
    drop(listed);
    if let Some(work) = DROPS.get() {
        system_unbound_wq().queue(work);
    }
}

/// Drops what was left.
struct Drops;

static DROPS: Once<Work<Drops>> = Once::new();

/// Before the first timer. Once.
pub(crate) fn init() {
    let fresh = DROPS.set(Work::new(Drops)).is_ok();
    assert!(fresh, "the workqueue starts once");
}

impl WorkItem for Drops {
    fn run(&self, _: &Running<'_>) {
        loop {
            let Some(delay) = STRANDED.lock_irq().pop_front() else { return };
            let left = delay.stranded.left.lock_irq().take();
            drop(left);
        }
    }
}
