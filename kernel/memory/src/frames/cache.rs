//! Single frames kept ready on each CPU, so that most allocations do not touch the zone.

use arrayvec::ArrayVec;
use contract::{CpuId, NodeId};
use sync::{LockClass, PerCpu, SpinLock};

use super::zone::{Reserve, Zone};

/// The most frames that a CPU keeps.
const CAPACITY: usize = 64;
/// How many come from the zone at a time, and go back when the cache is full.
const BATCH: usize = 16;

/// Inside a CPU's object lists and `slab depot`, outside `zone`. A lock, although only the owner is
/// fast, so that the caches of all CPUs can be emptied when memory runs out.
static CACHE: LockClass = LockClass::new("frame cache");

type Cache = SpinLock<ArrayVec<u32, CAPACITY>>;

static CACHES: PerCpu<Cache> = sync::per_cpu!(SpinLock::new(&CACHE, ArrayVec::new_const()));

/// The node of the CPU this runs on: of one of them, if the caller is moved meanwhile, which makes
/// a frame come from further away and nothing worse.
pub(super) fn local_node() -> NodeId {
    super::node_index(machine::cpu::node(machine::cpu::id()))
}

/// Takes a frame of the local zone.
pub(super) fn allocate(zone: &Zone, reserve: Reserve) -> Option<u32> {
    let mut cache = CACHES.this().lock_irq();
    if let Some(frame) = cache.pop() {
        return Some(frame);
    }
    zone.allocate_frames(BATCH, reserve, |frame| cache.push(frame));
    cache.pop()
}

/// Takes a frame of the local zone back.
pub(super) fn free(zone: &Zone, frame: u32) {
    let mut cache = CACHES.this().lock_irq();
    if cache.is_full() {
        // The ones that were freed longest ago: the last ones are still in the processor's cache. With several nodes a frame of
        // another one may be among them: the caller may have been moved since it looked which node is its own.
        if machine::memory::nodes() == 1 {
            zone.free_frames_from(cache.drain(..BATCH));
        } else {
            cache.drain(..BATCH).for_each(|old| super::zone_of(old).free(old, 0));
        }
    }
    cache.push(frame);
}

/// How many frames a CPU keeps.
pub(super) fn len(cpu: CpuId) -> usize {
    CACHES.of(cpu).lock_irq().len()
}

/// Gives all that a CPU keeps to `sink`.
pub(super) fn drain(cpu: CpuId, sink: impl FnMut(u32)) {
    let mut cache = CACHES.of(cpu).lock_irq();
    cache.drain(..).for_each(sink);
}
