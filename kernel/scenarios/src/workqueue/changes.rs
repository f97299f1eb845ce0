//! Queues whose workers are changed while they are in use.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};

use errno::Errno;
use fault::{Plan, Point, When};
use kthread::freezer::{self, Scope};
use sched::{Completion, CpuMask};
use workqueue::attributes::Shown;
use workqueue::{DelayedWork, Running, Work, WorkItem, WorkQueue, WqFlags, alloc_workqueue};

use super::attributes::{find, watch};
use super::{Count, wait_until};
use crate::tools::{any_but_the_first, cpus, dawdle, join_all, random, spawn, unplug_until};

/// A queue that is shown.
fn shown(flags: WqFlags, max_active: u32) -> (WorkQueue, Shown) {
    watch();
    let flags = flags | WqFlags::SYSFS | WqFlags::UNBOUND;
    let queue = alloc_workqueue(format_args!("changes"), flags, max_active);
    (queue.expect("a queue can be made"), find("changes"))
}

/// An item that notes whose it is.
#[derive(Default)]
struct Where {
    nice: AtomicU64,
    cpus: AtomicU64,
    runs: AtomicU64,
}

impl WorkItem for Where {
    fn run(&self, _: &Running<'_>) {
        let me = sched::current();
        self.nice.store(i64::from(me.attributes().nice) as u64, SeqCst);
        self.cpus.store(me.allowed().bits(), SeqCst);
        self.runs.fetch_add(1, SeqCst);
    }
}

/// An item that says that it has begun, and ends when it is told to.
fn blocked(begun: &Arc<Completion>, go: &Arc<Completion>) -> Work<impl WorkItem + use<>> {
    let (begun, go) = (begun.clone(), go.clone());
    Work::from_fn("blocked", move |_| {
        begun.complete_all();
        go.wait();
    })
}

pub(crate) fn take_the_next_items() {
    let (queue, shown) = shown(WqFlags::empty(), 0);
    let (begun, go) = (Arc::new(Completion::new()), Arc::new(Completion::new()));
    let old = blocked(&begun, &go);
    queue.queue(&old);
    if random(2) == 0 {
        begun.wait();
    }
    let before = shown.pools().expect("it is there");
    let nice = random(19) as i64 + 1;
    let all = cpus();
    let cpu = CpuMask::of(all[random(all.len() as u64) as usize]);
    shown.set_nice(nice).expect("workers can be made");
    shown.set_cpus(cpu).expect("workers can be made");
    assert_eq!((shown.nice(), shown.cpus()), (Ok(nice as i8), Ok(cpu)));
    let after = shown.pools().expect("it is there");
    assert!(before.iter().all(|pool| !after.contains(pool)), "{before:?}, and then {after:?}");
    // One more that wants the same has the same workers.
    {
        let (other, theirs) = {
            let flags = WqFlags::SYSFS | WqFlags::UNBOUND;
            let queue = alloc_workqueue(format_args!("other"), flags, 0).expect("it can be made");
            (queue, find("other"))
        };
        assert_eq!(theirs.pools().expect("it is there"), before);
        theirs.set_cpus(cpu).expect("workers can be made");
        theirs.set_nice(nice).expect("workers can be made");
        assert_eq!(theirs.pools().expect("it is there"), after);
        other.destroy();
    }
    let new = Work::new(Where::default());
    assert!(queue.queue(&new));
    new.flush();
    assert_eq!(new.nice.load(SeqCst) as i64, nice, "another worker did it");
    assert_eq!(new.cpus.load(SeqCst), cpu.bits(), "its worker may be elsewhere");
    assert!(old.is_busy(), "the item of before goes on");
    // A flush waits for it, wherever it is.
    let flushed = Arc::new(AtomicBool::new(false));
    let queue = Arc::new(queue);
    let waiter = {
        let (queue, flushed) = (queue.clone(), flushed.clone());
        spawn("flush", move |_| {
            queue.flush();
            flushed.store(true, SeqCst);
            0
        })
    };
    sched::sleep_for(random(50_000));
    assert!(!flushed.load(SeqCst), "an item of before is not done");
    go.complete_all();
    join_all([waiter].into());
    assert!(!old.is_busy());
    // Workers that nobody wants any more go, when they are done.
    let (begun, go) = (Arc::new(Completion::new()), Arc::new(Completion::new()));
    let number = Arc::new(AtomicU32::new(0));
    let last = {
        let (number, begun, go) = (number.clone(), begun.clone(), go.clone());
        Work::from_fn("last", move |_| {
            number.store(sched::current().pid(), SeqCst);
            begun.complete_all();
            go.wait();
        })
    };
    assert!(queue.queue(&last));
    begun.wait();
    shown.set_nice(0).expect("workers can be made");
    shown.set_cpus(CpuMask::ALL).expect("workers can be made");
    assert_eq!(shown.cpus(), Ok(CpuMask::present()));
    assert_eq!(shown.pools().expect("it is there"), before);
    go.complete_all();
    last.flush();
    let is_there = || process::find_task(number.load(SeqCst)).is_some();
    let deadline = time::monotonic() + 60 * time::SECOND;
    while is_there() && time::monotonic() < deadline {
        sched::sleep_for(time::MILLISECOND);
    }
    assert!(!is_there(), "a worker stays");
}

/// Changes something of a queue.
fn change(shown: &Shown) {
    let all = cpus();
    let result = match random(5) {
        0 => shown.set_max_active(random(3) as i64 + 1),
        1 => shown.set_nice(random(3) as i64 - 1),
        2 => shown.set_cpus(CpuMask::ALL),
        3 => shown.set_cpus(CpuMask::NONE),
        _ => shown.set_cpus(CpuMask::of(all[random(all.len() as u64) as usize])),
    };
    assert!(matches!(result, Ok(()) | Err(Errno::ENODEV)), "{result:?}");
}

/// Runs for a random time, now and then once more.
struct Busy {
    count: Arc<Count>,
    accepted: Arc<AtomicU64>,
}

impl WorkItem for Busy {
    fn run(&self, running: &Running<'_>) {
        self.count.enter();
        if random(4) == 0 {
            self.accepted.fetch_add(running.requeue().into(), SeqCst);
        }
        dawdle();
        self.count.leave();
    }
}

pub(crate) fn change_in_use() {
    let (queue, shown) = shown(WqFlags::empty(), random(3) as u32 + 1);
    let queue = Arc::new(queue);
    let (accepted, taken) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let item = || Busy { count: Arc::new(Count::default()), accepted: accepted.clone() };
    let works: Arc<Vec<_>> = Arc::new((0..4).map(|_| Work::new(item())).collect());
    let late = Arc::new(DelayedWork::new(item()));
    let over = Arc::new(AtomicBool::new(false));
    let unplugger = (random(3) == 0).then(|| unplug_until(&over));
    let mut threads: Vec<_> = (0..2)
        .map(|_| {
            let (queue, works, late) = (queue.clone(), works.clone(), late.clone());
            let (accepted, taken) = (accepted.clone(), taken.clone());
            spawn("meddler", move |_| {
                for _ in 0..8 {
                    let work = &works[random(4) as usize];
                    match random(9) {
                        0 => taken.fetch_add(work.cancel().into(), SeqCst),
                        1 => taken.fetch_add(work.cancel_sync().into(), SeqCst),
                        2 => accepted
                            .fetch_add(queue.queue_delayed(&late, random(9_000)).into(), SeqCst),
                        3 => accepted
                            .fetch_add(u64::from(!queue.mod_delayed(&late, random(9_000))), SeqCst),
                        4 => {
                            queue.flush();
                            0
                        }
                        5 => work.flush().into(),
                        _ => accepted.fetch_add(queue.queue(work).into(), SeqCst),
                    };
                    dawdle();
                }
                0
            })
        })
        .collect();
    threads.push({
        let shown = shown.clone();
        spawn("changer", move |_| {
            for _ in 0..4 {
                change(&shown);
                dawdle();
            }
            0
        })
    });
    join_all(threads);
    late.flush();
    queue.drain();
    over.store(true, SeqCst);
    join_all(unplugger.into_iter().collect());
    let counts = works.iter().map(|work| &work.count).chain([&late.count]);
    for count in counts.clone() {
        assert_eq!(count.inside.load(SeqCst), 0, "it runs although its queue was drained");
        assert!(count.most() <= 1, "it ran twice at once");
    }
    let runs: u64 = counts.map(|count| count.runs()).sum();
    let (accepted, taken) = (accepted.load(SeqCst), taken.load(SeqCst));
    assert_eq!(runs + taken, accepted, "{taken} taken back");
}

pub(crate) fn change_as_a_queue_ends() {
    let (queue, shown) = shown(WqFlags::empty(), 2);
    let runs = Arc::new(AtomicU64::new(0));
    let works: Vec<_> = (0..5)
        .map(|_| {
            let runs = runs.clone();
            Work::from_fn("ends", move |_| {
                dawdle();
                runs.fetch_add(1, SeqCst);
            })
        })
        .collect();
    let changers: Vec<_> = (0..2)
        .map(|_| {
            let shown = shown.clone();
            spawn("changer", move |_| {
                for _ in 0..3 {
                    change(&shown);
                    dawdle();
                }
                0
            })
        })
        .collect();
    for work in &works {
        assert!(queue.queue(work));
        dawdle();
    }
    queue.destroy();
    assert_eq!(runs.load(SeqCst), 5, "an item is lost");
    join_all(changers);
    wait_until(|| shown.nice() == Err(Errno::ENODEV));
    assert_eq!(shown.set_nice(1), Err(Errno::ENODEV));
}

pub(crate) fn cannot_change() {
    let (queue, shown) = shown(WqFlags::empty(), 0);
    let (begun, go) = (Arc::new(Completion::new()), Arc::new(Completion::new()));
    let old = blocked(&begun, &go);
    queue.queue(&old);
    begun.wait();
    let before = shown.pools().expect("it is there");
    let points = [
        (Point::PoolWorkqueue, Errno::ENOMEM),
        (Point::CreateRequest, Errno::ENOMEM),
        (Point::Task, Errno::ENOMEM),
        (Point::KernelStack, Errno::ENOMEM),
        (Point::Pid, Errno::EAGAIN),
    ];
    for (point, error) in points {
        let mut nth = 1;
        loop {
            fault::arm(Plan { point: Some(point), when: When::Nth(nth) });
            let result = shown.set_nice(7);
            if fault::disarm().failed == 0 {
                assert_eq!(result, Ok(()));
                break;
            }
            // If it was a worker of another pool that could not be made, that tries again.
            if result.is_err() {
                assert_eq!(result, Err(error), "{point:?}");
                assert_eq!(shown.nice(), Ok(0), "half of a change was made");
                assert_eq!(shown.pools().expect("it is there"), before);
            } else {
                shown.set_nice(0).expect("workers can be made");
            }
            nth += 1;
        }
        assert!(nth > 1, "nothing can fail at {point:?}");
        assert_ne!(shown.pools().expect("it is there"), before);
        shown.set_nice(0).expect("workers can be made");
        assert_eq!(shown.pools().expect("it is there"), before);
    }
    for bad in [-21, 20, i64::MAX] {
        assert_eq!(shown.set_nice(bad), Err(Errno::EINVAL));
    }
    go.complete_all();
    old.flush();
    queue.destroy();
    let bound = alloc_workqueue(format_args!("changes"), WqFlags::SYSFS, 0).expect("it is made");
    assert_eq!(find("changes").set_nice(1), Err(Errno::EINVAL));
    assert_eq!(find("changes").set_cpus(CpuMask::of(0)), Err(Errno::EINVAL));
    drop(bound);
}

/// In the row of before are one item that runs and some that are held back, in a row that may be told to stand still.
pub(crate) fn held_back() {
    let (queue, shown) = shown(WqFlags::FREEZABLE, 1);
    // One node's: there may be another.
    let cpu = machine::cpu::id();
    if random(2) == 0 {
        // What is changed are not the first workers.
        shown.set_nice(1).expect("workers can be made");
    }
    let (begun, go) = (Arc::new(Completion::new()), Arc::new(Completion::new()));
    let first = blocked(&begun, &go);
    let runs = Arc::new(AtomicU64::new(0));
    let behind: Vec<_> = (0..4)
        .map(|_| {
            let runs = runs.clone();
            Work::from_fn("behind", move |_| {
                runs.fetch_add(1, SeqCst);
            })
        })
        .collect();
    queue.queue_on(cpu, &first);
    begun.wait();
    behind.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
    shown.set_nice(5).expect("workers can be made");
    // Nothing of before holds up what comes now.
    let new = Work::new(Where::default());
    assert!(queue.queue_on(cpu, &new));
    new.flush();
    assert_eq!(runs.load(SeqCst), 0, "more are active than may be");
    assert!(behind[0].cancel(), "what is held back can be taken back");
    match random(3) {
        0 => go.complete_all(),
        1 => {
            // More room, in the row of before, too.
            shown.set_max_active(2).expect("it is there");
            behind[3].flush();
            assert!(first.is_busy());
            go.complete_all();
        }
        _ => {
            let frozen = {
                let go = go.clone();
                spawn("ends", move |_| {
                    sched::sleep_for(random(100_000));
                    go.complete_all();
                    0
                })
            };
            freezer::freeze(Scope::All).expect("what has begun ends");
            join_all([frozen].into());
            assert!(!first.is_busy(), "a freeze waits for what has begun");
            let so_far = runs.load(SeqCst);
            assert!(queue.queue_on(cpu, &new));
            sched::sleep_for(50_000);
            assert_eq!(runs.load(SeqCst), so_far, "it stands still");
            assert_eq!(new.runs.load(SeqCst), 1, "it stands still");
            freezer::thaw();
        }
    }
    queue.flush();
    assert_eq!(runs.load(SeqCst), 3);
}

pub(crate) fn cpus_go() {
    let all = cpus();
    let Some(cpu) = any_but_the_first(&all) else { return };
    let (queue, shown) = shown(WqFlags::empty(), 0);
    shown.set_cpus(CpuMask::of(cpu)).expect("workers can be made");
    let look = || {
        let work = Work::new(Where::default());
        assert!(queue.queue(&work));
        work.flush();
        work.cpus.load(SeqCst)
    };
    assert_eq!(look(), CpuMask::of(cpu).bits());
    hotplug::down(cpu).expect("it is not the last");
    assert!(look() & sched::online().bits() != 0, "a worker has no CPU");
    if random(2) == 0 {
        // Made while its CPU is away.
        shown.set_nice(3).expect("workers can be made");
        assert!(look() & sched::online().bits() != 0, "a worker has no CPU");
    }
    hotplug::up(cpu).expect("it was there before");
    assert_eq!(look(), CpuMask::of(cpu).bits(), "a worker does not come back");
}

/// All workers of a pool block, and no other can be made. What would let them go on was queued before a change.
pub(crate) fn rescued_from_before() {
    let (queue, shown) = shown(WqFlags::MEM_RECLAIM, 0);
    let other = alloc_workqueue(format_args!("other"), WqFlags::SYSFS | WqFlags::UNBOUND, 0);
    let other = other.expect("a queue can be made");
    for queue in [&shown, &find("other")] {
        queue.set_nice(4).expect("workers can be made");
    }
    let cpu = machine::cpu::id();
    let (begun, go) = (Arc::new(Completion::new()), Arc::new(Completion::new()));
    let blockers: Vec<_> = (0..4).map(|_| blocked(&begun, &go)).collect();
    let by_rescuer = Arc::new(AtomicBool::new(false));
    let saver = {
        let (by_rescuer, go) = (by_rescuer.clone(), go.clone());
        Work::from_fn("saver", move |_| {
            by_rescuer.store(workqueue::current_is_rescuer(), SeqCst);
            go.complete_all();
        })
    };
    let before = fault::hits(Point::KernelStack);
    fault::arm(Plan { point: Some(Point::KernelStack), when: When::From(1) });
    blockers.iter().for_each(|work| assert!(other.queue_on(cpu, work)));
    wait_until(|| fault::hits(Point::KernelStack) > before);
    assert!(queue.queue_on(cpu, &saver));
    // Back to workers that are there: this needs no thread.
    shown.set_nice(0).expect("those workers are there");
    saver.flush();
    fault::disarm();
    blockers.iter().for_each(|work| {
        work.flush();
    });
    assert!(by_rescuer.load(SeqCst), "a worker did it");
}
