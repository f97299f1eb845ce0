//! How much memory there is and where it went.

use contract::{NodeId, PAGE_SIZE};

use crate::frames::{self, MAX_NODES, ORDERS};
use crate::heap;

/// The whole machine's memory, in bytes. A snapshot: the parts are read one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// What the allocator was given: `MemTotal`.
    pub total: usize,
    /// In no use, frames that CPUs keep ready included: `MemFree`.
    pub free: usize,
    /// Of `free`: what CPUs keep ready.
    pub cached: usize,
    /// What only kernel objects that cannot fail may still take: the sum of the `min` watermarks.
    pub reserve: usize,
    /// In slabs, objects in use and free ones: `Slab`.
    pub slab: usize,
    /// In heap blocks that are larger than any slab object.
    pub large: usize,
}

/// One node's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeStatistics {
    /// Bytes that the node has.
    pub total: usize,
    /// Bytes free, frames that CPUs keep ready not included.
    pub free: usize,
    /// Free blocks of each order, as in `/proc/buddyinfo`.
    pub free_blocks: [usize; ORDERS],
}

/// The heap's objects of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlabStatistics {
    /// Bytes of an object.
    pub object_size: usize,
    /// Objects in use, those that CPUs keep ready included.
    pub active: usize,
    /// Objects that there is room for.
    pub objects: usize,
    /// In one slab.
    pub objects_per_slab: usize,
    /// Pages of a slab.
    pub pages_per_slab: usize,
    /// How many slabs.
    pub slabs: usize,
}

/// The heap's slabs by the size of their objects, as `/proc/slabinfo` shows them. Any context.
pub fn slab_statistics() -> impl Iterator<Item = SlabStatistics> {
    heap::slabs()
}

/// The whole machine's memory. Any context; takes each CPU's cache lock in turn.
pub fn statistics() -> Statistics {
    let zones = || (0..MAX_NODES).map(frames::zone);
    let cached = frames::cached_frames();
    let free: usize = zones().map(|zone| zone.free_frames()).sum();
    Statistics {
        total: total_bytes(),
        free: (free + cached) * PAGE_SIZE,
        cached: cached * PAGE_SIZE,
        reserve: zones().map(|zone| zone.min_watermark()).sum::<usize>() * PAGE_SIZE,
        slab: heap::slab_bytes(),
        large: heap::large_bytes(),
    }
}

/// Bytes that the allocator was given. Any context; cheap.
pub fn total_bytes() -> usize {
    (0..MAX_NODES).map(|node| frames::zone(node).managed_frames()).sum::<usize>() * PAGE_SIZE
}

/// One node's memory. Any context.
pub fn node_statistics(node: NodeId) -> NodeStatistics {
    let zone = frames::zone(node);
    NodeStatistics {
        total: zone.managed_frames() * PAGE_SIZE,
        free: zone.free_frames() * PAGE_SIZE,
        free_blocks: zone.free_blocks(),
    }
}
