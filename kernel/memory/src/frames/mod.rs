//! Page frames: zones per node, and the ways in and out.

pub(crate) mod buddy;
mod cache;
mod large;
pub(crate) mod metadata;
mod table;
mod zone;

use core::sync::atomic::{AtomicUsize, Ordering};

use arrayvec::ArrayVec;
use contract::{CpuId, Frame, NodeId, PAGE_SIZE, Region};
use fault::Point;

pub(crate) use buddy::MAX_ORDER;
pub use buddy::ORDERS;
pub(crate) use large::{allocate_large, has_one_holder, put_large, share_large};
use metadata::{Frames, Metadata};
use table::TABLE;
pub(crate) use zone::Reserve;
use zone::Zone;

/// The most NUMA nodes; memory of nodes beyond counts as the last one's.
pub const MAX_NODES: usize = 8;

static ZONES: [Zone; MAX_NODES] = [
    Zone::new(0),
    Zone::new(1),
    Zone::new(2),
    Zone::new(3),
    Zone::new(4),
    Zone::new(5),
    Zone::new(6),
    Zone::new(7),
];

/// What `direct_map` adds to a frame's physical address.
static DIRECT_MAP: AtomicUsize = AtomicUsize::new(0);

/// Takes the machine's memory over. Once, on the boot CPU, before anything is allocated.
pub fn init() {
    for &region in machine::memory::regions() {
        add_region(region);
    }
}

/// Adds frames that were in use since boot and are free now, such as the initial ramdisk's. The
/// caller gives each frame once. A part of it becomes the metadata of the rest; a region of a few
/// frames may be lost to that.
pub fn add_region(region: Region) {
    let Some(frames) = TABLE.describe(region.frames) else { return };
    let base = machine::memory::direct_map(frames.start).expose_provenance();
    DIRECT_MAP.store(base.wrapping_sub(frames.start * PAGE_SIZE), Ordering::Relaxed);
    ZONES[node_index(region.node)].add(frames);
}

/// Takes a zeroed frame for the machine's own use (a page table, a stack), near the node or else
/// near this CPU. Any context. The machine's `allocate_frame` upcall.
pub fn allocate_frame(node: Option<NodeId>) -> Option<Frame> {
    if fault::should_fail(Point::Page) {
        return None;
    }
    allocate_zeroed(node, false)
}

/// Takes a frame with one reference, filled with zeros, and perhaps marked as a program's own.
pub(crate) fn allocate_zeroed(node: Option<NodeId>, anonymous: bool) -> Option<Frame> {
    let local = cache::local_node();
    let wanted = node.map_or(local, node_index);
    let cached = match wanted == local {
        true => cache::allocate_for_zeros(&ZONES[local], Reserve::Keep),
        false => None,
    };
    let (number, is_zeroed) = match cached {
        Some(cached) => cached,
        None => (allocate_block(wanted, 0, Reserve::Keep)?, false),
    };
    let metadata = metadata(number as usize);
    metadata.count.store(1, Ordering::Relaxed);
    if anonymous {
        metadata.set_tag(metadata.tag().with_anonymous(true));
    }
    // SAFETY: the frame was just taken from the allocator, with one reference, which is this.
    let frame = unsafe { Frame::from_number(number as usize) };
    if is_zeroed {
        debug_assert!(holds_zeros(&frame), "a frame of zeros was written to while nobody had it");
    } else {
        machine::memory::zero(&frame);
    }
    Some(frame)
}

/// Gives up a reference to a frame; the last one frees it. Any context. The machine's `free_frame`
/// upcall.
pub fn free_frame(frame: Frame) {
    put_reference(frame.into_number());
}

/// Gives up the only reference to a frame that holds zeros; as it is, it serves the next who asks for zeros. Any context. The
/// machine's `free_zeroed_frame` upcall.
pub fn free_zeroed_frame(frame: Frame) {
    debug_assert!(holds_zeros(&frame), "a frame is not as empty as it is said to be");
    let number = frame.into_number();
    let metadata = metadata(number);
    debug_assert_eq!(metadata.count.load(Ordering::Relaxed), 1, "somebody else has the frame");
    metadata.count.store(0, Ordering::Relaxed);
    let is_local = metadata.tag().node() == cache::local_node();
    if !is_local || !cache::keep_zeroed(number as u32) {
        free(number as u32);
    }
}

fn holds_zeros(frame: &Frame) -> bool {
    let mut bytes = [0; 64];
    (0..PAGE_SIZE).step_by(bytes.len()).all(|offset| {
        machine::memory::read(frame, offset, &mut bytes);
        bytes.iter().all(|&byte| byte == 0)
    })
}

/// Moves the frames and heap objects that the calling CPU keeps ready back to where all CPUs find
/// them: before it goes out of service. Interrupts or preemption off.
pub fn drain_cpu() {
    crate::heap::drain_cpu();
    drain_cache(machine::cpu::id());
}

/// Empties the frame caches of all CPUs, for an allocation that would fail otherwise.
pub(crate) fn drain_caches() {
    (0..machine::cpu::count()).for_each(drain_cache);
}

fn drain_cache(cpu: CpuId) {
    cache::drain(cpu, |frame| zone_of(frame).free(frame, 0));
}

/// Frames that CPUs keep ready.
pub(crate) fn cached_frames() -> usize {
    (0..machine::cpu::count()).map(cache::len).sum()
}

/// A frame's metadata; that of a reserved frame if it is not the allocator's.
#[inline]
pub(crate) fn metadata(frame: usize) -> &'static Metadata {
    TABLE.of(u32::try_from(frame).unwrap_or(0))
}

pub(crate) fn zone(node: NodeId) -> &'static Zone {
    &ZONES[node_index(node)]
}

/// The node of a frame that the allocator gave out.
pub(crate) fn node_of(frame: u32) -> NodeId {
    TABLE.of(frame).tag().node()
}

fn zone_of(frame: u32) -> &'static Zone {
    zone(node_of(frame))
}

fn node_index(node: NodeId) -> usize {
    node.min(MAX_NODES - 1)
}

/// Drops a reference to a frame.
pub(crate) fn put_reference(frame: usize) {
    // Release and Acquire: whoever frees the frame has seen all that the others did to it.
    if metadata(frame).count.fetch_sub(1, Ordering::Release) == 1 {
        core::sync::atomic::fence(Ordering::Acquire);
        free(frame as u32);
    }
}

/// Takes a frame, near `node` or else near this CPU. Its contents are whatever was there.
pub(crate) fn allocate(node: Option<NodeId>, reserve: Reserve) -> Option<u32> {
    let local = cache::local_node();
    let wanted = node.map_or(local, node_index);
    if wanted == local
        && let Some(frame) = cache::allocate(&ZONES[local], Reserve::Keep)
    {
        return Some(frame);
    }
    allocate_block(wanted, 0, reserve)
}

/// Frees a frame that has no reference left.
pub(crate) fn free(frame: u32) {
    let metadata = TABLE.of(frame);
    let tag = metadata.tag();
    if tag.is_anonymous() {
        metadata.set_tag(tag.with_anonymous(false));
    }
    let node = tag.node();
    if node == cache::local_node() {
        cache::free(&ZONES[node], frame);
    } else {
        ZONES[node].free(frame, 0);
    }
}

/// Whether more frames are free than the reserve has.
pub(crate) fn keeps_reserve() -> bool {
    ZONES.iter().any(|zone| zone.free_frames() > zone.min_watermark())
}

/// Takes a block of `1 << order` frames, as near to `node` as there are any.
pub(crate) fn allocate_block(node: NodeId, order: usize, reserve: Reserve) -> Option<u32> {
    let nodes = by_distance(node);
    let from_any = |reserve| nodes.iter().find_map(|&node| ZONES[node].allocate(order, reserve));
    from_any(Reserve::Keep).or_else(|| match reserve {
        Reserve::Keep => None,
        Reserve::Use => from_any(Reserve::Use),
    })
}

/// Takes a run of frames that need not be a power of two long, near this CPU.
pub(crate) fn allocate_run(frames: usize, reserve: Reserve) -> Option<u32> {
    let order = frames.next_power_of_two().ilog2() as usize;
    if order > MAX_ORDER {
        return None;
    }
    let start = allocate_block(cache::local_node(), order, reserve)?;
    let end = start + (1 << order);
    if start + (frames as u32) < end {
        let tail = start + frames as u32;
        let node = node_of(start);
        ZONES[node].free_range(tail, end);
    }
    Some(start)
}

/// Frees a run that [`allocate_run`] gave, or a block.
pub(crate) fn free_run(start: u32, frames: usize) {
    zone_of(start).free_range(start, start + frames as u32);
}

/// The address of a frame's memory.
pub(crate) fn address_of(frame: u32) -> *mut u8 {
    machine::memory::direct_map(frame as usize)
}

/// The frame around an address that [`address_of`] led to.
pub(crate) fn frame_at(address: usize) -> u32 {
    (address.wrapping_sub(DIRECT_MAP.load(Ordering::Relaxed)) / PAGE_SIZE) as u32
}

/// The nodes, nearest first.
fn by_distance(node: NodeId) -> ArrayVec<NodeId, MAX_NODES> {
    let mut nodes: ArrayVec<NodeId, MAX_NODES> =
        (0..machine::memory::nodes().min(MAX_NODES)).collect();
    if nodes.len() > 1 {
        nodes.sort_unstable_by_key(|&other| (machine::memory::node_distance(node, other), other));
    }
    nodes
}
