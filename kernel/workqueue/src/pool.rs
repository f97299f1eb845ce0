//! A pool of workers.
//!
//! Each CPU has two, for normal and for high priority; unbound queues share others (`pools.rs`). A pool has one list of active
//! items, whatever queues they belong to, and keeps its workers in three groups:
//!
//! ```text
//!                  woken                       takes items
//!     idle ──────────────────────> awake ──────────────────────> working
//!      ^ │ too many, for too long    │ nobody idle: makes one       │  │  ^
//!      │ └──> told to die            v                              │  v  │ the item blocks, goes on
//!      │                          manager                           │ asleep, not counted as running
//!      └─────────────────────── no work, or others enough ──────────┘
//! ```
//!
//! **When another worker starts.** A pool of a CPU counts those of its workers that run: that are working, not asleep in their
//! item, and not at something that uses the CPU for long. As long as there is one, nobody else is woken: the item at the
//! head of the list waits its short turn, and the CPU is not divided. When the last one blocks, the scheduler tells (`worker.rs`), and
//! the idle worker that went idle last is woken. So there must always be an idle one: a worker that takes
//! up work and leaves none idle makes one first, and while it does it is the pool's manager.
//!
//! In an unbound pool nobody is counted as running, so every item that comes wakes a worker.

mod items;
mod workers;

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;

use errno::Errno;
use fault::Point;
use machine::{CpuId, NodeId};
use sched::{CpuMask, WaitQueue};
use sync::{IrqGuard, List, LockClass, SpinIrqGuard, SpinIrqsOffGuard, SpinLock};
use time::Timer;

use crate::home::Home;
use crate::item::Node;
use crate::parts::Attributes;
use crate::pwq::Pwq;
use crate::queue::Queue;
use crate::{manager, pools};

pub(crate) use items::is_listed;
pub(crate) use workers::{Worker, WorkerFlags};

/// Taken with interrupts off, from any context. Inside: run queues (wake-ups), timer queues. Never two at once.
static POOL_LOCK: LockClass = LockClass::new("wq_pool");

/// A pool's lock, held.
pub(crate) type Held<'p> = SpinIrqGuard<'p, State>;

/// What a pool's lock protects.
pub(crate) struct State {
    worklist: List<Node>,
    pwqs: Vec<Pwq>,
    /// By ID, the number in its name.
    pub(crate) workers: Vec<Option<Worker>>,
    /// IDs; who went idle last is last, and is woken first: its memory is the warmest.
    idle: Vec<u32>,
    /// The last of them has been woken already.
    called: bool,
    pub(crate) nr_workers: usize,
    /// Told to end, and not counted above any more.
    nr_dismissed: usize,
    nr_running: u32,
    /// The worker that is making another.
    manager: Option<u32>,
    /// Of a CPU pool: the CPU is gone, and the workers are not bound.
    pub(crate) disassociated: bool,
    /// No workers are made any more.
    pub(crate) dying: bool,
    /// The worker that has items in its hand: it counts as running, and is the only one.
    holder: Option<u32>,
    /// Counts what was begun under the lock, and what was counted out.
    progress: u64,
}

/// A pool.
pub(crate) struct Pool {
    pub(crate) id: u32,
    /// None: unbound.
    pub(crate) cpu: Option<CpuId>,
    pub(crate) node: NodeId,
    pub(crate) nice: i8,
    /// Where its workers are to run, of an unbound one: of these CPUs, those of its node if they are to stay there.
    pub(crate) wanted: CpuMask,
    pub(crate) numa: bool,
    /// Where they all have been moved last, of an unbound one. Changed under `wq_attach`.
    pub(crate) gathered: AtomicU64,
    state: SpinLock<State>,
    pub(crate) idle_timer: Timer,
    pub(crate) mayday_timer: Timer,
    /// Whoever destroys the pool waits here until its workers are gone.
    pub(crate) news: WaitQueue,
}

impl Pool {
    pub(crate) fn new(
        id: u32,
        cpu: Option<CpuId>,
        node: NodeId,
        attributes: Attributes,
    ) -> Arc<Self> {
        let Attributes { nice, cpus: wanted, numa } = attributes;
        Arc::new_cyclic(|me: &Weak<Self>| {
            let (of_idle, of_mayday) = (me.clone(), me.clone());
            Self {
                id,
                cpu,
                node,
                nice,
                wanted,
                numa,
                gathered: AtomicU64::new(0),
                state: SpinLock::new(
                    &POOL_LOCK,
                    State {
                        worklist: List::new(),
                        pwqs: Vec::new(),
                        workers: Vec::new(),
                        idle: Vec::new(),
                        called: false,
                        nr_workers: 0,
                        nr_dismissed: 0,
                        nr_running: 0,
                        manager: None,
                        disassociated: cpu.is_some(),
                        dying: false,
                        holder: None,
                        progress: 0,
                    },
                ),
                idle_timer: Timer::new(move || {
                    if let Some(pool) = of_idle.upgrade() {
                        manager::idle_timer_fires(&pool);
                    }
                }),
                mayday_timer: Timer::new(move || {
                    if let Some(pool) = of_mayday.upgrade() {
                        manager::mayday_timer_fires(&pool);
                    }
                }),
                news: WaitQueue::new(),
            }
        })
    }

    #[inline]
    pub(crate) fn lock(&self) -> Held<'_> {
        self.state.lock_irq()
    }

    #[inline]
    pub(crate) fn lock_if_free(&self) -> Result<Held<'_>, IrqGuard> {
        self.state.lock_irq_if_free()
    }

    /// In a section without interrupts.
    pub(crate) fn lock_within<'a>(&'a self, _section: &'a IrqGuard) -> SpinIrqsOffGuard<'a, State> {
        self.state.lock_irqs_off()
    }

    /// Where the pool's workers belong.
    pub(crate) fn cpus(&self) -> CpuMask {
        match self.cpu {
            Some(cpu) => CpuMask::of(cpu),
            None => pools::unbound_cpus(self.numa.then_some(self.node), self.wanted),
        }
    }

    /// Keeps a row for a queue that is being made. May allocate.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn reserve_row(&self, queue_id: u64, index: usize) -> Result<u16, Errno> {
        if fault::should_fail(Point::PoolWorkqueue) {
            return Err(Errno::ENOMEM);
        }
        let mut state = self.lock();
        let slot = match state.pwqs.iter().position(Pwq::is_vacant) {
            Some(slot) => slot,
            None => {
                state.pwqs.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                state.pwqs.push(Pwq::vacant());
                state.pwqs.len() - 1
            }
        };
        let number = u16::try_from(slot).map_err(|_| Errno::ENOMEM)?;
        state.pwqs[slot].reserve(queue_id, index, Home::queued(self.id, number));
        Ok(number)
    }

    /// The queue is made.
    pub(crate) fn occupy_row(&self, slot: u32, queue: &Arc<Queue>, colour: u8) {
        self.lock().pwq(slot).occupy(queue, colour);
    }

    /// Frees a queue's row. The queue is drained.
    pub(crate) fn remove_queue(&self, slot: u32) {
        let row = self.lock().pwq(slot).vacate();
        debug_assert!(row.is_idle(), "a queue goes with items on it");
        drop(row);
    }
}

impl State {
    /// A queue's row.
    #[inline]
    pub(crate) fn pwq(&mut self, slot: u32) -> &mut Pwq {
        &mut self.pwqs[slot as usize]
    }

    pub(crate) fn pwqs(&self) -> &[Pwq] {
        &self.pwqs
    }

    pub(crate) fn worklist(&self) -> &List<Node> {
        &self.worklist
    }

    /// A worker that exists.
    #[inline]
    pub(crate) fn worker(&mut self, id: u32) -> &mut Worker {
        self.workers[id as usize].as_mut().expect("a worker is in its pool until it ends")
    }

    pub(crate) fn nr_idle(&self) -> usize {
        self.idle.len()
    }

    /// The number of a worker's task, once it has one.
    pub(crate) fn pid_of(&self, id: u32) -> Option<u32> {
        Some(self.workers.get(id as usize)?.as_ref()?.task.as_ref()?.pid())
    }

    pub(crate) fn idle(&self) -> &[u32] {
        &self.idle
    }
}
