//! What the flags of a queue promise.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use errno::Errno;
use kthread::freezer::{self, Scope};
use sched::{Completion, Mutex};
use sync::LockClass;
use workqueue::{
    Running, Work, WorkItem, WorkQueue, WqFlags, alloc_ordered_workqueue, alloc_workqueue,
    system_freezable_wq,
};

use super::{Count, Dawdler, queue, wait_until};
use crate::tools::{cpus, dawdle, join_all, random, spawn};

pub(crate) fn max_active() {
    let limit = 1 + random(3) as u32;
    let queue = queue(WqFlags::empty(), limit);
    let all = cpus();
    let cpu = all[random(all.len() as u64) as usize];
    let count = Arc::new(Count::default());
    let works: Vec<_> = (0..6).map(|_| Work::new(Dawdler(count.clone()))).collect();
    assert!(!queue.is_congested(cpu), "nothing is held back yet");
    for work in &works {
        assert!(queue.queue_on(cpu, work));
    }
    let held_back = works[5].cancel();
    queue.flush();
    assert_eq!(count.runs(), if held_back { 5 } else { 6 });
    assert!(count.most() <= limit.into(), "{} of {limit} at once", count.most());
    queue.set_max_active(limit + 1);
    for work in &works {
        queue.queue_on(cpu, work);
    }
    queue.flush();
    assert!(count.most() <= i64::from(limit) + 1);
}

/// While it is wanted, work goes to each CPU in turn; after that it stays.
pub(crate) fn goes_round() {
    let queue = queue(WqFlags::empty(), 0);
    let seen = Arc::new(AtomicU64::new(0));
    let of_item = seen.clone();
    let work =
        Work::from_fn("where", move |_| _ = of_item.fetch_or(1 << machine::cpu::id(), SeqCst));
    let all = cpus();
    workqueue::set_goes_round(true);
    for _ in 0..all.len() {
        assert!(queue.queue(&work));
        work.flush();
    }
    workqueue::set_goes_round(false);
    assert_eq!(seen.swap(0, SeqCst), all.iter().fold(0, |mask, cpu| mask | 1 << cpu));
    let here = {
        let _here = sync::PreemptGuard::new();
        assert!(queue.queue(&work));
        machine::cpu::id()
    };
    work.flush();
    assert_eq!(seen.load(SeqCst), 1 << here);
}

static ORDER_LOCK: LockClass = LockClass::new("scenario.order");

pub(crate) fn ordered() {
    let queue = alloc_ordered_workqueue(format_args!("in_order"), WqFlags::empty())
        .expect("a queue can be made");
    let order = Arc::new(Mutex::new(&ORDER_LOCK, Vec::new()));
    let count = Arc::new(Count::default());
    let works: Vec<_> = (0..8)
        .map(|number| {
            let (order, count) = (order.clone(), count.clone());
            Work::from_fn("numbered", move |_| {
                count.enter();
                dawdle();
                order.lock().push(number);
                count.leave();
            })
        })
        .collect();
    for work in &works {
        assert!(queue.queue(work));
        dawdle();
    }
    queue.flush();
    let order = order.lock();
    assert!(order.iter().copied().eq(0..8), "{:?}", &*order);
    assert_eq!(count.most(), 1, "two at once");
    let wrong = alloc_workqueue(format_args!("wrong"), WqFlags::ORDERED | WqFlags::UNBOUND, 2);
    assert!(matches!(wrong.err(), Some(Errno::EINVAL)));
}

/// An item that queues the next one, until there is none.
struct Chain {
    queue: Arc<WorkQueue>,
    next: Option<Work<Chain>>,
    count: Arc<Count>,
}

impl WorkItem for Chain {
    fn run(&self, _: &Running<'_>) {
        self.count.enter();
        dawdle();
        if let Some(next) = &self.next {
            assert!(self.queue.queue(next), "an item may queue while its queue is drained");
        }
        self.count.leave();
    }
}

pub(crate) fn drain() {
    let queue = Arc::new(queue(WqFlags::UNBOUND, 0));
    let count = Arc::new(Count::default());
    let mut head = None;
    for _ in 0..5 {
        head = Some(Work::new(Chain { queue: queue.clone(), next: head, count: count.clone() }));
    }
    let head = head.expect("five were made");
    assert!(queue.queue(&head));
    queue.drain();
    assert_eq!(count.runs(), 5, "drain did not wait for what the items queued");
    assert!(queue.queue(&head), "a drained queue takes work again");
    queue.flush();
    queue.drain();
    // While it is drained, nobody else may queue.
    let may = Arc::new(Completion::new());
    let theirs = may.clone();
    let gate = Work::from_fn("gate", move |_| theirs.wait());
    let other = Work::new(Dawdler(count.clone()));
    queue.queue(&gate);
    let drained = queue.clone();
    let drainer = spawn("drainer", move |_| {
        drained.drain();
        0
    });
    wait_until(|| drainer.task().state() & sched::state::OFF_QUEUE != 0);
    assert!(!queue.queue(&other), "a queue that is drained takes nothing from outside");
    assert!(!other.is_busy());
    may.complete();
    join_all(alloc::vec![drainer]);
}

pub(crate) fn destroy() {
    let count = Arc::new(Count::default());
    let works: Vec<_> = (0..4).map(|_| Work::new(Dawdler(count.clone()))).collect();
    let queue = queue(WqFlags::UNBOUND | WqFlags::MEM_RECLAIM | WqFlags::HIGHPRI, 1);
    for work in &works {
        assert!(queue.queue(work));
    }
    queue.destroy();
    assert_eq!(count.runs(), 4, "destroy does what is queued first");
}

pub(crate) fn freezable() {
    let runs = Arc::new(AtomicU64::new(0));
    let item = || {
        let runs = runs.clone();
        Work::from_fn("counter", move |_| {
            dawdle();
            runs.fetch_add(1, SeqCst);
        })
    };
    let (before, frozen, warm) = (item(), item(), item());
    system_freezable_wq().queue(&before);
    freezer::freeze(Scope::All).expect("everybody comes");
    let done = runs.load(SeqCst);
    assert!(!before.is_busy() || before.is_pending(), "what was begun is waited for");
    assert!(system_freezable_wq().queue(&frozen), "queueing works");
    assert!(workqueue::schedule_work(&warm));
    warm.flush();
    sched::sleep_for(time::MILLISECOND);
    assert_eq!(runs.load(SeqCst), done + 1, "an item of a frozen queue ran");
    freezer::thaw();
    frozen.flush();
    before.flush();
    assert_eq!(runs.load(SeqCst), 3);
}

/// An item that uses the CPU for long does not hold up the others of its CPU, if its queue says so.
pub(crate) fn cpu_intensive() {
    let queue = queue(WqFlags::CPU_INTENSIVE, 0);
    let over = Arc::new(AtomicBool::new(false));
    let (theirs, ours) = (over.clone(), over.clone());
    let hog = Work::from_fn("hog", move |_| {
        while !theirs.load(SeqCst) {
            machine::cpu::relax();
        }
    });
    let other = Work::from_fn("other", move |_| ours.store(true, SeqCst));
    let cpu = cpus()[0];
    queue.queue_on(cpu, &hog);
    wait_until(|| !hog.is_pending());
    workqueue::system_wq().queue_on(cpu, &other);
    hog.flush();
    other.flush();
}
