//! Which pools there are: two for each CPU, and unbound ones, which queues share that want the same.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use errno::Errno;
use machine::{CpuId, NodeId};
use sched::CpuMask;
use sync::{LockClass, Once, PerCpu, SpinLock, per_cpu};

use crate::manager;
use crate::parts::Attributes;
use crate::pool::Pool;

/// Pools of a CPU: normal and high priority.
pub(crate) const KINDS: usize = 2;

static CPU_POOLS: PerCpu<Once<[Arc<Pool>; KINDS]>> = per_cpu!(Once::new());

/// Innermost but for pool locks; not held with one.
static UNBOUND_LOCK: LockClass = LockClass::new("wq_unbound_pools");

struct Shared {
    pool: Arc<Pool>,
    /// Parts of queues that use it. 0: it ends, and its number is free when it has ended.
    users: usize,
}

static UNBOUND: SpinLock<Vec<Shared>> = SpinLock::new(&UNBOUND_LOCK, Vec::new());

/// Workers can be made.
static READY: AtomicBool = AtomicBool::new(false);
/// `workqueue.power_efficient`.
static SAVES_POWER: AtomicBool = AtomicBool::new(false);
/// Where work goes that is not meant for a CPU: the housekeeping CPUs; before the start-up has got so far, any.
static UNBOUND_CPUS: AtomicU64 = AtomicU64::new(u64::MAX);
/// The same, but none if work is not to stay where it is queued.
static LOCAL_CPUS: AtomicU64 = AtomicU64::new(u64::MAX);
/// `workqueue.debug_force_rr_cpu`.
static GOES_ROUND: AtomicBool = AtomicBool::new(false);
/// `workqueue.disable_numa`.
static IGNORES_NODES: AtomicBool = AtomicBool::new(false);
/// The CPUs that take workers.
static USABLE: AtomicU64 = AtomicU64::new(0);
/// For dealing work out to them in turn.
static TURN: AtomicUsize = AtomicUsize::new(0);

/// Makes the pools of all CPUs that may come, without workers. Before the first queue.
pub(crate) fn make_cpu_pools() {
    for cpu in 0..machine::cpu::count() {
        let node = machine::cpu::node(cpu);
        let pool = |kind: usize| {
            let nice = if kind == 0 { 0 } else { -20 };
            let attributes = Attributes { nice, cpus: CpuMask::of(cpu), numa: true };
            Pool::new((cpu * KINDS + kind) as u32, Some(cpu), node, attributes)
        };
        let fresh = CPU_POOLS.of(cpu).set([pool(0), pool(1)]).is_ok();
        assert!(fresh, "the workqueue starts once");
    }
}

/// Workers can be made from now on.
pub(crate) fn set_ready() {
    set_unbound_cpus(sched::housekeeping());
    READY.store(true, Ordering::SeqCst);
}

pub(crate) fn is_ready() -> bool {
    READY.load(Ordering::SeqCst)
}

/// Whether queues that ask for it are made unbound.
pub fn saves_power() -> bool {
    SAVES_POWER.load(Ordering::Relaxed)
}

/// Has queues that ask for it made unbound, so that idle CPUs are left asleep. Before they are made.
pub fn set_power_efficient(on: bool) {
    SAVES_POWER.store(on, Ordering::Relaxed);
}

/// A CPU's pools.
pub(crate) fn all_of_cpu(cpu: CpuId) -> &'static [Arc<Pool>] {
    CPU_POOLS.of(cpu).get().map_or(&[], |pools| pools.as_slice())
}

/// The pool of a CPU with this nice value.
///
/// # Errors
/// EINVAL: there is no such CPU, or the workqueue has not been started.
pub(crate) fn of_cpu(cpu: CpuId, nice: i8) -> Result<Arc<Pool>, Errno> {
    all_of_cpu(cpu).get(usize::from(nice < 0)).cloned().ok_or(Errno::EINVAL)
}

/// How many nodes have CPUs.
pub(crate) fn nodes() -> usize {
    (0..machine::cpu::count()).map(machine::cpu::node).max().unwrap_or(0) + 1
}

/// The CPUs where work goes that is not meant for one.
pub(crate) fn all_unbound_cpus() -> CpuMask {
    CpuMask::from_bits(UNBOUND_CPUS.load(Ordering::Relaxed)).and(CpuMask::present())
}

/// Sets [`all_unbound_cpus`], for what is queued and for workers that are made from now on.
pub(crate) fn set_unbound_cpus(cpus: CpuMask) {
    UNBOUND_CPUS.store(cpus.bits(), Ordering::Relaxed);
    choose_local();
}

/// Whether work that is not meant for a CPU goes to each in turn, also from one where it may stay.
pub fn goes_round() -> bool {
    GOES_ROUND.load(Ordering::Relaxed)
}

/// Sets [`goes_round`] (`workqueue.debug_force_rr_cpu`): so it is found who has relied on staying. Any context.
pub fn set_goes_round(on: bool) {
    GOES_ROUND.store(on, Ordering::Relaxed);
    choose_local();
}

fn choose_local() {
    let cpus = if goes_round() { 0 } else { UNBOUND_CPUS.load(Ordering::Relaxed) };
    LOCAL_CPUS.store(cpus, Ordering::Relaxed);
}

/// Whether all nodes are served by one pool of each kind.
pub fn ignores_nodes() -> bool {
    IGNORES_NODES.load(Ordering::Relaxed)
}

/// Sets [`ignores_nodes`] (`workqueue.disable_numa`), for queues that are made or changed from now on.
pub fn set_ignores_nodes(on: bool) {
    IGNORES_NODES.store(on, Ordering::Relaxed);
}

/// A CPU takes workers from now on, or no longer. Under `wq_attach`.
pub(crate) fn set_usable(cpu: CpuId, usable: bool) {
    if usable {
        USABLE.fetch_or(1 << cpu, Ordering::SeqCst);
    } else {
        USABLE.fetch_and(!(1 << cpu), Ordering::SeqCst);
    }
}

/// The CPUs where unbound workers run that are to be on some, and on a node if one is given: the first of these sets of which a CPU takes workers.
pub(crate) fn unbound_cpus(node: Option<NodeId>, wanted: CpuMask) -> CpuMask {
    let all = all_unbound_cpus();
    let allowed = all.and(wanted);
    let is_near = |&cpu: &CpuId| node.is_none_or(|node| machine::cpu::node(cpu) == node);
    let near = allowed.iter().filter(is_near).fold(CpuMask::NONE, CpuMask::with);
    let usable = CpuMask::from_bits(USABLE.load(Ordering::SeqCst));
    let is_usable = |cpus: &CpuMask| !cpus.and(usable).is_empty();
    [near, allowed].into_iter().find(is_usable).unwrap_or(all)
}

/// This CPU, or if work is to be kept off it, another in turn.
#[inline]
pub(crate) fn local_cpu() -> CpuId {
    this_cpu().unwrap_or_else(next_cpu)
}

/// This CPU, if work is not to be kept off it.
#[inline]
pub(crate) fn this_cpu() -> Option<CpuId> {
    let here = machine::cpu::id();
    if LOCAL_CPUS.load(Ordering::Relaxed) & 1 << here != 0 { Some(here) } else { None }
}

#[cold]
fn next_cpu() -> CpuId {
    let cpus = UNBOUND_CPUS.load(Ordering::Relaxed);
    let usable = CpuMask::from_bits(cpus).and(sched::online());
    let turn = TURN.fetch_add(1, Ordering::Relaxed) % usable.count().max(1);
    usable.iter().nth(turn).unwrap_or_else(machine::cpu::id)
}

/// A CPU if it has workers, or had some before it went; None otherwise: nobody would do what is queued there.
pub(crate) fn with_workers(cpu: CpuId) -> Option<CpuId> {
    if cpu >= machine::cpu::count() {
        return None;
    }
    let has =
        !is_ready() || all_of_cpu(cpu).first().is_some_and(|pool| pool.lock().nr_workers != 0);
    has.then_some(cpu)
}

/// The pool with this number. Any context.
pub(crate) fn find(id: u32) -> Option<Arc<Pool>> {
    let index = id as usize;
    if index < machine::cpu::count() * KINDS {
        return all_of_cpu(index / KINDS).get(index % KINDS).cloned();
    }
    UNBOUND.lock_irq().iter().find(|shared| shared.pool.id == id).map(|shared| shared.pool.clone())
}

/// Visits all pools. Any context.
pub(crate) fn for_each(mut visit: impl FnMut(&Arc<Pool>)) {
    for cpu in 0..machine::cpu::count() {
        all_of_cpu(cpu).iter().for_each(&mut visit);
    }
    // One by one, so that the table is not locked while a pool is.
    let mut last = 0;
    loop {
        let next = UNBOUND
            .lock_irq()
            .iter()
            .filter(|shared| shared.pool.id > last)
            .min_by_key(|shared| shared.pool.id)
            .map(|shared| shared.pool.clone());
        let Some(pool) = next else { return };
        last = pool.id;
        visit(&pool);
    }
}

/// The unbound pool of a node with these attributes, for one more user; made if there is none. May sleep.
///
/// # Errors
/// ENOMEM; as making a worker.
pub(crate) fn get_unbound(attributes: Attributes, node: NodeId) -> Result<Arc<Pool>, Errno> {
    let (pool, fresh) = {
        let mut all = UNBOUND.lock_irq();
        let fits = |shared: &&mut Shared| {
            let Pool { nice, wanted: cpus, numa, node: of, .. } = *shared.pool;
            shared.users != 0 && of == node && attributes == Attributes { nice, cpus, numa }
        };
        if let Some(shared) = all.iter_mut().find(fits) {
            shared.users += 1;
            (shared.pool.clone(), false)
        } else {
            all.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            let first = (machine::cpu::count() * KINDS) as u32;
            let id = (first..).find(|&id| all.iter().all(|shared| shared.pool.id != id));
            let pool = Pool::new(id.unwrap_or(u32::MAX), None, node, attributes);
            all.push(Shared { pool: pool.clone(), users: 1 });
            (pool, true)
        }
    };
    // Who is the first to use it may still be making its first worker, and fail.
    if is_ready()
        && (fresh || pool.lock().nr_workers == 0)
        && let Err(error) = manager::make_worker(&pool)
    {
        put(&pool);
        return Err(error);
    }
    Ok(pool)
}

/// A user of a pool less. The last one of an unbound pool ends it: waits until its workers are gone. May sleep.
pub(crate) fn put(pool: &Arc<Pool>) {
    if pool.cpu.is_some() {
        return;
    }
    let is_this = |shared: &Shared| Arc::ptr_eq(&shared.pool, pool);
    let ends = {
        let mut all = UNBOUND.lock_irq();
        all.iter_mut().find(|shared| is_this(shared)).is_some_and(|shared| {
            shared.users -= 1;
            shared.users == 0
        })
    };
    if ends {
        manager::end_pool(pool);
        // Only now: as long as a pool has this number, an item that names it is there.
        let ended = {
            let mut all = UNBOUND.lock_irq();
            all.iter().position(is_this).map(|place| all.swap_remove(place))
        };
        drop(ended);
    }
}
