//! What is shown of queues, and set, from outside: those made with [`WqFlags::SYSFS`], and where unbound work runs.
//!
//! The files are another crate's. It says what to call when such a queue comes and goes ([`set_observer`]), and gets a
//! [`Shown`] of each, which does not keep the queue.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use errno::Errno;
use machine::NodeId;
use sched::{CpuMask, Mutex};
use sync::{LockClass, Once};

use crate::flags::WqFlags;
use crate::parts::Attributes;
use crate::queue::{self, Name, Queue};
use crate::{cpus, pools};

/// Outermost: queues come, go and are shown one at a time.
static SHOWING_LOCK: LockClass = LockClass::new("wq_attributes");
static SHOWING: Mutex<()> = Mutex::new(&SHOWING_LOCK, ());

static OBSERVER: Once<Observer> = Once::new();

/// Who shows queues. Both are called by tasks with no spin lock held, and may sleep.
#[derive(Clone, Copy, Debug)]
pub struct Observer {
    /// A queue has come.
    pub added: fn(Shown) -> Result<(), Errno>,
    /// The queue of this name goes.
    pub removed: fn(&str),
}

/// A queue that is shown.
#[derive(Clone)]
pub struct Shown {
    queue: Weak<Queue>,
    name: Arc<Name>,
    is_unbound: bool,
}

impl Shown {
    fn of(queue: &Arc<Queue>) -> Self {
        Self {
            queue: Arc::downgrade(queue),
            name: queue.name.clone(),
            is_unbound: queue.flags.contains(WqFlags::UNBOUND),
        }
    }

    /// The queue, while it is there. A worker may have a reference for some instructions more.
    fn queue(&self) -> Result<Arc<Queue>, Errno> {
        self.queue.upgrade().filter(|queue| !queue.is_destroyed()).ok_or(Errno::ENODEV)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        core::str::from_utf8(self.name.as_bytes()).unwrap_or("?")
    }

    /// Whether its items run on any CPU of a node.
    pub fn is_unbound(&self) -> bool {
        self.is_unbound
    }

    /// How many of its items may be active at once, in each of its pools.
    ///
    /// # Errors
    /// ENODEV: it is gone.
    pub fn max_active(&self) -> Result<u32, Errno> {
        Ok(self.queue()?.max_active())
    }

    /// Sets [`max_active`](Self::max_active), as far as a queue may have so many. May sleep.
    ///
    /// # Errors
    /// EINVAL: less than one. ENODEV: it is gone.
    pub fn set_max_active(&self, max_active: i64) -> Result<(), Errno> {
        if max_active <= 0 {
            return Err(Errno::EINVAL);
        }
        self.queue()?.set_max_active(u32::try_from(max_active).unwrap_or(u32::MAX));
        Ok(())
    }

    /// The nice value of its workers.
    ///
    /// # Errors
    /// ENODEV: it is gone.
    pub fn nice(&self) -> Result<i8, Errno> {
        Ok(self.queue()?.attributes().nice)
    }

    /// Gives it workers of another nice value, for what is queued from now on. May sleep.
    ///
    /// # Errors
    /// EINVAL: there is no such nice value; it is not unbound. ENODEV: it is gone. ENOMEM; as making a worker. Nothing is changed then.
    pub fn set_nice(&self, nice: i64) -> Result<(), Errno> {
        let nice = i8::try_from(nice).ok().filter(|nice| (-20..=19).contains(nice));
        let nice = nice.ok_or(Errno::EINVAL)?;
        self.change(|attributes| Attributes { nice, ..attributes })
    }

    /// Where its workers may run: of these CPUs, those where unbound work may; if there is none, wherever that may.
    ///
    /// # Errors
    /// ENODEV: it is gone.
    pub fn cpus(&self) -> Result<CpuMask, Errno> {
        Ok(self.queue()?.attributes().cpus)
    }

    /// Gives it workers that run on other CPUs, for what is queued from now on. CPUs that there are not are left out. May sleep.
    ///
    /// # Errors
    /// As [`set_nice`](Self::set_nice).
    pub fn set_cpus(&self, cpus: CpuMask) -> Result<(), Errno> {
        let cpus = cpus.and(CpuMask::present());
        self.change(|attributes| Attributes { cpus, ..attributes })
    }

    /// Whether each node has a pool for it, whose workers stay there.
    ///
    /// # Errors
    /// ENODEV: it is gone.
    pub fn numa(&self) -> Result<bool, Errno> {
        Ok(self.queue()?.attributes().numa)
    }

    /// Sets [`numa`](Self::numa), for what is queued from now on. May sleep.
    ///
    /// # Errors
    /// As [`set_nice`](Self::set_nice).
    pub fn set_numa(&self, numa: bool) -> Result<(), Errno> {
        self.change(|attributes| Attributes { numa, ..attributes })
    }

    fn change(&self, to: impl FnOnce(Attributes) -> Attributes) -> Result<(), Errno> {
        let _one_at_a_time = SHOWING.lock();
        let queue = self.queue()?;
        if queue.is_ending() {
            return Err(Errno::ENODEV);
        }
        queue.apply(to(queue.attributes()))
    }

    /// Its nodes and the numbers of its pools there. Only for one that is unbound.
    ///
    /// # Errors
    /// ENODEV: it is gone. ENOMEM.
    pub fn pools(&self) -> Result<Vec<(NodeId, u32)>, Errno> {
        self.queue()?.pool_numbers()
    }
}

/// Says who shows queues, and tells it of those that are there. Once. May sleep.
///
/// # Errors
/// What the observer says.
pub fn set_observer(observer: Observer) -> Result<(), Errno> {
    let _one_at_a_time = SHOWING.lock();
    if OBSERVER.set(observer).is_err() {
        return Err(Errno::EBUSY);
    }
    let mut last = 0;
    while let Some(queue) = queue::next(last, is_shown) {
        last = queue.id;
        (observer.added)(Shown::of(&queue))?;
    }
    Ok(())
}

fn is_shown(queue: &Queue) -> bool {
    queue.flags.contains(WqFlags::SYSFS)
}

/// A queue has come, and is in the list of all. May sleep.
pub(crate) fn added(queue: &Arc<Queue>) -> Result<(), Errno> {
    if !is_shown(queue) {
        return Ok(());
    }
    let _one_at_a_time = SHOWING.lock();
    OBSERVER.get().map_or(Ok(()), |observer| (observer.added)(Shown::of(queue)))
}

/// A queue goes. May sleep.
pub(crate) fn removed(queue: &Arc<Queue>) {
    if is_shown(queue) {
        let _one_at_a_time = SHOWING.lock();
        queue.set_ending();
        if let Some(observer) = OBSERVER.get() {
            (observer.removed)(Shown::of(queue).name());
        }
    }
}

/// The CPUs where work runs that is not meant for one.
pub fn unbound_cpus() -> CpuMask {
    pools::all_unbound_cpus()
}

/// Sets [`unbound_cpus`], and moves the workers of unbound pools. CPUs that there are not are left out. May sleep.
///
/// # Errors
/// EINVAL: none of these CPUs is online.
pub fn set_unbound_cpus(mask: CpuMask) -> Result<(), Errno> {
    let mask = mask.and(CpuMask::present());
    if mask.and(sched::online()).is_empty() {
        return Err(Errno::EINVAL);
    }
    let _one_at_a_time = SHOWING.lock();
    // Who makes a worker from now on finds the new mask; those that are there are moved.
    pools::set_unbound_cpus(mask);
    cpus::gather_unbound();
    Ok(())
}
