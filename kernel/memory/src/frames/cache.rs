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

/// The most frames full of zeros that a CPU keeps besides: about the page tables of two programs.
const ZEROED: usize = 32;

struct Cache {
    frames: ArrayVec<u32, CAPACITY>,
    /// These were page tables, and came back empty: filling a frame with zeros is most of what it costs to make a table.
    zeroed: ArrayVec<u32, ZEROED>,
}

impl Cache {
    const EMPTY: Self = Self { frames: ArrayVec::new_const(), zeroed: ArrayVec::new_const() };

    #[inline(always)]
    fn take(&mut self, zone: &Zone, reserve: Reserve) -> Option<u32> {
        self.frames.pop().or_else(|| self.refill(zone, reserve))
    }

    #[cold]
    fn refill(&mut self, zone: &Zone, reserve: Reserve) -> Option<u32> {
        zone.allocate_frames(BATCH, reserve, |frame| self.frames.push(frame));
        self.frames.pop()
    }
}

static CACHES: PerCpu<SpinLock<Cache>> = sync::per_cpu!(SpinLock::new(&CACHE, Cache::EMPTY));

/// The node of the CPU this runs on: of one of them, if the caller is moved meanwhile, which makes
/// a frame come from further away and nothing worse.
pub(super) fn local_node() -> NodeId {
    super::node_index(machine::cpu::node(machine::cpu::id()))
}

/// Takes a frame of the local zone.
pub(super) fn allocate(zone: &Zone, reserve: Reserve) -> Option<u32> {
    CACHES.this().lock_irq().take(zone, reserve)
}

/// Takes a frame of the local zone, and says whether it is known to hold zeros.
pub(super) fn allocate_for_zeros(zone: &Zone, reserve: Reserve) -> Option<(u32, bool)> {
    let mut cache = CACHES.this().lock_irq();
    if let Some(frame) = cache.zeroed.pop() {
        return Some((frame, true));
    }
    cache.take(zone, reserve).map(|frame| (frame, false))
}

/// Takes a frame of the local zone back that holds zeros. False: there is no room for more of them.
pub(super) fn keep_zeroed(frame: u32) -> bool {
    CACHES.this().lock_irq().zeroed.try_push(frame).is_ok()
}

/// Takes a frame of the local zone back.
pub(super) fn free(zone: &Zone, frame: u32) {
    let cache = &mut CACHES.this().lock_irq().frames;
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
    let cache = CACHES.of(cpu).lock_irq();
    cache.frames.len() + cache.zeroed.len()
}

/// Gives all that a CPU keeps to `sink`.
pub(super) fn drain(cpu: CpuId, sink: impl FnMut(u32)) {
    let Cache { frames, zeroed } = &mut *CACHES.of(cpu).lock_irq();
    frames.drain(..).chain(zeroed.drain(..)).for_each(sink);
}
