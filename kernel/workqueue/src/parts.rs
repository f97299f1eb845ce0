//! A queue's parts: the rows that it has in pools, and which of them takes what is queued on a CPU.
//!
//! A part of an unbound queue whose attributes have been changed is *retired*: its row takes nothing new, and is freed when what is in
//! it is done (`change.rs`).

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::Errno;
use machine::{CpuId, NodeId};
use sched::CpuMask;

use crate::flags::WqFlags;
use crate::pool::Pool;
use crate::pools;
use crate::queue::Queue;

/// What an unbound queue's workers are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) nice: i8,
    /// Where they may run, of the CPUs that there are. If unbound work is kept off all of them, it is where other unbound work runs.
    pub(crate) cpus: CpuMask,
    /// Each node has a pool, whose workers stay on the node; if not, one pool serves all.
    pub(crate) numa: bool,
}

impl Attributes {
    /// Those that a queue is made with.
    pub(crate) fn of(flags: WqFlags) -> Self {
        let nice = if flags.contains(WqFlags::HIGHPRI) { -20 } else { 0 };
        Self { nice, cpus: CpuMask::present(), numa: true }
    }
}

/// A queue's part in one pool.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) pool: Arc<Pool>,
    /// The queue's row there.
    slot: u16,
    /// Which of the queue's pools this is: the CPU, or the node.
    index: u16,
}

impl Part {
    /// The queue's row in the pool.
    pub(crate) const fn slot(&self) -> u32 {
        self.slot as u32
    }

    pub(crate) const fn index(&self) -> usize {
        self.index as usize
    }

    /// Whether its row has nothing to do. The pool is not locked.
    pub(crate) fn is_idle(&self) -> bool {
        self.pool.lock().pwq(self.slot()).is_idle()
    }

    /// Frees its row, which is idle and takes nothing. May sleep.
    pub(crate) fn leave(&self) {
        self.pool.remove_queue(self.slot());
        pools::put(&self.pool);
    }
}

/// Where items go that are queued on a CPU.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) pool: Arc<Pool>,
    pub(crate) slot: u32,
}

/// The parts that take items.
pub(crate) struct Parts {
    /// By CPU; by node, if unbound; one, if ordered, or if nodes do not matter.
    pub(crate) list: Vec<Part>,
    /// By CPU: the part that takes what is queued there.
    pub(crate) routes: Vec<Route>,
}

impl Parts {
    /// Keeps rows for a queue in all pools that it needs. May sleep.
    ///
    /// # Errors
    /// ENOMEM; as making a worker. Nothing is kept then.
    pub(crate) fn make(id: u64, flags: WqFlags, attributes: Attributes) -> Result<Self, Errno> {
        let mut parts = Self { list: Vec::new(), routes: Vec::new() };
        parts.fill(id, flags, attributes).inspect_err(|_| parts.leave())?;
        Ok(parts)
    }

    fn fill(&mut self, id: u64, flags: WqFlags, attributes: Attributes) -> Result<(), Errno> {
        let cpus = machine::cpu::count();
        let is_ordered = flags.contains(WqFlags::ORDERED);
        let is_unbound = flags.contains(WqFlags::UNBOUND);
        let attributes =
            Attributes { numa: attributes.numa && !pools::ignores_nodes(), ..attributes };
        let is_one = is_ordered || is_unbound && !attributes.numa;
        let count = match () {
            () if is_one => 1,
            () if is_unbound => pools::nodes(),
            () => cpus,
        };
        self.list.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        self.routes.try_reserve_exact(cpus).map_err(|_| Errno::ENOMEM)?;
        for index in 0..count {
            let pool = if is_unbound {
                pools::get_unbound(attributes, index)?
            } else {
                pools::of_cpu(index, attributes.nice)?
            };
            let slot = pool.reserve_row(id, index).inspect_err(|_| pools::put(&pool))?;
            self.list.push(Part { pool, slot, index: index as u16 });
        }
        let part_for = |cpu: CpuId| match () {
            () if is_one => 0,
            () if is_unbound => machine::cpu::node(cpu),
            () => cpu,
        };
        let parts = (0..cpus).map(part_for).filter_map(|index| self.list.get(index));
        self.routes.extend(parts.map(|part| Route { pool: part.pool.clone(), slot: part.slot() }));
        Ok(())
    }

    /// From now on items may come, under this colour.
    pub(crate) fn occupy(&self, queue: &Arc<Queue>, colour: u8) {
        for part in &self.list {
            part.pool.occupy_row(part.slot(), queue, colour);
        }
    }

    /// Frees the rows, in which there is nothing. May sleep.
    pub(crate) fn leave(&self) {
        self.list.iter().for_each(Part::leave);
    }

    /// Each node and the number of the pool there.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (NodeId, u32)> {
        let last = self.list.len().saturating_sub(1);
        let part =
            move |node: NodeId| self.list.get(node.min(last)).map(|part| (node, part.pool.id));
        (0..pools::nodes()).filter_map(part)
    }
}
