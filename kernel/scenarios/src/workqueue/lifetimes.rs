//! Items whose handles go early, and what goes with an item.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use sched::{Completion, CpuMask, Sleep};
use sync::{LockClass, Once, SpinLock};
use workqueue::{
    DelayedWork, Running, Work, WorkItem, WorkQueue, WqFlags, schedule_work, system_wq,
};

use super::queue;
use crate::tools::{cpus, dawdle, random};

/// Longer than anything here takes.
const LONG: u64 = 10 * time::SECOND;

fn is_done(done: &Completion) -> bool {
    done.wait_as(Sleep::Uninterruptible, Some(time::monotonic() + LONG)).is_ok()
}

struct Nothing;

impl WorkItem for Nothing {
    fn run(&self, _: &Running<'_>) {}
}

/// Queues another item, and takes it back when it goes itself.
struct Owner {
    other: Work<Nothing>,
    gone: Arc<Completion>,
}

impl WorkItem for Owner {
    fn run(&self, _: &Running<'_>) {
        schedule_work(&self.other);
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.other.cancel_sync();
        self.gone.complete();
    }
}

/// An item that nobody holds any more goes when it has run, and waits for the one that its worker would run next.
pub(crate) fn goes_before_the_next() {
    let gone = Arc::new(Completion::new());
    let work = Work::new(Owner { other: Work::new(Nothing), gone: gone.clone() });
    assert!(schedule_work(&work));
    drop(work);
    assert!(is_done(&gone), "the worker waits for itself");
}

/// A queue whose last owner is one of its own items ends when the worker drops that, with others queued behind it.
pub(crate) fn queue_goes_with_its_item() {
    let flags = [WqFlags::empty(), WqFlags::UNBOUND, WqFlags::MEM_RECLAIM, WqFlags::FREEZABLE];
    let own = Arc::new(queue(flags[random(4) as usize], random(3) as u32));
    let (gone, runs) = (Arc::new(Completion::new()), Arc::new(AtomicU64::new(0)));
    let theirs = Owned { queue: own.clone(), _gone: Says(gone.clone()) };
    let work = Work::from_fn("owner", move |_| {
        theirs.is_there();
        dawdle();
    });
    own.queue(&work);
    let others: Vec<_> = (0..3)
        .map(|_| {
            let runs = runs.clone();
            Work::from_fn("other", move |_| {
                dawdle();
                runs.fetch_add(1, SeqCst);
            })
        })
        .collect();
    others.iter().for_each(|work| {
        own.queue(work);
    });
    drop(work);
    dawdle();
    drop(own);
    assert!(is_done(&gone), "the worker waits for itself");
    assert_eq!(runs.load(SeqCst), 3, "what was queued is not done");
}

/// Says that its queue has gone: the fields go in this order.
struct Owned {
    queue: Arc<WorkQueue>,
    _gone: Says,
}

impl Owned {
    /// A method, so that a closure has all of it.
    fn is_there(&self) {
        assert!(Arc::strong_count(&self.queue) > 0);
    }
}

struct Says(Arc<Completion>);

impl Drop for Says {
    fn drop(&mut self) {
        self.0.complete();
    }
}

/// Delayed work whose handle goes before its time has come.
pub(crate) fn delayed_without_a_handle() {
    let done = Arc::new(Completion::new());
    let said = done.clone();
    let work = DelayedWork::from_fn("late", move |_| said.complete());
    assert!(system_wq().queue_delayed(&work, time::MILLISECOND));
    drop(work);
    assert!(is_done(&done), "what was queued is not done");
}

static DROPPED: AtomicU64 = AtomicU64::new(0);
static DROPPED_IN_ATOMIC: AtomicBool = AtomicBool::new(false);

/// Must go where sleeping is allowed.
struct Careful;

impl WorkItem for Careful {
    fn run(&self, _: &Running<'_>) {}
}

impl Drop for Careful {
    fn drop(&mut self) {
        if sync::in_atomic() {
            DROPPED_IN_ATOMIC.store(true, SeqCst);
        }
        DROPPED.fetch_add(1, SeqCst);
    }
}

/// Delayed work whose handle and queue are both gone when its time comes, or go at that moment: it is not done, and goes in a task.
pub(crate) fn outlives_its_queue() {
    const ITEMS: u64 = 8;
    let before = DROPPED.load(SeqCst);
    for _ in 0..3 {
        let own = queue(WqFlags::empty(), 0);
        for _ in 0..ITEMS {
            let work = DelayedWork::new(Careful);
            assert!(own.queue_delayed(&work, 1 + random(2 * time::JIFFY)));
        }
        sched::sleep_for(random(2 * time::JIFFY));
        own.destroy();
    }
    let deadline = time::monotonic() + LONG;
    while DROPPED.load(SeqCst) - before < 3 * ITEMS {
        assert!(time::monotonic() < deadline, "an item is kept for ever");
        sched::sleep_for(100_000);
    }
    assert!(!DROPPED_IN_ATOMIC.load(SeqCst), "an item was dropped in atomic context");
}

/// Delayed work that is cancelled and dropped while its timer fires on another CPU.
pub(crate) fn not_dropped_by_its_timer() {
    let all = cpus();
    let me = sched::current_ref();
    for _ in 0..20 {
        sched::set_allowed(&me, CpuMask::of(all[0])).expect("the CPU is there");
        let work = DelayedWork::new(Careful);
        system_wq().queue_delayed(&work, 4 * time::MILLISECOND);
        sched::set_allowed(&me, CpuMask::of(all[all.len() - 1])).expect("the CPU is there");
        while work.is_pending() && random(400) != 0 {
            match random(2) {
                0 => machine::cpu::relax(),
                _ => {
                    sched::sleep_for(random(100_000));
                }
            }
        }
        work.cancel_sync();
        drop(work);
        dawdle();
        assert!(!DROPPED_IN_ATOMIC.load(SeqCst), "an item was dropped in atomic context");
    }
    sched::set_allowed(&me, CpuMask::ALL).expect("there are CPUs");
}

/// An item that waits for all that it is a part of.
struct Itself {
    go: Completion,
    queue: SpinLock<Option<Arc<WorkQueue>>>,
    own: Once<Weak<Work<Itself>>>,
    ended: Arc<Completion>,
}

impl WorkItem for Itself {
    fn run(&self, _: &Running<'_>) {
        self.go.wait();
        if let Some(own) = self.own.get().and_then(Weak::upgrade) {
            assert!(!own.flush(), "it waited for its own end");
            assert!(!own.cancel_sync(), "it is not pending");
        }
        let queue = self.queue.lock().take().expect("it was put there");
        queue.flush();
        queue.drain();
        // The last owner: nobody can wait for the queue's end here.
        drop(queue);
        self.ended.complete();
    }
}

/// An item that waits for itself or its queue, or is the last to own that, goes on.
pub(crate) fn one_does_not_wait_for_itself() {
    static QUEUE_LOCK: LockClass = LockClass::new("scenario.queue");
    let own = Arc::new(queue(WqFlags::empty(), 0));
    let ended = Arc::new(Completion::new());
    let work = Arc::new(Work::new(Itself {
        go: Completion::new(),
        queue: SpinLock::new(&QUEUE_LOCK, Some(own.clone())),
        own: Once::new(),
        ended: ended.clone(),
    }));
    assert!(work.own.set(Arc::downgrade(&work)).is_ok());
    assert!(own.queue(&work));
    let (last, runs) = (Arc::new(Completion::new()), Arc::new(AtomicU64::new(0)));
    let (said, counted) = (last.clone(), runs.clone());
    let behind = Work::from_fn("behind", move |_| {
        dawdle();
        counted.fetch_add(1, SeqCst);
        said.complete();
    });
    assert!(own.queue(&behind));
    drop(own);
    work.go.complete();
    assert!(is_done(&ended), "it waits for itself");
    assert!(is_done(&last), "the queue ended before what was on it");
    work.flush();
    behind.flush();
    assert_eq!(runs.load(SeqCst), 1);
}
