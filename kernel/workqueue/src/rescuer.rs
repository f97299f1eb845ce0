//! Rescuers.
//!
//! A pool whose workers all block needs another one, and making one needs memory. If what waits on its list is what would free
//! memory, nothing goes on. So a queue with [`WqFlags::MEM_RECLAIM`](crate::WqFlags::MEM_RECLAIM) has a thread of its own,
//! made with the queue and named after it. When a pool has not been able to make a worker for a while, it calls the
//! rescuers of all queues whose items wait. A rescuer goes to the pool's CPU and runs the items of its queue, and
//! only those, one after the other.
//!
//! An item that panics takes the rescuer along. Its queue gets another one, as soon as there is memory for that:
//!
//! ```text
//!            make            an item panics             replacement: made
//!   Absent ───────> Alive ────────────────────> Lost ────────────────────> Alive
//!      │              │                           │ ^      no memory │
//!      │ end          │ end                   end │ └── a second ────┘
//!      └─────────> Ended <────────────────────────┘
//! ```

use alloc::sync::Arc;
use core::mem;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use errno::Errno;
use kthread::{Builder, Handle, This};
use sched::{Attributes, CpuMask, Slot, state};
use sync::{LockClass, Once, SpinLock};

use crate::item::{DelayedWork, Running, WorkItem};
use crate::parts::Part;
use crate::queue::{self, Queue};
use crate::system::system_unbound_wq;
use crate::worker::{self, Kind, Tag};

/// Inside pool locks; run queues are taken inside.
static HANDLE_LOCK: LockClass = LockClass::new("wq_rescuer");

/// A rescuer's nice value.
const NICE: i8 = -20;

/// After a failure to make another rescuer, the next try.
const RETRY: u64 = time::SECOND;

/// A queue's rescuer as a thread. Only the one that makes it leaves `Absent` and `Lost` for `Alive`.
enum Thread {
    Absent,
    Alive(Handle),
    /// It died, and there is to be another.
    Lost(Handle),
    /// The queue ends.
    Ended,
}

/// A queue's rescuer.
pub(crate) struct Rescuer {
    thread: SpinLock<Thread>,
    /// The parts of the queue that need help, one bit each.
    calls: AtomicU64,
}

impl Rescuer {
    pub(crate) const fn new() -> Self {
        Self { thread: SpinLock::new(&HANDLE_LOCK, Thread::Absent), calls: AtomicU64::new(0) }
    }

    /// Whether there is a thread.
    pub(crate) fn is_there(&self) -> bool {
        matches!(*self.thread.lock_irq(), Thread::Alive(_))
    }

    /// Its number, if there is a thread.
    pub(crate) fn pid(&self) -> Option<u32> {
        match &*self.thread.lock_irq() {
            Thread::Alive(thread) => Some(thread.task().pid()),
            _ => None,
        }
    }

    /// Whether there is one that has been called to a part of the queue, and has not come yet.
    pub(crate) fn is_called_to(&self, part: usize) -> bool {
        self.is_there() && self.calls.load(SeqCst) & 1 << part != 0
    }

    fn is_lost(&self) -> bool {
        matches!(*self.thread.lock_irq(), Thread::Lost(_))
    }
}

/// Gives a queue its rescuer, or another; none if it ends meanwhile. May sleep.
///
/// # Errors
/// As [`Builder::create`].
pub(crate) fn make(queue: &Arc<Queue>) -> Result<(), Errno> {
    let theirs = queue.clone();
    let created = Builder::new(format_args!("{}", queue.name))
        .attributes(Attributes { nice: NICE, ..Attributes::NORMAL })
        .bound_to(CpuMask::ALL)
        .create(move |this| live(this, &theirs))?;
    let mut thread = queue.rescuer.thread.lock_irq();
    if matches!(*thread, Thread::Ended) {
        drop(thread);
        created.stop();
        return Ok(());
    }
    // Under the lock: it may die of its first item, and is known by then.
    let dead = mem::replace(&mut *thread, Thread::Alive(created.wake()));
    drop(thread);
    drop(dead);
    Ok(())
}

/// Ends a queue's rescuer. May sleep.
pub(crate) fn end(queue: &Queue) {
    let thread = mem::replace(&mut *queue.rescuer.thread.lock_irq(), Thread::Ended);
    if let Thread::Alive(thread) | Thread::Lost(thread) = thread {
        thread.stop();
    }
}

/// Calls a queue's rescuer, if it has one, to one of its parts. Any context; a pool may be locked.
pub(crate) fn call(queue: &Queue, part: usize) {
    queue.rescuer.calls.fetch_or(1 << part, SeqCst);
    if let Thread::Alive(thread) = &*queue.rescuer.thread.lock_irq() {
        thread.wake_up();
    }
}

/// A rescuer's function; of its own, so that its name shows in `/proc/PID/wchan`.
#[inline(never)]
fn live(this: &This, queue: &Arc<Queue>) -> i32 {
    let tag = Arc::new(Tag::new(Kind::Rescuer { queue: queue.clone() }));
    sched::current().attach(Slot::Worker, tag.clone());
    loop {
        sched::set_current_state(state::UNINTERRUPTIBLE | state::NOLOAD);
        let calls = queue.rescuer.calls.swap(0, SeqCst);
        if calls == 0 {
            if this.should_stop() {
                sched::set_current_running();
                return 0;
            }
            sched::schedule();
            continue;
        }
        sched::set_current_running();
        for number in (0..queue.part_count()).rev() {
            if let Some(part) = queue.part(number).filter(|part| calls & 1 << part.index() != 0) {
                rescue(queue, &part, &tag);
            }
        }
        // Wherever it is, until it is called again.
        let _ = sched::set_allowed(&sched::current_ref(), CpuMask::ALL);
    }
}

/// Runs what the queue has waiting in one pool.
fn rescue(queue: &Arc<Queue>, part: &Part, tag: &Tag) {
    let (pool, slot) = (&part.pool, part.slot());
    // If the CPU is gone, anywhere is right.
    let _ = sched::set_allowed(&sched::current_ref(), pool.cpus());
    let mut held = pool.lock();
    // No more than there are now: an item that queues itself must not keep the rescuer from the other pools.
    let waiting = held.worklist().iter().filter(|node| node.home.get().slot() == slot).count();
    for _ in 0..waiting {
        // A retired row is freed when it is idle, and may be another queue's by now.
        if held.pwq(slot).queue_id != queue.id {
            return;
        }
        let Some((node, home)) = held.next_item_of(slot) else { break };
        held.note_progress();
        held.pwq(slot).rescued = Some((node.clone(), home));
        tag.enter(queue.id);
        let running = Running { showing: tag.current.show(node), pool, slot };
        drop(held);
        worker::run(&running);
        if sync::in_atomic() {
            worker::returned_in_atomic(&running.showing);
        }
        let node = running.showing.end();
        tag.leave();
        held = pool.lock();
        drop(held.pwq(slot).rescued.take());
        drop(worker::finish(pool, held, home, &node));
        // The last reference, perhaps: not under the lock.
        drop(node);
        held = pool.lock();
    }
    if held.need_to_make_worker()
        && held.pwq(slot).queue_id == queue.id
        && held.worklist().iter().any(|node| node.home.get().slot() == slot)
    {
        queue.rescuer.calls.fetch_or(1 << part.index(), SeqCst);
    }
}

/// The running rescuer dies: of the item that it runs for a part of its queue, or of what goes with an item's last reference. The item has
/// ended; for the others, pools that are still in need call again. Any context, no lock held.
pub(crate) fn dies(queue: &Queue) {
    log::error!("workqueue: the rescuer of {} has died, and is replaced", queue.name);
    // Before anybody who waits for the item learns of its end.
    let mut thread = queue.rescuer.thread.lock_irq();
    *thread = match mem::replace(&mut *thread, Thread::Ended) {
        Thread::Alive(dead) => Thread::Lost(dead),
        other => other,
    };
    drop(thread);
    for number in (0..queue.part_count()).rev() {
        let Some(part) = queue.part(number) else { continue };
        let mut held = part.pool.lock();
        let pwq = held.pwq(part.slot());
        if pwq.queue_id == queue.id
            && let Some((node, home)) = pwq.rescued.take()
        {
            worker::bury_item(&part.pool, held, home, &node);
        }
    }
    if let Some(replacement) = REPLACEMENT.get() {
        system_unbound_wq().mod_delayed(replacement, 0);
    }
}

/// Makes another rescuer for each queue that has lost its own.
struct Replacement;

static REPLACEMENT: Once<DelayedWork<Replacement>> = Once::new();

/// Before the first rescuer is made. Once.
pub(crate) fn init() {
    let fresh = REPLACEMENT.set(DelayedWork::new(Replacement)).is_ok();
    assert!(fresh, "the workqueue starts once");
}

impl WorkItem for Replacement {
    fn run(&self, running: &Running<'_>) {
        let mut last = 0;
        let mut failed = false;
        while let Some(queue) = queue::next(last, |queue| queue.rescuer.is_lost()) {
            last = queue.id;
            failed |= make(&queue).is_err();
        }
        if failed {
            running.requeue_after(RETRY);
        }
    }
}
