//! Rescuers.
//!
//! A pool whose workers all block needs another one, and making one needs memory. If what waits on its list is what would free
//! memory, nothing goes on. So a queue with [`WqFlags::MEM_RECLAIM`](crate::WqFlags::MEM_RECLAIM) has a thread of its own,
//! made with the queue and named after it. When a pool has not been able to make a worker for a while, it calls the
//! rescuers of all queues whose items wait. A rescuer goes to the pool's CPU and runs the items of its queue, and
//! only those, one after the other.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use errno::Errno;
use kthread::{Builder, Handle, This};
use sched::{Attributes, CpuMask, Slot, state};
use sync::{LockClass, SpinLock};

use crate::queue::Queue;
use crate::worker::{Kind, Tag};
use crate::{wait, worker};

/// Inside pool locks; run queues are taken inside.
static HANDLE_LOCK: LockClass = LockClass::new("wq_rescuer");

/// A rescuer's nice value.
const NICE: i8 = -20;

/// A queue's rescuer.
pub(crate) struct Rescuer {
    thread: SpinLock<Option<Handle>>,
    /// The parts of the queue that need help, one bit each.
    calls: AtomicU64,
}

impl Rescuer {
    pub(crate) const fn new() -> Self {
        Self { thread: SpinLock::new(&HANDLE_LOCK, None), calls: AtomicU64::new(0) }
    }

    /// Whether there is a thread.
    pub(crate) fn is_there(&self) -> bool {
        self.thread.lock_irq().is_some()
    }
}

/// Gives a queue its rescuer. May sleep.
///
/// # Errors
/// As [`Builder::create`].
pub(crate) fn make(queue: &Arc<Queue>) -> Result<(), Errno> {
    let theirs = queue.clone();
    let created = Builder::new(format_args!("{}", queue.name))
        .attributes(Attributes { nice: NICE, ..Attributes::NORMAL })
        .bound_to(CpuMask::ALL)
        .create(move |this| live(this, &theirs))?;
    *queue.rescuer.thread.lock_irq() = Some(created.wake());
    Ok(())
}

/// Ends a queue's rescuer. May sleep.
pub(crate) fn end(queue: &Queue) {
    let thread = queue.rescuer.thread.lock_irq().take();
    if let Some(thread) = thread {
        thread.stop();
    }
}

/// Calls a queue's rescuer, if it has one, to one of its parts. Any context; a pool may be locked.
pub(crate) fn call(queue: &Queue, part: usize) {
    queue.rescuer.calls.fetch_or(1 << part, SeqCst);
    if let Some(thread) = queue.rescuer.thread.lock_irq().as_ref() {
        thread.wake_up();
    }
}

/// A rescuer's function; of its own, so that its name shows in `/proc/PID/wchan`.
#[inline(never)]
fn live(this: &This, queue: &Arc<Queue>) -> i32 {
    let part = AtomicU32::new(0);
    let tag = Arc::new(Tag::new(Kind::Rescuer { queue: queue.clone(), part }));
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
        for part in (0..queue.parts().len()).filter(|part| calls & 1 << part != 0) {
            rescue(queue, part, &tag);
        }
        // Wherever it is, until it is called again.
        let _ = sched::set_allowed(&sched::current_ref(), CpuMask::ALL);
    }
}

/// Runs what the queue has waiting in one pool.
fn rescue(queue: &Arc<Queue>, index: usize, tag: &Tag) {
    let Some(part) = queue.parts().get(index) else { return };
    let (pool, slot) = (&part.pool, part.slot);
    if let Kind::Rescuer { part, .. } = &tag.kind {
        part.store(index as u32, Relaxed);
    }
    // If the CPU is gone, anywhere is right.
    let _ = sched::set_allowed(&sched::current_ref(), pool.cpus());
    let mut held = pool.lock();
    // No more than there are now: an item that queues itself must not keep the rescuer from the other pools.
    let waiting = held.worklist().iter().filter(|node| node.home.get().slot() == slot).count();
    for _ in 0..waiting {
        let Some(node) = held.next_item_of(slot) else { break };
        let home = node.home.get();
        held.progress += 1;
        held.pwq(slot).rescued = Some((node.clone(), home));
        drop(held);
        tag.enter(queue.id, wait::address(&node));
        worker::run(pool, slot, &node);
        tag.leave();
        held = pool.lock();
        drop(held.pwq(slot).rescued.take());
        drop(worker::finish(pool, held, home, &node));
        // The last reference, perhaps: not under the lock.
        drop(node);
        held = pool.lock();
    }
    if held.need_to_make_worker()
        && held.worklist().iter().any(|node| node.home.get().slot() == slot)
    {
        queue.rescuer.calls.fetch_or(1 << index, SeqCst);
    }
    // The rescuer may have made what kept the pool waiting go on.
    if held.need_more_workers() {
        held.wake_worker();
    }
}
