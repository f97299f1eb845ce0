//! Rescuers: what goes on when no worker can be made.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use errno::Errno;
use fault::{Plan, Point, When};
use machine::CpuId;
use sched::Completion;
use workqueue::{Work, WorkItem, WorkQueue, WqFlags, system_wq};

use super::queue;
use crate::tools::{PATIENCE, cpus, dawdle, expect_oopses, random};

/// Waits for what takes a second, as the next try to make a thread does.
fn wait_long_until(condition: impl Fn() -> bool) {
    while !condition() {
        sched::sleep_for(time::MILLISECOND);
    }
}

/// All workers of a CPU's pool block, and no other can be made, until this is told to end.
pub(super) struct Shortage<T: WorkItem> {
    pub(super) cpu: CpuId,
    over: Arc<Completion>,
    blockers: Vec<Work<T>>,
}

/// Makes it so. May take a second: the pool may rest from an earlier failure to make a worker.
pub(super) fn begin_shortage() -> Shortage<impl WorkItem> {
    let points = [Point::CreateRequest, Point::Task, Point::KernelStack, Point::Pid];
    let point = points[random(4) as usize];
    let cpu = cpus()[random(cpus().len() as u64) as usize];
    let over = Arc::new(Completion::new());
    // As many as there may be workers by now, and more.
    let blockers: Vec<_> = (0..workqueue::workers_of(cpu) + 2)
        .map(|_| {
            let over = over.clone();
            Work::from_fn("blocked", move |_| over.wait())
        })
        .collect();
    let before = fault::hits(point);
    fault::arm(Plan { point: Some(point), when: When::From(1) });
    blockers.iter().for_each(|work| {
        system_wq().queue_on(cpu, work);
    });
    wait_long_until(|| fault::hits(point) > before);
    Shortage { cpu, over, blockers }
}

impl<T: WorkItem> Shortage<T> {
    /// Workers can be made again.
    pub(super) fn end(self) {
        fault::disarm();
        self.over.complete_all();
        self.blockers.iter().for_each(|work| {
            work.flush();
        });
    }
}

/// An item that says whether a rescuer ran it, and then does something.
fn saver(then: impl Fn() + Send + Sync + 'static) -> (Work<impl WorkItem>, Arc<AtomicBool>) {
    let by_rescuer = Arc::new(AtomicBool::new(false));
    let says = by_rescuer.clone();
    let work = Work::from_fn("saver", move |_| {
        says.store(workqueue::current_is_rescuer(), SeqCst);
        dawdle();
        then();
    });
    (work, by_rescuer)
}

/// All workers block on what one more item would do, and no worker can be made.
pub(crate) fn goes_on() {
    rescue(&queue(WqFlags::MEM_RECLAIM, 0));
}

fn rescue(queue: &WorkQueue) {
    let shortage = begin_shortage();
    let over = shortage.over.clone();
    let (saver, by_rescuer) = saver(move || over.complete_all());
    queue.queue_on(shortage.cpu, &saver);
    saver.flush();
    assert!(by_rescuer.load(SeqCst), "a worker did it");
    shortage.end();
}

/// A rescuer dies of an item. What waits behind that is done, and as soon as one can be made, the queue has another rescuer.
pub(crate) fn dies() {
    expect_oopses(1);
    // For the replacement, which needs one that is idle when it has begun, or rests until there is memory.
    super::pools::unbound_run_at_once();
    let own = queue(WqFlags::MEM_RECLAIM, 0);
    let shortage = begin_shortage();
    let (deadly, by_rescuer) = saver(|| panic!("this item is meant to panic"));
    let runs = Arc::new(AtomicU64::new(0));
    let behind: Vec<_> = (0..3)
        .map(|_| {
            let runs = runs.clone();
            Work::from_fn("behind", move |_| {
                runs.fetch_add(1, SeqCst);
            })
        })
        .collect();
    own.queue_on(shortage.cpu, &deadly);
    behind.iter().for_each(|work| {
        own.queue_on(shortage.cpu, work);
    });
    deadly.flush();
    assert!(by_rescuer.load(SeqCst), "a worker did it");
    assert!(!own.has_rescuer(), "another was made without memory");
    assert_eq!(deadly.into_inner().err(), Some(Errno::EIO), "what it had in its hands is lost");
    if random(2) == 0 {
        // Some tries to make another fail.
        sched::sleep_for(random(3 * time::SECOND));
    }
    fault::disarm();
    // Of the workers, all are still blocked.
    behind.iter().for_each(|work| {
        work.flush();
    });
    assert_eq!(runs.load(SeqCst), 3, "what waited behind was not done");
    shortage.end();
    wait_long_until(|| own.has_rescuer());
    rescue(&own);
}

/// A queue ends when its rescuer has died and another is just being made.
pub(crate) fn dies_as_its_queue_ends() {
    expect_oopses(1);
    let own = queue(WqFlags::MEM_RECLAIM, 0);
    let shortage = begin_shortage();
    let (deadly, by_rescuer) = saver(|| {
        // At once it can be made.
        fault::disarm();
        panic!("this item is meant to panic");
    });
    own.queue_on(shortage.cpu, &deadly);
    deadly.flush();
    assert!(by_rescuer.load(SeqCst), "a worker did it");
    (0..random(4)).for_each(|_| dawdle());
    own.destroy();
    shortage.end();
}

/// What becomes active as the rescuer does the item before it is done at once, and not at the next call.
pub(crate) fn in_one_go() {
    const ITEMS: usize = 30;
    // Between two calls of a pool.
    const CALLS: u64 = 100 * time::MILLISECOND;
    let own = queue(WqFlags::MEM_RECLAIM, 1);
    let shortage = begin_shortage();
    let first = Arc::new(AtomicU64::new(u64::MAX));
    let works: Vec<_> = (0..ITEMS)
        .map(|_| {
            let first = first.clone();
            Work::from_fn("saver", move |_| {
                first.fetch_min(time::monotonic(), SeqCst);
            })
        })
        .collect();
    works.iter().for_each(|work| assert!(own.queue_on(shortage.cpu, work)));
    own.flush();
    let span = time::monotonic() - first.load(SeqCst);
    shortage.end();
    assert!(span < CALLS + PATIENCE, "{ITEMS} items, one after the other, took {span} ns");
}

/// The last owner of a queue is an item that the queue's rescuer runs: that does not wait for its own end.
pub(crate) fn goes_with_its_queue() {
    let own = Arc::new(queue(WqFlags::MEM_RECLAIM, 0));
    let shortage = begin_shortage();
    let theirs = own.clone();
    let (saver, by_rescuer) = saver(move || assert!(Arc::strong_count(&theirs) > 0));
    own.queue_on(shortage.cpu, &saver);
    let runs = Arc::new(AtomicU64::new(0));
    let behind: Vec<_> = (0..random(3))
        .map(|_| {
            let runs = runs.clone();
            Work::from_fn("behind", move |_| {
                runs.fetch_add(1, SeqCst);
            })
        })
        .collect();
    behind.iter().for_each(|work| {
        own.queue_on(shortage.cpu, work);
    });
    drop((saver, own));
    behind.iter().for_each(|work| {
        work.flush();
    });
    wait_long_until(|| by_rescuer.load(SeqCst));
    shortage.end();
    assert_eq!(runs.load(SeqCst), behind.len() as u64);
}

/// An item that a rescuer runs returns with preemption or interrupts off.
#[cfg(not(target_os = "none"))]
pub(crate) fn returns_in_atomic() {
    crate::tools::expect_panic(super::items::RETURNED_IN_ATOMIC);
    let own = queue(WqFlags::MEM_RECLAIM, 0);
    let shortage = begin_shortage();
    let careless = Work::from_fn("careless", |_| super::items::leave_a_section_open());
    own.queue_on(shortage.cpu, &careless);
    careless.flush();
    machine::sim::fail("the rescuer went on");
}
