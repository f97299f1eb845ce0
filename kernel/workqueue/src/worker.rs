//! The life of a worker.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sched::{Slot, TaskFlags, WorkerHooks, state};
use sync::{IrqGuard, LockClass, Shown, SpinLock};

use crate::hand::{Hand, Next, Places};
use crate::home::Home;
use crate::item::{Node, Running};
use crate::pool::{Held, Pool, WorkerFlags};
use crate::pwq::News;
use crate::queue::{Name, Queue};
use crate::state::Finished;
use crate::{manager, pools, report, rescuer, tracepoints, wait};

/// Inside pool locks.
static NAME_LOCK: LockClass = LockClass::new("wq_worker_name");

/// What a worker's task carries, for those who meet the task: the scheduler's hooks, `/proc`, the items it runs.
pub(crate) struct Tag {
    pub(crate) kind: Kind,
    /// The number of the queue whose items it runs; 0: none.
    queue: AtomicU64,
    /// That queue's name; it stays when the worker leaves the queue.
    name: SpinLock<Name>,
    /// The item that it runs.
    pub(crate) current: Shown<Node>,
}

/// The two kinds of workers.
pub(crate) enum Kind {
    /// One of a pool's.
    Pool { pool: Arc<Pool>, id: u32 },
    /// A queue's rescuer.
    Rescuer { queue: Arc<Queue> },
}

impl Tag {
    pub(crate) fn new(kind: Kind) -> Self {
        let name = match &kind {
            Kind::Pool { .. } => Name::default(),
            Kind::Rescuer { queue } => *queue.name,
        };
        let name = SpinLock::new(&NAME_LOCK, name);
        Self { kind, queue: AtomicU64::new(0), name, current: Shown::new() }
    }

    /// The worker begins items of a queue.
    #[inline]
    pub(crate) fn enter(&self, queue: u64) {
        self.queue.store(queue, Relaxed);
    }

    /// The worker has ended them.
    #[inline]
    pub(crate) fn leave(&self) {
        self.enter(0);
    }

    /// The name of the queue whose items the worker runs, unless that changes just now. Interrupts are off.
    pub(crate) fn try_name(&self) -> Option<Name> {
        self.name.try_copy()
    }

    /// The tag of a task, if it is a worker.
    pub(crate) fn of(task: &sched::Task) -> Option<&Arc<Self>> {
        task.attached::<Arc<Self>>(Slot::Worker)
    }
}

/// Whether the running task is a worker that runs this item.
pub(crate) fn runs(node: &Node) -> bool {
    Tag::of(&sched::current()).is_some_and(|tag| tag.current.shows(node))
}

/// Whether the running task is a worker that runs an item of this queue.
pub(crate) fn runs_item_of(queue: &Queue) -> bool {
    !sync::in_interrupt()
        && Tag::of(&sched::current()).is_some_and(|tag| tag.queue.load(Relaxed) == queue.id)
}

/// Whether the running task is at one of this queue's items, or is its rescuer.
pub(crate) fn works_for(queue: &Queue) -> bool {
    runs_item_of(queue)
        || Tag::of(&sched::current()).is_some_and(
            |tag| matches!(&tag.kind, Kind::Rescuer { queue: of } if of.id == queue.id),
        )
}

/// Whether the running task is a worker in the middle of an item.
pub fn current_is_worker() -> bool {
    Tag::of(&sched::current()).is_some_and(|tag| tag.current.shows_any())
}

/// Whether the running task is a rescuer in the middle of an item.
pub fn current_is_rescuer() -> bool {
    Tag::of(&sched::current())
        .is_some_and(|tag| matches!(tag.kind, Kind::Rescuer { .. }) && tag.current.shows_any())
}

/// A worker's function; of its own, so that its name shows in `/proc/PID/wchan`.
#[inline(never)]
pub(crate) fn live(pool: &Arc<Pool>, id: u32, hand: &Hand) -> i32 {
    let tag = Arc::new(Tag::new(Kind::Pool { pool: pool.clone(), id }));
    sched::current().attach(Slot::Worker, tag.clone());
    let me = sched::current();
    loop {
        let mut held = pool.lock();
        if held.worker(id).flags.contains(WorkerFlags::DYING) {
            let gone = held.part(id);
            drop(held);
            drop(gone);
            pool.news.wake_all();
            return 0;
        }
        held.leave_idle(id);
        loop {
            if !held.need_more_workers() {
                break;
            }
            if held.nr_idle() == 0 && held.become_manager(id) {
                // Before anything else: should what it works at block, somebody must be there to be woken.
                drop(held);
                manager::make_workers(pool);
                held = pool.lock();
                continue;
            }
            held = work(&me, pool, held, id, (&tag, hand));
        }
        held.enter_idle(id);
        // Under the lock: who finds the worker idle finds it asleep, too, so that no wake-up is lost.
        sched::set_current_state(state::UNINTERRUPTIBLE | state::NOLOAD);
        let (too_many, dying) = (held.too_many_workers(), held.dying);
        drop(held);
        if too_many {
            manager::watch_idle_workers(pool);
        }
        if dying {
            pool.news.wake_all();
        }
        sched::schedule();
        sched::set_current_running();
    }
}

/// Takes items until there are none, or others run as well.
fn work<'p>(
    me: &sched::Task,
    pool: &'p Pool,
    mut held: Held<'p>,
    id: u32,
    (tag, hand): (&Tag, &Hand),
) -> Held<'p> {
    held.change_flags(id, WorkerFlags::empty(), WorkerFlags::PREPARING);
    me.add_flags(TaskFlags::WQ_WORKER);
    while held.keep_working() {
        let Some(first) = held.next_item() else { break };
        held = series(pool, held, id, (tag, hand), first);
    }
    me.remove_flags(TaskFlags::WQ_WORKER);
    held.change_flags(id, WorkerFlags::PREPARING, WorkerFlags::empty());
    held
}

/// How a series ends.
enum End {
    /// Nothing is left in the worker's hand.
    Out,
    /// Somebody is to be told of the end of an item.
    Tell(Arc<Node>, Finished),
    /// The worker has the last reference to an item. With that goes the item's own code, which may wait for others: not under a lock,
    /// and not before those are where others find them.
    Last(Node),
}

/// Runs an item, and those behind it that are of its row and colour, one after the other; what belongs to the row is done once for
/// all of them.
fn series<'p>(
    pool: &'p Pool,
    mut held: Held<'p>,
    id: u32,
    (tag, hand): (&Tag, &Hand),
    (node, home): (Arc<Node>, Home),
) -> Held<'p> {
    let slot = home.slot();
    let pwq = held.pwq(slot);
    let (queue, intensive) = (pwq.queue_id, pwq.cpu_intensive);
    enter(&mut held, tag, id, home, queue);
    if intensive {
        held.change_flags(id, WorkerFlags::CPU_INTENSIVE, WorkerFlags::empty());
    }
    if held.need_more_workers() {
        // The pool is unbound, or this item does not count: the next one need not wait for it.
        held.wake_worker();
    }
    tag.enter(queue);
    held.note_progress();
    let places = held.fill_hand(id, hand);
    let first = Running { showing: tag.current.show(node), pool, slot };
    drop(held);
    let end = run_in_turn(tag, hand, first, places);
    tag.leave();
    held = pool.lock();
    if !matches!(end, End::Out) {
        held.recall();
    }
    let news = held.end_series(id);
    if intensive {
        held.change_flags(id, WorkerFlags::empty(), WorkerFlags::CPU_INTENSIVE);
    }
    if matches!(end, End::Out) && !news {
        return held;
    }
    // If somebody else has counted the last ones out, the row may be free by now: nobody waits then.
    let queue = if news { held.pwq(slot).queue_ref().cloned() } else { None };
    drop(held);
    if let Some(queue) = queue {
        News::announce(&queue);
    }
    match end {
        End::Tell(node, finished) => tell(&node, finished),
        End::Last(node) => drop(node),
        End::Out => {}
    }
    pool.lock()
}

/// Runs an item and then those in the worker's hand, without the lock. A function by itself, so that the loop has the registers to itself.
#[inline(never)]
fn run_in_turn<'t>(
    tag: &'t Tag,
    hand: &Hand,
    mut running: Running<'t>,
    mut places: Places<'_>,
) -> End {
    loop {
        run(&running);
        // From the end of one item to the beginning of the next.
        let section = IrqGuard::new();
        if !section.was_preemptible() {
            drop(section);
            returned_in_atomic(&running.showing);
        }
        let node = running.showing.end();
        let finished = node.state.finish();
        hand.count_done();
        if !finished.is_plain() {
            return End::Tell(node, finished);
        }
        if let Some(last) = Arc::into_inner(node) {
            return End::Last(last);
        }
        let next = match places.begin_next(&section) {
            Next::Begun(next) => next,
            Next::Runs(next) => {
                running.pool.lock_within(&section).refuse(next);
                return End::Out;
            }
            Next::Out => return End::Out,
        };
        running.showing = tag.current.show(next);
        section.end_unwoken();
    }
}

/// Writes down whose items the worker is at.
#[inline]
fn enter(held: &mut Held<'_>, tag: &Tag, id: u32, home: Home, queue: u64) {
    let worker = held.worker(id);
    (worker.home, worker.at_work) = (home, true);
    if worker.last_queue != queue {
        rename(held, tag, id, home.slot(), queue);
    }
}

#[cold]
fn rename(held: &mut Held<'_>, tag: &Tag, id: u32, slot: u32, queue: u64) {
    let name = held.pwq(slot).queue_ref().map(|queue| queue.name.clone());
    if let Some(name) = &name {
        *tag.name.lock_irq() = **name;
    }
    let worker = held.worker(id);
    worker.last_queue = queue;
    // A name is freed under the lock at most: it is a few bytes.
    worker.description = name;
}

/// Runs an item.
#[inline]
pub(crate) fn run(running: &Running<'_>) {
    tracepoints::execute_start(&running.showing);
    running.showing.item.run(running);
    tracepoints::execute_end(&running.showing);
}

/// An item leaves behind what its worker cannot go on with.
#[cold]
pub(crate) fn returned_in_atomic(node: &Node) -> ! {
    panic!("workqueue: {} returned with preemption or interrupts off", node.name);
}

/// An item that was run by itself has ended: says so to all who need to know. The lock may be released for that and taken again.
pub(crate) fn finish<'p>(
    pool: &'p Pool,
    mut held: Held<'p>,
    home: Home,
    node: &Arc<Node>,
) -> Held<'p> {
    let finished = node.state.finish();
    let news = held.leave(home, true);
    if finished.is_plain() && !news {
        return held;
    }
    let queue = news.then(|| held.pwq(home.slot()).queue());
    drop(held);
    tell(node, finished);
    if let Some(queue) = queue {
        News::announce(&queue);
    }
    pool.lock()
}

/// Tells those who wait for an item, and passes on what was left to the worker that ran it.
#[cold]
fn tell(node: &Arc<Node>, finished: Finished) {
    if let Some(instance) = finished.passes_on() {
        // Another worker found the next instance while this one ran.
        let home = node.home.get();
        if let Some(pool) = pools::find(home.pool()) {
            let mut held = pool.lock();
            if node.home.get() == home && node.state.take_deferred(instance) {
                held.put_back(node.clone());
            }
        }
    }
    if finished.is_waited_for() {
        node.state.forget_waiters();
        wait::announce(node);
    }
}

/// The scheduler's news of workers that block in an item.
pub(crate) static HOOKS: WorkerHooks = WorkerHooks { sleeping, running, work: report::work_of };

fn sleeping() {
    let me = sched::current();
    let Some(Kind::Pool { pool, id }) = Tag::of(&me).map(|tag| &tag.kind) else { return };
    let mut held = pool.lock();
    held.change_flags(*id, WorkerFlags::ASLEEP, WorkerFlags::empty());
    if held.need_more_workers() {
        held.wake_worker();
    }
}

fn running() {
    let me = sched::current();
    let Some(Kind::Pool { pool, id }) = Tag::of(&me).map(|tag| &tag.kind) else { return };
    pool.lock().change_flags(*id, WorkerFlags::empty(), WorkerFlags::ASLEEP);
}

/// A thread dies of an oops. If it is a worker, the item it was in has ended, and the pool is one worker short.
pub(crate) fn thread_dies() {
    let me = sched::current();
    let Some(tag) = Tag::of(&me) else { return };
    match &tag.kind {
        Kind::Pool { pool, id } => {
            // In an item, or in what went with the last reference to one.
            let current = tag.current.copy();
            if current.is_none() && !me.flags().contains(TaskFlags::WQ_WORKER) {
                return;
            }
            me.remove_flags(TaskFlags::WQ_WORKER);
            let mut held = pool.lock();
            let Some(worker) = held.part(*id) else { return };
            debug_assert!(!worker.has_news, "an item of the colour is not done");
            if let Some(node) = &current {
                bury_item(pool, held, worker.home, node);
                held = pool.lock();
            }
            if held.need_more_workers() {
                held.wake_worker();
            }
            drop(held);
            pool.news.wake_all();
        }
        Kind::Rescuer { queue } => rescuer::dies(queue),
    }
}

/// Whoever ran an item has died of it. `home`: of the instance that was run. The item names that of its next one, if it was queued
/// again meanwhile.
pub(crate) fn bury_item(pool: &Pool, held: Held<'_>, home: Home, node: &Arc<Node>) {
    node.state.poison();
    drop(finish(pool, held, home, node));
}
