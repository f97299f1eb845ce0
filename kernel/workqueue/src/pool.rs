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

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use bitflags::bitflags;
use errno::Errno;
use machine::{CpuId, NodeId};
use sched::{CpuMask, TaskRef, WaitQueue};
use sync::{Choice, List, LockClass, SpinIrqGuard, SpinLock};
use time::Timer;

use crate::home::{Home, Place};
use crate::item::Node;
use crate::pwq::Pwq;
use crate::queue::Queue;
use crate::{manager, pools, tracepoints};

/// Taken with interrupts off, from any context. Inside: run queues (wake-ups), timer queues. Never two at once.
static POOL_LOCK: LockClass = LockClass::new("wq_pool");

/// A pool's lock, held.
pub(crate) type Held<'p> = SpinIrqGuard<'p, State>;

bitflags! {
    /// Why a worker is not counted as running, or will not be for long.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct WorkerFlags: u8 {
        /// It does not take items: it is idle, or preparing to work.
        const PREPARING = 1 << 0;
        /// Its item uses the CPU for long.
        const CPU_INTENSIVE = 1 << 1;
        /// It is not bound to the pool's CPU: the pool is unbound, or the CPU is gone.
        const UNBOUND = 1 << 2;
        /// It is asleep in its item.
        const ASLEEP = 1 << 3;
        /// It is to end.
        const DYING = 1 << 4;
    }
}

impl WorkerFlags {
    /// None of these: it runs, and keeps its CPU busy.
    const NOT_RUNNING: Self =
        Self::PREPARING.union(Self::CPU_INTENSIVE).union(Self::UNBOUND).union(Self::ASLEEP);
}

/// A worker as its pool sees it.
pub(crate) struct Worker {
    /// None while it is being made.
    pub(crate) task: Option<TaskRef>,
    pub(crate) flags: WorkerFlags,
    /// Idle, and woken since: it will look at the list, and need not be woken again.
    woken: bool,
    idle_since: u64,
    pub(crate) current: Option<Arc<Node>>,
    pub(crate) current_slot: u32,
    pub(crate) current_colour: u8,
    /// The queue whose item it ran last, for its name in `/proc`. The number tells whether it is still right.
    pub(crate) last_queue: u64,
    pub(crate) description: Option<Arc<crate::queue::Name>>,
}

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
    /// A worker is making another.
    managing: bool,
    /// Of a CPU pool: the CPU is gone, and the workers are not bound.
    pub(crate) disassociated: bool,
    /// No workers are made any more.
    pub(crate) dying: bool,
    /// Counts what was begun, for the stall detector.
    pub(crate) progress: u64,
}

/// A pool.
pub(crate) struct Pool {
    pub(crate) id: u32,
    /// None: unbound.
    pub(crate) cpu: Option<CpuId>,
    pub(crate) node: NodeId,
    pub(crate) nice: i8,
    state: SpinLock<State>,
    pub(crate) idle_timer: Timer,
    pub(crate) mayday_timer: Timer,
    /// Whoever destroys the pool waits here until its workers are gone.
    pub(crate) news: WaitQueue,
}

impl Pool {
    pub(crate) fn new(id: u32, cpu: Option<CpuId>, node: NodeId, nice: i8) -> Arc<Self> {
        Arc::new_cyclic(|me: &Weak<Self>| {
            let (of_idle, of_mayday) = (me.clone(), me.clone());
            Self {
                id,
                cpu,
                node,
                nice,
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
                        managing: false,
                        disassociated: cpu.is_some(),
                        dying: false,
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

    /// Where the pool's workers belong.
    pub(crate) fn cpus(&self) -> CpuMask {
        match self.cpu {
            Some(cpu) => CpuMask::of(cpu),
            None => pools::unbound_cpus(self.node),
        }
    }

    /// Gives a queue a row. May allocate.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn add_queue(
        &self,
        queue: &Arc<Queue>,
        index: usize,
        max_active: u32,
    ) -> Result<u32, Errno> {
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
        state.pwqs[slot].occupy(queue.clone(), index, max_active);
        Ok(number.into())
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

    pub(crate) fn idle(&self) -> &[u32] {
        &self.idle
    }

    // Items.

    /// Puts an item, which the caller has claimed, where it belongs, and wakes a worker if one is needed.
    #[inline]
    pub(crate) fn insert(&mut self, pool: u32, slot: u32, node: Arc<Node>) {
        let pwq = &mut self.pwqs[slot as usize];
        let place = pwq.enter();
        node.home.set(Home { pool, slot, colour: pwq.colour, place });
        if place == Place::Active {
            self.make_ready(node);
        } else {
            pwq.hold_back(node);
        }
    }

    #[inline]
    fn make_ready(&mut self, node: Arc<Node>) {
        tracepoints::activate_work(&node);
        let refused = self.worklist.push_back(node).is_err();
        debug_assert!(!refused, "a pending item is on one list");
        self.wake_if_needed();
    }

    #[inline]
    fn wake_if_needed(&mut self) {
        if self.nr_running == 0 && !self.called {
            self.wake_worker();
        }
    }

    /// Lets a queue's first item that is held back become active, if it may. Returns whether one did.
    #[inline]
    fn activate(&mut self, slot: u32) -> bool {
        let pwq = &mut self.pwqs[slot as usize];
        let Some(node) = pwq.activate(&mut self.worklist) else { return false };
        node.home.set_place(Place::Active);
        tracepoints::activate_work(node);
        self.wake_if_needed();
        true
    }

    /// The next item that can be begun. One that another worker still runs is left to that one.
    #[inline]
    pub(crate) fn next_item(&mut self) -> Option<Arc<Node>> {
        loop {
            let node = self.worklist.pop_front()?;
            if let Some(node) = begin(node) {
                return Some(node);
            }
        }
    }

    /// The next item of one queue that can be begun, for its rescuer.
    pub(crate) fn next_item_of(&mut self, slot: u32) -> Option<Arc<Node>> {
        loop {
            let mut found = None;
            let mut stop = false;
            let choose = |node: &Node| match node.home.slot() == slot {
                _ if core::mem::replace(&mut stop, false) => Choice::Stop,
                true => {
                    stop = true;
                    Choice::Take(())
                }
                false => Choice::Leave,
            };
            self.worklist.take_chosen(choose, |node, ()| found = Some(node));
            if let Some(node) = begin(found?) {
                return Some(node);
            }
        }
    }

    /// Puts an item that was left to its runner back, as the first.
    pub(crate) fn put_back(&mut self, node: Arc<Node>) {
        node.home.set_place(Place::Active);
        let refused = self.worklist.push_front(node).is_err();
        debug_assert!(!refused, "a deferred item is on no list");
        if self.need_more_workers() {
            self.wake_worker();
        }
    }

    pub(crate) fn take_from_worklist(&mut self, node: &Node) -> Option<Arc<Node>> {
        self.worklist.remove(node)
    }

    /// An item is done or taken back: counts it out, and lets one that was held back become active. Returns whether the
    /// queue's flushes are to be told. Inlined, as every item goes through it.
    #[inline(always)]
    pub(crate) fn leave(&mut self, slot: u32, colour: u8, was_active: bool) -> bool {
        let news = self.pwq(slot).leave(colour, was_active);
        self.activate(slot);
        news
    }

    /// Sets how many of a queue's items may be active, and lets those go that may.
    pub(crate) fn set_max_active(&mut self, slot: u32, max_active: u32) {
        self.pwq(slot).max_active = max_active;
        while self.activate(slot) {}
    }

    // Workers.

    /// There is work, and nobody runs who would get to it.
    #[inline]
    pub(crate) fn need_more_workers(&self) -> bool {
        !self.worklist.is_empty() && self.nr_running == 0
    }

    /// There is work, nobody runs, and nobody is left to be woken.
    pub(crate) fn need_to_make_worker(&self) -> bool {
        self.need_more_workers() && self.idle.is_empty()
    }

    /// A worker goes on as long as it is the only one that runs.
    #[inline]
    pub(crate) fn keep_working(&self) -> bool {
        self.nr_running <= 1
    }

    /// Wakes the worker that went idle last, if it is not on its way already.
    #[inline]
    pub(crate) fn wake_worker(&mut self) {
        let Some(&id) = self.idle.last() else { return };
        let Some(Some(worker)) = self.workers.get_mut(id as usize) else { return };
        self.called = true;
        if core::mem::replace(&mut worker.woken, true) {
            return;
        }
        if let Some(task) = &worker.task {
            sched::wake_up(task);
        }
    }

    /// Changes a worker's flags, and the count of those that run with them.
    #[inline]
    pub(crate) fn change_flags(&mut self, id: u32, set: WorkerFlags, clear: WorkerFlags) {
        let worker = self.worker(id);
        let did_run = !worker.flags.intersects(WorkerFlags::NOT_RUNNING);
        worker.flags = worker.flags.difference(clear).union(set);
        let runs = !worker.flags.intersects(WorkerFlags::NOT_RUNNING);
        self.nr_running = self.nr_running + u32::from(runs) - u32::from(did_run);
    }

    /// A row for a worker that is about to be made: the lowest ID that is free.
    pub(crate) fn reserve_worker(&mut self) -> Result<u32, Errno> {
        let id = match self.workers.iter().position(Option::is_none) {
            Some(id) => id,
            None => {
                self.workers.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                self.workers.push(None);
                self.workers.len() - 1
            }
        };
        // Room for all of them, so that going idle needs no memory.
        let room = self.workers.len().saturating_sub(self.idle.len());
        self.idle.try_reserve(room).map_err(|_| Errno::ENOMEM)?;
        self.workers[id] = Some(Worker {
            task: None,
            flags: WorkerFlags::PREPARING,
            woken: false,
            idle_since: 0,
            current: None,
            current_slot: 0,
            current_colour: 0,
            last_queue: 0,
            description: None,
        });
        Ok(id as u32)
    }

    /// The row's worker was not made.
    pub(crate) fn release_worker(&mut self, id: u32) {
        self.workers[id as usize] = None;
    }

    /// A new worker, which is about to be woken, joins as an idle one.
    pub(crate) fn join(&mut self, id: u32, task: TaskRef, unbound: bool) {
        let worker = self.worker(id);
        worker.task = Some(task);
        worker.woken = true;
        worker.flags.set(WorkerFlags::UNBOUND, unbound);
        self.nr_workers += 1;
        self.idle.push(id);
        self.called = true;
    }

    /// A worker ends. Returns what it held, to be dropped without the lock.
    pub(crate) fn part(&mut self, id: u32) -> Option<Worker> {
        self.change_flags(id, WorkerFlags::PREPARING, WorkerFlags::empty());
        self.idle.retain(|&other| other != id);
        self.look_who_is_last();
        if self.worker(id).flags.contains(WorkerFlags::DYING) {
            self.nr_dismissed -= 1;
        } else {
            self.nr_workers -= 1;
        }
        self.workers[id as usize].take()
    }

    pub(crate) fn enter_idle(&mut self, id: u32) {
        // It was marked as woken while it was idle, and that was taken back when it left.
        self.worker(id).idle_since = time::monotonic();
        self.idle.push(id);
        self.called = false;
    }

    #[inline]
    pub(crate) fn leave_idle(&mut self, id: u32) {
        if self.idle.last() == Some(&id) {
            self.idle.pop();
        } else {
            self.idle.retain(|&other| other != id);
        }
        self.worker(id).woken = false;
        self.look_who_is_last();
    }

    /// The last of the idle ones is another.
    fn look_who_is_last(&mut self) {
        let last = self.idle.last().and_then(|&id| self.workers.get(id as usize)?.as_ref());
        self.called = last.is_some_and(|worker| worker.woken);
    }

    /// Begins to make workers, if nobody else does.
    pub(crate) fn become_manager(&mut self) -> bool {
        !self.dying && !core::mem::replace(&mut self.managing, true)
    }

    pub(crate) fn resign_as_manager(&mut self) {
        self.managing = false;
    }

    /// Whether all workers are gone, and none is being made.
    pub(crate) fn is_deserted(&self) -> bool {
        self.nr_workers + self.nr_dismissed == 0 && !self.managing
    }

    pub(crate) fn is_managed(&self) -> bool {
        self.managing
    }

    /// More idle ones than two, and than a quarter of the busy ones.
    pub(crate) fn too_many_workers(&self) -> bool {
        // The manager counts as idle.
        let idle = self.idle.len() + usize::from(self.managing);
        let busy = self.nr_workers.saturating_sub(idle);
        idle > 2 && (idle - 2) * 4 >= busy
    }

    /// The worker that has been idle longest, and since when.
    pub(crate) fn longest_idle(&mut self) -> Option<(u32, u64)> {
        let &id = self.idle.first()?;
        Some((id, self.worker(id).idle_since))
    }

    /// Tells an idle worker to end.
    pub(crate) fn dismiss(&mut self, id: u32) {
        self.idle.retain(|&other| other != id);
        self.look_who_is_last();
        self.nr_workers -= 1;
        self.nr_dismissed += 1;
        let worker = self.worker(id);
        worker.flags |= WorkerFlags::DYING;
        if let Some(task) = &worker.task {
            sched::wake_up(task);
        }
    }
}

/// Begins an item that was just taken from the list; None if another worker runs it, and will put it back.
#[inline]
fn begin(node: Arc<Node>) -> Option<Arc<Node>> {
    loop {
        if node.state.start() {
            return Some(node);
        }
        node.home.set_place(Place::Deferred);
        if node.state.defer() {
            return None;
        }
    }
}
