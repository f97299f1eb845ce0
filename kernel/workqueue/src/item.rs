//! Items of work.
//!
//! An item owns its data: it is a closure, or a value whose type says what to do with it. A [`Work`] is the handle of
//! whoever made it. While the item is queued or runs, the workqueue holds a reference of its own, so the handle may be
//! dropped: what is queued is done all the same. Nobody else gets hold of the item, which is why [`Work::into_inner`] can give
//! the value back.

use alloc::sync::{Arc, Weak};
use core::fmt;
use core::ops::Deref;

use errno::Errno;
use sync::{Direct, Linked, Links, Showing};
use time::Timer;

use crate::delayed::Delay;
use crate::home::HomeCell;
use crate::pool::Pool;
use crate::queue::Queue;
use crate::state::State;
use crate::{cancel, delayed, wait};

/// Something to do in a worker, any number of times, one at a time.
pub trait WorkItem: Send + Sync + 'static {
    /// Does it. Runs in a worker and may sleep.
    fn run(&self, running: &Running<'_>);

    /// What reports call it.
    fn name(&self) -> &'static str {
        core::any::type_name::<Self>()
    }
}

impl<F: Fn(&Running<'_>) + Send + Sync + 'static> WorkItem for F {
    fn run(&self, running: &Running<'_>) {
        self(running);
    }
}

/// An item as queues and workers see it.
pub(crate) struct Node {
    links: Links<Node>,
    pub(crate) state: State,
    pub(crate) home: HomeCell,
    /// For delayed work.
    pub(crate) delay: Option<Arc<Delay>>,
    pub(crate) name: &'static str,
    /// Not in here as such: queues and workers handle items all the time, and a reference to a value whose type is
    /// not known costs a look at a table each time.
    pub(crate) item: Direct<dyn WorkItem>,
}

impl Linked for Node {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

impl Node {
    fn new(name: &'static str, delay: Option<Arc<Delay>>, item: Arc<dyn WorkItem>) -> Self {
        let (state, home) = (State::new(), HomeCell::new());
        Self { links: Links::new(), state, home, delay, name, item: item.into() }
    }
}

/// An item of work: its maker's handle.
///
/// ```
/// # fn example(queue: &workqueue::WorkQueue) {
/// use workqueue::{Running, Work, WorkItem};
///
/// struct Flush { device: u32 }
/// impl WorkItem for Flush {
///     fn run(&self, _: &Running<'_>) { let _ = self.device; }
/// }
///
/// let flush = Work::new(Flush { device: 3 });
/// queue.queue(&flush);
/// flush.flush();
/// let Ok(Flush { device }) = flush.into_inner() else { return };
/// assert_eq!(device, 3);
/// # }
/// ```
pub struct Work<T: WorkItem> {
    node: Arc<Node>,
    item: Arc<T>,
}

impl<F: Fn(&Running<'_>) + Send + Sync + 'static> Work<F> {
    /// An item that calls a function; `name` is for reports. May allocate; any context.
    pub fn from_fn(name: &'static str, function: F) -> Self {
        Self::build(name, function)
    }
}

impl<T: WorkItem> Work<T> {
    /// An item that is nowhere queued. May allocate; any context.
    pub fn new(item: T) -> Self {
        Self::build(item.name(), item)
    }

    fn build(name: &'static str, item: T) -> Self {
        let item = Arc::new(item);
        Self { node: Arc::new(Node::new(name, None, item.clone())), item }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Whether it waits to be run. Any context; true tomorrow only if the caller sees to that.
    pub fn is_pending(&self) -> bool {
        self.node.state.is_pending()
    }

    /// Whether it waits to be run or is being run (`work_busy`). Any context.
    pub fn is_busy(&self) -> bool {
        self.node.state.unfinished().is_some()
    }

    /// Waits until what has been queued by now has been done or taken back; not for what is queued meanwhile. Returns whether there
    /// was anything to wait for. May sleep. The item itself does not wait, and gets false.
    pub fn flush(&self) -> bool {
        wait::flush(&self.node)
    }

    /// Takes the item back if it has not been started. Returns whether it waited. Any context.
    pub fn cancel(&self) -> bool {
        cancel::cancel(&self.node)
    }

    /// Takes the item back and waits until it is not being run; meanwhile nobody can queue it, not even itself. Returns whether
    /// it waited to be run. May sleep. The item itself does not wait for its own end.
    pub fn cancel_sync(&self) -> bool {
        cancel::cancel_sync(&self.node)
    }

    /// Cancels as [`cancel_sync`](Self::cancel_sync) and gives the value back. May sleep.
    ///
    /// # Errors
    /// EIO: a worker died of a panic in the item, and what it had in its hands is lost with it. EDEADLK: it is the item itself that asks.
    pub fn into_inner(self) -> Result<T, Errno> {
        cancel::cancel_sync(&self.node);
        take_back(self.node, self.item)
    }
}

impl<T: WorkItem> Deref for Work<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.item
    }
}

/// Gives back the value of an item that is idle. A worker that has just finished it may hold its reference for some instructions more.
fn take_back<T: WorkItem>(mut node: Arc<Node>, item: Arc<T>) -> Result<T, Errno> {
    loop {
        if node.state.is_poisoned() {
            return Err(Errno::EIO);
        }
        if wait::is_itself(&node) {
            return Err(Errno::EDEADLK);
        }
        match Arc::try_unwrap(node) {
            Ok(alone) => {
                drop(alone);
                // The node had the only other reference.
                return Arc::into_inner(item).ok_or(Errno::EIO);
            }
            Err(shared) => node = shared,
        }
        sched::sleep_for(time::MICROSECOND);
    }
}

/// An item that can be queued for later.
pub struct DelayedWork<T: WorkItem> {
    node: Arc<Node>,
    item: Arc<T>,
}

impl<F: Fn(&Running<'_>) + Send + Sync + 'static> DelayedWork<F> {
    /// An item that calls a function; `name` is for reports. May allocate; any context.
    pub fn from_fn(name: &'static str, function: F) -> Self {
        Self::build(name, function)
    }
}

impl<T: WorkItem> DelayedWork<T> {
    /// An item that is nowhere queued. May allocate; any context.
    pub fn new(item: T) -> Self {
        Self::build(item.name(), item)
    }

    fn build(name: &'static str, item: T) -> Self {
        let item = Arc::new(item);
        let delay = Arc::new_cyclic(|me: &Weak<Delay>| {
            let me = me.clone();
            Delay::new(Timer::new(move || {
                if let Some(delay) = me.upgrade() {
                    delayed::timer_fires(&delay);
                }
            }))
        });
        Self { node: Arc::new(Node::new(name, Some(delay), item.clone())), item }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Whether its timer runs or it waits to be run. Any context.
    pub fn is_pending(&self) -> bool {
        self.node.state.is_pending()
    }

    /// Whether its timer runs, it waits to be run, or is being run. Any context.
    pub fn is_busy(&self) -> bool {
        self.node.state.unfinished().is_some()
    }

    /// As [`Work::flush`]; what its timer would queue is queued at once. May sleep.
    pub fn flush(&self) -> bool {
        let queued = delayed::queue_now(&self.node);
        wait::flush(&self.node) || queued
    }

    /// As [`Work::cancel`], whether its time has come or not. Any context.
    pub fn cancel(&self) -> bool {
        cancel::cancel(&self.node)
    }

    /// As [`Work::cancel_sync`], whether its time has come or not. May sleep.
    pub fn cancel_sync(&self) -> bool {
        cancel::cancel_sync(&self.node)
    }

    /// As [`Work::into_inner`]. May sleep.
    ///
    /// # Errors
    /// As there.
    pub fn into_inner(self) -> Result<T, Errno> {
        cancel::cancel_sync(&self.node);
        take_back(self.node, self.item)
    }
}

impl<T: WorkItem> Deref for DelayedWork<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.item
    }
}

/// The item that runs, as its own function sees it: the way to queue oneself again.
pub struct Running<'a> {
    pub(crate) showing: Showing<'a, Node>,
    /// The row of the queue for which it runs.
    pub(crate) pool: &'a Pool,
    pub(crate) slot: u32,
}

impl Running<'_> {
    /// The queue stays while one of its items runs: who destroys it waits for them.
    fn queue(&self) -> Arc<Queue> {
        self.pool.lock().pwq(self.slot).queue()
    }

    /// Queues the item again on the queue that it runs for. Returns false if somebody has done so already or takes it back.
    pub fn requeue(&self) -> bool {
        self.queue().queue(&self.showing, None)
    }

    /// As [`requeue`](Self::requeue) after so many nanoseconds. An item that is not a [`DelayedWork`] has no timer, and is queued at once.
    pub fn requeue_after(&self, nanoseconds: u64) -> bool {
        delayed::queue(&self.queue(), &self.showing, None, nanoseconds)
    }
}

impl fmt::Debug for Running<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Running({})", self.showing.name)
    }
}
