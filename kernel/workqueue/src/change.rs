//! Changing what an unbound queue's workers are like, while it is in use (Linux's `apply_workqueue_attrs`).
//!
//! ```text
//!   parts that take items     ──────> row A            ──────> row B
//!   retired, until idle                         row A  ──────>        ──────> freed
//!                                  change                       the last item of A is done
//! ```
//!
//! All that can fail is done before anything changes: pools are found or made, each with a worker, and rows kept in them. Then new
//! parts take the place of the old ones. What is in an old row stays there and counts: for flushes, for draining, for the freezer. Who
//! counts its last item out has [`REAPER`] free it.
//!
//! Who queues on a queue that has never been changed sees nothing of this: its first parts are where they were, and what says
//! that they are not right any more is a bit in a word that is looked at in any case, under the lock of the pool.

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::Errno;
use fault::Point;
use machine::{CpuId, NodeId};
use sync::{LockClass, Once, SpinLock};

use crate::flags::WqFlags;
use crate::item::{Running, Work, WorkItem};
use crate::parts::{Attributes, Part, Parts, Route};
use crate::pools;
use crate::queue::{self, Queue};
use crate::system::system_unbound_wq;

/// Inside the list of queues, outside pools.
static MOVED_LOCK: LockClass = LockClass::new("wq_parts");

/// What a queue has besides the parts that it was made with.
pub(crate) struct Moved {
    attributes: Attributes,
    /// The parts that take items; None: the first ones.
    current: Option<Arc<Parts>>,
    /// Those that take none any more, and are not known to be idle.
    retired: Vec<Part>,
}

impl Moved {
    pub(crate) fn nowhere(attributes: Attributes) -> SpinLock<Self> {
        SpinLock::new(&MOVED_LOCK, Self { attributes, current: None, retired: Vec::new() })
    }
}

impl Queue {
    /// What its workers are like. Any context.
    pub(crate) fn attributes(&self) -> Attributes {
        self.moved.lock_irq().attributes
    }

    /// Gives it workers of another kind: what is queued from now on is theirs. The caller keeps others from doing so at the same time, and
    /// the queue from ending. May sleep.
    ///
    /// # Errors
    /// EINVAL: it is not unbound, or ordered. ENOMEM; as making a worker. Nothing is changed then.
    pub(crate) fn apply(self: &Arc<Self>, attributes: Attributes) -> Result<(), Errno> {
        let can_change = self.flags.contains(WqFlags::UNBOUND);
        if !can_change || self.flags.contains(WqFlags::ORDERED) {
            return Err(Errno::EINVAL);
        }
        if self.attributes() == attributes {
            return Ok(());
        }
        let fresh = Arc::new(Parts::make(self.id, self.flags, attributes)?);
        self.make_room(fresh.list.len()).inspect_err(|_| fresh.leave())?;
        let old = self.flush.with_colour(|colour| {
            queue::with_all(|| {
                fresh.occupy(self, colour);
                let old = self.exchange(attributes, fresh);
                let list = old.as_ref().map_or(&self.first.list, |old| &old.list);
                // After the bit is set that has who queues look where to: nobody adds to a row that is retired.
                for part in list {
                    part.pool.lock().pwq(part.slot()).retire();
                }
                self.adjust_max_active();
                old
            })
        });
        drop(old);
        self.reap();
        Ok(())
    }

    /// Makes room for parts that will be retired. Nobody else adds some.
    fn make_room(&self, parts: usize) -> Result<(), Errno> {
        if fault::should_fail(Point::PoolWorkqueue) {
            return Err(Errno::ENOMEM);
        }
        self.moved.lock_irq().retired.try_reserve(parts).map_err(|_| Errno::ENOMEM)
    }

    /// Puts parts in force. Returns those before, if they were not the first.
    fn exchange(&self, attributes: Attributes, fresh: Arc<Parts>) -> Option<Arc<Parts>> {
        let mut moved = self.moved.lock_irq();
        moved.attributes = attributes;
        let old = moved.current.replace(fresh);
        let list = old.as_ref().map_or(&self.first.list, |old| &old.list);
        moved.retired.extend(list.iter().cloned());
        self.set_moved();
        old
    }

    /// Where an item goes that is queued on a CPU, of a queue that may have been changed. Not for long: under the pool's lock, the row may be
    /// retired.
    #[cold]
    pub(crate) fn moved_route(&self, cpu: CpuId) -> Option<Route> {
        let moved = self.moved.lock_irq();
        moved.current.as_deref().unwrap_or(&self.first).routes.get(cpu).cloned()
    }

    /// Visits all parts that may have items. Any context; `visit` may lock pools. The caller has the list of queues or the queue's colours locked,
    /// or a part that comes or goes meanwhile does not matter to it.
    #[inline]
    pub(crate) fn for_each_part(&self, mut visit: impl FnMut(&Part)) {
        if self.has_moved() {
            self.for_each_moved(&mut visit);
        } else {
            self.first.list.iter().for_each(visit);
        }
    }

    #[cold]
    fn for_each_moved(&self, visit: &mut dyn FnMut(&Part)) {
        let moved = self.moved.lock_irq();
        let current = moved.current.as_deref().unwrap_or(&self.first);
        current.list.iter().chain(&moved.retired).for_each(visit);
    }

    /// The part with this number of those that [`for_each_part`](Self::for_each_part) visits: for who cannot do what it does under a lock. From the last to
    /// the first, none is passed over that was there all the time.
    pub(crate) fn part(&self, number: usize) -> Option<Part> {
        let moved = self.moved.lock_irq();
        let current = moved.current.as_deref().unwrap_or(&self.first);
        current.list.iter().chain(&moved.retired).nth(number).cloned()
    }

    /// How many parts there are.
    pub(crate) fn part_count(&self) -> usize {
        let mut count = 0;
        self.for_each_part(|_| count += 1);
        count
    }

    /// The nodes of the parts that take items and the numbers of the pools there.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn pool_numbers(&self) -> Result<Vec<(NodeId, u32)>, Errno> {
        let current = self.moved.lock_irq().current.clone();
        let parts = current.as_deref().unwrap_or(&self.first);
        let mut numbers = Vec::new();
        numbers.try_reserve_exact(pools::nodes()).map_err(|_| Errno::ENOMEM)?;
        numbers.extend(parts.numbers());
        Ok(numbers)
    }

    /// Whether there are parts that wait to be freed. Any context, no pool locked.
    #[cold]
    fn has_retired(&self) -> bool {
        !self.moved.lock_irq().retired.is_empty()
    }

    /// Frees retired parts that are idle. May sleep.
    pub(crate) fn reap(&self) {
        while let Some(part) = self.take_idle() {
            part.leave();
        }
    }

    fn take_idle(&self) -> Option<Part> {
        let mut moved = self.moved.lock_irq();
        let place = moved.retired.iter().position(Part::is_idle)?;
        Some(moved.retired.remove(place))
    }

    /// Frees all parts. The queue is drained and takes nothing. May sleep.
    pub(crate) fn leave_pools(&self) {
        self.reap();
        let current = self.moved.lock_irq().current.clone();
        current.as_deref().unwrap_or(&self.first).leave();
    }

    /// An item may have been the last one in a row. Any context, no pool locked.
    #[inline]
    pub(crate) fn look_at_retired(&self) {
        if self.has_moved()
            && self.has_retired()
            && let Some(reaper) = REAPER.get()
        {
            system_unbound_wq().queue(reaper);
        }
    }
}

/// Frees retired rows.
struct Reaper;

static REAPER: Once<Work<Reaper>> = Once::new();

/// Before the first queue is changed. Once.
pub(crate) fn init() {
    let fresh = REAPER.set(Work::new(Reaper)).is_ok();
    assert!(fresh, "the workqueue starts once");
}

impl WorkItem for Reaper {
    fn run(&self, _: &Running<'_>) {
        let mut last = 0;
        while let Some(queue) = queue::next(last, Queue::has_retired) {
            last = queue.id;
            queue.reap();
        }
    }

    fn name(&self) -> &'static str {
        "pwq_release_workfn"
    }
}
