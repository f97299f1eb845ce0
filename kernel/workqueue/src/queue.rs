//! Queues: what items are queued on.
//!
//! ```text
//!   WorkQueue "events"            pool of CPU 0            pool of CPU 1
//!     part 0 ───────────────────> row: active, held back
//!     part 1 ──────────────────────────────────────────> row: active, held back
//! ```

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use errno::Errno;
use machine::CpuId;
use sched::{Mutex, NameBuffer};
use sync::{LockClass, SpinLock};

use crate::change::Moved;
use crate::flags::{DEFAULT_ACTIVE, MAX_ACTIVE, WqFlags};
use crate::flush::{self, Flush};
use crate::item::{DelayedWork, Node, Work, WorkItem};
use crate::parts::{Attributes, Parts};
use crate::pool::{Held, Pool};
use crate::rescuer::{self, Rescuer};
use crate::system::system_unbound_wq;
use crate::{attributes, delayed, freeze, pools, tracepoints, wait, worker};

/// Outside pool locks.
static QUEUES_LOCK: LockClass = LockClass::new("workqueues");
/// All queues, for freezing and for reports.
static QUEUES: SpinLock<Vec<Arc<Queue>>> = SpinLock::new(&QUEUES_LOCK, Vec::new());

/// Outside everything of the workqueue's: how many drain a queue.
static DRAIN_LOCK: LockClass = LockClass::new("wq_drain");

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Only the queue's own items may queue.
const DRAINING: u32 = 1 << 0;
/// Nobody may.
const DESTROYED: u32 = 1 << 1;
/// The first parts are not those that take items any more. For good: such a queue takes items on the slow path.
const MOVED: u32 = 1 << 2;
/// It is being destroyed: its attributes stay.
const ENDING: u32 = 1 << 3;

/// How much of a queue's name is kept.
const NAME_LENGTH: usize = 24;

/// A queue's name.
#[derive(Clone, Copy, Default)]
pub(crate) struct Name(NameBuffer<NAME_LENGTH>);

impl Name {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(self.as_bytes()).unwrap_or("?"))
    }
}

/// A queue, as pools and timers hold it.
pub(crate) struct Queue {
    pub(crate) id: u64,
    pub(crate) name: Arc<Name>,
    pub(crate) flags: WqFlags,
    closed: AtomicU32,
    max_active: AtomicU32,
    /// The parts that it was made with, which take items as long as it has not [`MOVED`].
    pub(crate) first: Parts,
    pub(crate) moved: SpinLock<Moved>,
    pub(crate) flush: Flush,
    pub(crate) rescuer: Rescuer,
    drainers: Mutex<u32>,
}

impl Queue {
    /// Whether other parts than the first ones have items, or take them.
    #[inline]
    pub(crate) fn has_moved(&self) -> bool {
        // Acquire pairs with the Release in `set_moved`.
        self.closed.load(Ordering::Acquire) & MOVED != 0
    }

    pub(crate) fn set_moved(&self) {
        self.closed.fetch_or(MOVED, Ordering::SeqCst);
    }

    pub(crate) fn is_cpu_intensive(&self) -> bool {
        self.flags.contains(WqFlags::CPU_INTENSIVE)
    }

    pub(crate) fn max_active(&self) -> u32 {
        self.max_active.load(Ordering::Relaxed)
    }

    /// Where an item goes that is queued on this CPU, or for another: calls a function with the lock of that pool and the row there. None if there is no
    /// such CPU, or the queue takes nothing from the running code. Interrupts are off until the function returns.
    fn with_route<R>(
        &self,
        cpu: Option<CpuId>,
        insert: impl FnOnce(Held<'_>, &Pool, u32) -> R,
    ) -> Option<R> {
        let cpu = cpu.unwrap_or_else(pools::local_cpu);
        loop {
            let moved;
            let route = if self.has_moved() {
                moved = self.moved_route(cpu)?;
                &moved
            } else {
                self.first.routes.get(cpu)?
            };
            let mut held = route.pool.lock();
            if !self.takes() {
                return None;
            }
            // Retired, or even another queue's by now: then there is another route.
            if held.pwq(route.slot).takes_for(self.id) {
                return Some(insert(held, &route.pool, route.slot));
            }
        }
    }

    /// Queues an item that is not pending. Any context.
    ///
    /// What nearly always is the case is decided here, in few steps; the rest is left to [`queue_slowly`](Self::queue_slowly), which begins anew. So
    /// nothing has to be kept for later: all calls on this path are its end.
    #[inline]
    pub(crate) fn queue(&self, node: &Arc<Node>, cpu: Option<CpuId>) -> bool {
        let Some(here) = cpu.or_else(pools::this_cpu) else { return self.queue_slowly(node, cpu) };
        let Some(route) = self.first.routes.get(here) else { return false };
        let Some(idle) = node.state.idle() else { return self.queue_slowly(node, cpu) };
        let mut held = match route.pool.lock_if_free() {
            Ok(held) => held,
            Err(section) => {
                section.end_unwoken();
                return self.queue_slowly(node, cpu);
            }
        };
        if tracepoints::queueing_is_traced()
            || self.closed.load(Ordering::Relaxed) != 0
            || !node.state.claim_from(idle)
        {
            held.release().end_unwoken();
            return self.queue_slowly(node, cpu);
        }
        if held.insert(route.slot, node.clone()) {
            return follow(held);
        }
        true
    }

    #[cold]
    #[inline(never)]
    fn queue_slowly(&self, node: &Arc<Node>, cpu: Option<CpuId>) -> bool {
        if !node.state.may_claim() {
            return false;
        }
        // Interrupts are off from the claim to the end: nobody above this code finds the item pending and nowhere.
        let queued = self.with_route(cpu, |mut held, pool, slot| {
            let claimed = node.state.claim();
            if claimed {
                tracepoints::queue_work(self, pool, node, cpu);
                if held.insert(slot, node.clone()) {
                    held.follow();
                }
            }
            claimed
        });
        queued == Some(true)
    }

    /// Queues an item that the caller has claimed. Any context, interrupts off. The reference goes along: once the item is queued,
    /// whoever takes it back may hold the last one, and drops it where that is right.
    ///
    /// # Errors
    /// The reference: the queue takes nothing, and the item is idle again.
    pub(crate) fn queue_claimed(
        &self,
        node: Arc<Node>,
        cpu: Option<CpuId>,
    ) -> Result<(), Arc<Node>> {
        let mut node = Some(node);
        self.with_route(cpu, |mut held, pool, slot| {
            let Some(node) = node.take() else { return };
            tracepoints::queue_work(self, pool, &node, cpu);
            if held.insert(slot, node) {
                held.follow();
            }
        });
        let Some(node) = node else { return Ok(()) };
        if node.state.unclaim() {
            wait::announce(&node);
        }
        Err(node)
    }

    /// It is about to be destroyed.
    pub(crate) fn set_ending(&self) {
        self.closed.fetch_or(ENDING, Ordering::SeqCst);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.closed.load(Ordering::SeqCst) & ENDING != 0
    }

    /// Whether it takes nothing any more, from anybody.
    pub(crate) fn is_destroyed(&self) -> bool {
        self.closed.load(Ordering::SeqCst) & DESTROYED != 0
    }

    /// Whether the running code may queue. Under the lock of the pool: after the queue has been closed and the lock been held once,
    /// nothing is added.
    #[inline]
    fn takes(&self) -> bool {
        let closed = self.closed.load(Ordering::Relaxed);
        closed & (DRAINING | DESTROYED) == 0 || self.takes_although(closed)
    }

    #[cold]
    fn takes_although(&self, closed: u32) -> bool {
        let takes = closed & DESTROYED == 0 && worker::runs_item_of(self);
        if !takes {
            kthread::warn_once!("workqueue: {} is drained and takes no work", self.name);
        }
        takes
    }

    fn is_idle(&self) -> bool {
        let mut idle = true;
        // So that no part comes or goes meanwhile.
        with_all(|| self.for_each_part(|part| idle &= part.is_idle()));
        idle
    }

    /// Whether one of its own items is about to wait for it. It would wait for ever.
    pub(crate) fn is_waited_for_by_itself(&self) -> bool {
        let itself = worker::runs_item_of(self);
        if itself {
            log::warn!("workqueue: an item of {} does not wait for the queue", self.name);
        }
        itself
    }

    fn drain(&self) {
        if self.is_waited_for_by_itself() {
            return;
        }
        {
            let mut drainers = self.drainers.lock();
            *drainers += 1;
            self.closed.fetch_or(DRAINING, Ordering::SeqCst);
        }
        // Items may queue others of this queue, so once may not be enough.
        loop {
            flush::flush(self);
            if self.is_idle() {
                break;
            }
        }
        let mut drainers = self.drainers.lock();
        *drainers -= 1;
        if *drainers == 0 {
            self.closed.fetch_and(!DRAINING, Ordering::SeqCst);
        }
    }

    fn destroy(self: &Arc<Self>) {
        attributes::removed(self);
        self.drain();
        self.closed.fetch_or(DESTROYED, Ordering::SeqCst);
        // What came between the two.
        self.drain();
        rescuer::end(self);
        QUEUES.lock_irq().retain(|other| other.id != self.id);
        self.leave_pools();
    }

    /// See [`WorkQueue::set_max_active`].
    pub(crate) fn set_max_active(&self, max_active: u32) {
        if self.flags.contains(WqFlags::ORDERED) {
            return;
        }
        let max_active = if max_active == 0 { DEFAULT_ACTIVE } else { max_active.min(MAX_ACTIVE) };
        let all = QUEUES.lock_irq();
        self.max_active.store(max_active, Ordering::Relaxed);
        self.adjust_max_active();
        drop(all);
    }

    /// Puts in force how many items may be active now. The caller holds [`QUEUES`]: freezing is not begun or ended meanwhile.
    pub(crate) fn adjust_max_active(&self) {
        let frozen = self.flags.contains(WqFlags::FREEZABLE) && freeze::is_freezing();
        let max_active = if frozen { 0 } else { self.max_active() };
        self.for_each_part(|part| part.pool.lock().set_max_active(part.slot(), max_active));
    }
}

/// Takes the lock along, and releases it. True, for what has been queued.
#[cold]
#[inline(never)]
fn follow(mut held: Held<'_>) -> bool {
    held.follow();
    true
}

/// Calls a function with the list of queues locked: freezing is not begun or ended meanwhile, and no queue's parts change. Any context; it may
/// lock pools.
pub(crate) fn with_all<R>(function: impl FnOnce() -> R) -> R {
    let _all = QUEUES.lock_irq();
    function()
}

/// Visits all queues. Any context; `visit` may lock pools.
pub(crate) fn for_each(mut visit: impl FnMut(&Arc<Queue>)) {
    for queue in QUEUES.lock_irq().iter() {
        visit(queue);
    }
}

/// The queue with the lowest number above `last` that `fits`. Any context.
pub(crate) fn next(last: u64, fits: impl Fn(&Queue) -> bool) -> Option<Arc<Queue>> {
    let all = QUEUES.lock_irq();
    let later = all.iter().filter(|queue| queue.id > last && fits(queue));
    later.min_by_key(|queue| queue.id).cloned()
}

/// A queue of work.
///
/// Dropping it waits for all that is queued, as [`destroy`](Self::destroy) does. Where that would never end, in one of its own items or its
/// rescuer, an item of [`system_unbound_wq`] does so instead.
pub struct WorkQueue {
    queue: Arc<Queue>,
}

/// Makes a queue with a formatted name. `max_active` is how many of its items may be active at once for each CPU (each node, if
/// unbound); 0: 256. An ordered queue has one. May sleep.
///
/// # Errors
/// ENOMEM; as [`kthread::Builder::create`], for the rescuer. EINVAL: ordered and not unbound, or several at a time, or to be shown.
/// EEXIST: to be shown, with a name that is taken.
pub fn alloc_workqueue(
    name: fmt::Arguments<'_>,
    flags: WqFlags,
    max_active: u32,
) -> Result<WorkQueue, Errno> {
    let queue = prepare(name, flags, max_active)?;
    if flags.contains(WqFlags::MEM_RECLAIM)
        && pools::is_ready()
        && let Err(error) = rescuer::make(&queue)
    {
        queue.leave_pools();
        return Err(error);
    }
    let added = {
        let mut all = QUEUES.lock_irq();
        let room = all.try_reserve(1).map_err(|_| Errno::ENOMEM);
        if room.is_ok() {
            all.push(queue.clone());
            queue.adjust_max_active();
        }
        room
    };
    if let Err(error) = added {
        rescuer::end(&queue);
        queue.leave_pools();
        return Err(error);
    }
    let made = WorkQueue { queue };
    // If it cannot be shown, it ends here.
    attributes::added(&made.queue)?;
    Ok(made)
}

/// Makes an unbound queue that runs one item at a time, in the order of queueing. May sleep.
///
/// # Errors
/// As [`alloc_workqueue`].
pub fn alloc_ordered_workqueue(
    name: fmt::Arguments<'_>,
    flags: WqFlags,
) -> Result<WorkQueue, Errno> {
    alloc_workqueue(name, flags | WqFlags::UNBOUND | WqFlags::ORDERED, 1)
}

/// Makes a queue and its parts.
fn prepare(
    name: fmt::Arguments<'_>,
    mut flags: WqFlags,
    max_active: u32,
) -> Result<Arc<Queue>, Errno> {
    if flags.contains(WqFlags::POWER_EFFICIENT) && pools::saves_power() {
        flags |= WqFlags::UNBOUND;
    }
    if flags.contains(WqFlags::ORDERED) && !(flags.contains(WqFlags::UNBOUND) && max_active == 1) {
        return Err(Errno::EINVAL);
    }
    if flags.contains(WqFlags::ORDERED | WqFlags::SYSFS) {
        // What could be set would break the order.
        return Err(Errno::EINVAL);
    }
    let max_active = if max_active == 0 { DEFAULT_ACTIVE } else { max_active.min(MAX_ACTIVE) };
    let mut buffer = NameBuffer::new();
    buffer.format(name);
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let attributes = Attributes::of(flags);
    let first = Parts::make(id, flags, attributes)?;
    let queue = Arc::new(Queue {
        id,
        name: Arc::new(Name(buffer)),
        flags,
        closed: AtomicU32::new(0),
        max_active: AtomicU32::new(max_active),
        first,
        moved: Moved::nowhere(attributes),
        flush: Flush::new(),
        rescuer: Rescuer::new(),
        drainers: Mutex::new(&DRAIN_LOCK, 0),
    });
    queue.first.occupy(&queue, 0);
    Ok(queue)
}

impl WorkQueue {
    /// The queue's name.
    pub fn name(&self) -> impl fmt::Display + '_ {
        &*self.queue.name
    }

    /// Whether it has a rescuer: one with [`WqFlags::MEM_RECLAIM`], except while one that has died of an item is being replaced. Any
    /// context.
    pub fn has_rescuer(&self) -> bool {
        self.queue.rescuer.is_there()
    }

    /// Queues an item, on this CPU unless the queue is unbound. Returns false if it is pending already or is being taken back; what the
    /// caller wrote before is then seen by the instance that is pending. Any context; never allocates.
    #[inline]
    pub fn queue<T: WorkItem>(&self, work: &Work<T>) -> bool {
        self.queue.queue(work.node(), None)
    }

    /// As [`queue`](Self::queue), on a CPU; on this one if that has never been there. The items of a CPU that is gone are run elsewhere.
    pub fn queue_on<T: WorkItem>(&self, cpu: CpuId, work: &Work<T>) -> bool {
        self.queue.queue(work.node(), pools::with_workers(cpu))
    }

    /// Queues an item after so many nanoseconds; returns false if it is pending. Any context.
    pub fn queue_delayed<T: WorkItem>(&self, work: &DelayedWork<T>, nanoseconds: u64) -> bool {
        delayed::queue(&self.queue, work.node(), None, nanoseconds)
    }

    /// As [`queue_delayed`](Self::queue_delayed), on a CPU.
    pub fn queue_delayed_on<T: WorkItem>(
        &self,
        cpu: CpuId,
        work: &DelayedWork<T>,
        nanoseconds: u64,
    ) -> bool {
        delayed::queue(&self.queue, work.node(), pools::with_workers(cpu), nanoseconds)
    }

    /// Queues an item after so many nanoseconds, in place of when it would have been queued or run. Returns whether it was pending.
    /// An item that is being taken back stays away. Any context.
    pub fn mod_delayed<T: WorkItem>(&self, work: &DelayedWork<T>, nanoseconds: u64) -> bool {
        delayed::modify(&self.queue, work.node(), None, nanoseconds)
    }

    /// As [`mod_delayed`](Self::mod_delayed), on a CPU.
    pub fn mod_delayed_on<T: WorkItem>(
        &self,
        cpu: CpuId,
        work: &DelayedWork<T>,
        nanoseconds: u64,
    ) -> bool {
        delayed::modify(&self.queue, work.node(), pools::with_workers(cpu), nanoseconds)
    }

    /// Waits for exactly what is queued now. May sleep. One of the queue's items does not wait: it would, for itself, for ever.
    pub fn flush(&self) {
        flush::flush(&self.queue);
    }

    /// Waits until the queue is empty; meanwhile only its own items may queue on it. May sleep. One of them does not wait.
    pub fn drain(&self) {
        self.queue.drain();
    }

    /// Sets how many items may be active at once; 0: 256. Not for an ordered queue, which ignores it. May sleep.
    pub fn set_max_active(&self, max_active: u32) {
        self.queue.set_max_active(max_active);
    }

    /// Whether items queued for a CPU are held back (`workqueue_congested`). Any context.
    pub fn is_congested(&self, cpu: CpuId) -> bool {
        let route = self.queue.moved_route(cpu);
        route.is_some_and(|route| !route.pool.lock().pwq(route.slot).inactive().is_empty())
    }

    /// Does what is queued and ends the queue. What timers would queue on it later is not done. May sleep.
    pub fn destroy(self) {
        // By being dropped.
    }
}

impl Drop for WorkQueue {
    fn drop(&mut self) {
        if worker::works_for(&self.queue) {
            let queue = self.queue.clone();
            let destroys = Work::from_fn("destroy_workqueue", move |_| queue.destroy());
            system_unbound_wq().queue(&destroys);
        } else {
            self.queue.destroy();
        }
    }
}
