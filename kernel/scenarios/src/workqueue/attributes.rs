//! Queues that are shown, and what is set from outside.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use errno::Errno;
use sched::CpuMask;
use sync::{LockClass, PreemptGuard, SpinLock};
use workqueue::attributes::{self, Observer, Shown};
use workqueue::{Work, WqFlags, alloc_workqueue, system_unbound_wq};

use super::{Count, wait_until};
use crate::tools::{PATIENCE, cpus, random};

static SHOWN_LOCK: LockClass = LockClass::new("scenario.shown");
static SHOWN: SpinLock<Vec<Shown>> = SpinLock::new(&SHOWN_LOCK, Vec::new());

fn added(queue: Shown) -> Result<(), Errno> {
    if queue.name() == "refused" {
        return Err(Errno::EEXIST);
    }
    SHOWN.lock().push(queue);
    Ok(())
}

fn removed(name: &str) {
    let gone = {
        let mut shown = SHOWN.lock();
        let place = shown.iter().position(|queue| queue.name() == name);
        place.map(|place| shown.remove(place))
    };
    drop(gone);
}

fn names() -> Vec<String> {
    SHOWN.lock().iter().map(|queue| queue.name().to_string()).collect()
}

/// Has queues that are shown known to this file.
pub(super) fn watch() {
    let observer = Observer { added, removed };
    // Once in a kernel; in the next round it knows of the queue by now.
    assert!(matches!(attributes::set_observer(observer), Ok(()) | Err(Errno::EBUSY)));
}

pub(super) fn find(name: &str) -> Shown {
    let found = SHOWN.lock().iter().find(|queue| queue.name() == name).cloned();
    found.expect("it is shown")
}

pub(crate) fn shown_queues() {
    let make = |name: &str, flags| alloc_workqueue(format_args!("{name}"), flags, 0);
    let early = make("early", WqFlags::SYSFS).expect("a queue can be made");
    watch();
    assert_eq!(names(), ["early"]);
    let late = make("late", WqFlags::SYSFS | WqFlags::UNBOUND).expect("a queue can be made");
    let hidden = make("hidden", WqFlags::empty()).expect("a queue can be made");
    assert_eq!(names(), ["early", "late"]);
    let ordered = WqFlags::SYSFS | WqFlags::UNBOUND | WqFlags::ORDERED;
    assert_eq!(alloc_workqueue(format_args!("ordered"), ordered, 1).err(), Some(Errno::EINVAL));
    assert_eq!(make("refused", WqFlags::SYSFS).err(), Some(Errno::EEXIST));
    let (early_shown, late_shown) = (find("early"), find("late"));
    assert!(!early_shown.is_unbound() && late_shown.is_unbound());
    assert_eq!(late_shown.nice(), Ok(0));
    let pools = late_shown.pools().expect("it is there");
    assert!(pools.iter().enumerate().all(|(index, &(node, _))| index == node), "{pools:?}");
    // What is set acts.
    assert_eq!(early_shown.max_active(), Ok(256));
    for wanted in [2, 1] {
        early_shown.set_max_active(wanted).expect("it is there");
        let count = Arc::new(Count::default());
        let works: Vec<_> = (0..4)
            .map(|_| {
                let count = count.clone();
                Work::from_fn("sleeps", move |_| {
                    count.enter();
                    // Until as many are there as may be, and then a while for one too many.
                    let deadline = time::monotonic() + time::SECOND + PATIENCE;
                    while count.most() < wanted && time::monotonic() < deadline {
                        sched::sleep_for(100 * time::MICROSECOND);
                    }
                    sched::sleep_for(time::MILLISECOND + random(1000));
                    count.leave();
                })
            })
            .collect();
        works.iter().for_each(|work| assert!(early.queue_on(0, work)));
        early.flush();
        assert_eq!((count.runs(), count.most()), (4, wanted));
    }
    assert_eq!(early_shown.set_max_active(0), Err(Errno::EINVAL));
    assert_eq!(early_shown.set_max_active(-1), Err(Errno::EINVAL));
    early_shown.set_max_active(i64::MAX).expect("it is there");
    assert_eq!(early_shown.max_active(), Ok(workqueue::MAX_ACTIVE));
    early.destroy();
    assert_eq!(names(), ["late"]);
    // Whoever ran its items may hold it for a moment.
    while early_shown.max_active() != Err(Errno::ENODEV) {
        sched::sleep_for(10_000);
    }
    drop((late, hidden));
    assert!(names().is_empty());
}

/// Unbound items run where they may, also those that are running already.
pub(crate) fn unbound_cpus() {
    let before = attributes::unbound_cpus();
    assert_eq!(attributes::set_unbound_cpus(CpuMask::NONE), Err(Errno::EINVAL));
    let all = cpus();
    let target = all[random(all.len() as u64) as usize];
    let (over, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(usize::MAX)));
    let (until, place) = (over.clone(), seen.clone());
    let busy = Work::from_fn("busy", move |_| {
        while !until.load(SeqCst) {
            {
                let _here = PreemptGuard::new();
                place.store(machine::cpu::id(), SeqCst);
            }
            machine::cpu::relax();
            sched::yield_now();
        }
    });
    assert!(system_unbound_wq().queue(&busy));
    while seen.load(SeqCst) == usize::MAX {
        sched::sleep_for(10_000);
    }
    attributes::set_unbound_cpus(CpuMask::of(target)).expect("that CPU is there");
    assert_eq!(attributes::unbound_cpus(), CpuMask::of(target));
    wait_until(|| seen.load(SeqCst) == target);
    for _ in 0..8 {
        assert_eq!(seen.load(SeqCst), target, "a worker stays where it may not be");
        let elsewhere = Arc::new(AtomicBool::new(false));
        let noted = elsewhere.clone();
        let item = Work::from_fn("item", move |_| {
            noted.store(machine::cpu::id() != target, SeqCst);
        });
        assert!(system_unbound_wq().queue(&item));
        item.flush();
        assert!(!elsewhere.load(SeqCst), "an item ran where it may not");
        sched::sleep_for(random(20_000));
    }
    over.store(true, SeqCst);
    busy.flush();
    attributes::set_unbound_cpus(before).expect("they are there");
}
