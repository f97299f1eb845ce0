//! Frames: a piece of host memory, taken only as it is touched.

mod space;
mod tlb;

pub use space::AddressSpace;
pub(crate) use space::Space;
pub(crate) use tlb::{Miss, Tlb, translate};

use core::sync::atomic::{AtomicUsize, Ordering};

use contract::{
    Frame, FrameRange, LargePageCounters, NodeId, PAGE_SHIFT, PAGE_SIZE, Region, TlbCounters,
};

use crate::machine::here;

/// The first frame that exists. Below it there is a hole, as on PCs.
const FIRST_FRAME: usize = 256;
/// Where the memory is asked for, so that addresses are the same in every run.
const WISHED_PLACE: usize = 0x2000_0000_0000;
/// Bytes of memory outside of a run.
pub(crate) const OUTSIDE_BYTES: usize = 64 << 20;

/// Where frame 0 would be, and how many frames there are; 0 before the memory is mapped.
static BASE: AtomicUsize = AtomicUsize::new(0);
static FRAMES: AtomicUsize = AtomicUsize::new(0);

/// The regions of `bytes` of memory dealt out to `nodes`.
pub(crate) fn lay_out(bytes: usize, nodes: usize) -> Box<[Region]> {
    let frames = bytes >> PAGE_SHIFT;
    (0..nodes)
        .map(|node| Region {
            frames: FrameRange {
                start: FIRST_FRAME + frames * node / nodes,
                end: FIRST_FRAME + frames * (node + 1) / nodes,
            },
            node,
        })
        .collect()
}

/// Maps fresh memory for a run.
pub(crate) fn map_fresh(bytes: usize) {
    let Ok(place) = crate::thread::map_host_memory(WISHED_PLACE, bytes) else {
        crate::sim::fail("the host has no address space for the machine's memory");
    };
    FRAMES.store(bytes >> PAGE_SHIFT, Ordering::Relaxed);
    BASE.store(place - (FIRST_FRAME << PAGE_SHIFT), Ordering::Release);
}

/// Outside of a run, memory is mapped at first use and shared by the host's threads.
#[cold]
fn map_outside() -> usize {
    let place = crate::thread::map_host_memory(0, OUTSIDE_BYTES).expect("host memory");
    let base = place - (FIRST_FRAME << PAGE_SHIFT);
    FRAMES.store(OUTSIDE_BYTES >> PAGE_SHIFT, Ordering::Relaxed);
    // If another thread was faster its memory counts, and ours stays untouched and costs nothing.
    BASE.compare_exchange(0, base, Ordering::AcqRel, Ordering::Acquire)
        .unwrap_or_else(|first| first);
    BASE.load(Ordering::Acquire)
}

/// The free memory, the same at each call.
#[must_use]
pub fn regions() -> &'static [Region] {
    here().regions
}

/// How many NUMA nodes there are.
#[must_use]
pub fn nodes() -> usize {
    here().nodes()
}

/// 10 on a node, 20 between nodes.
#[must_use]
pub fn node_distance(from: NodeId, to: NodeId) -> u32 {
    if from == to { 10 } else { 20 }
}

/// Where the kernel sees a frame's memory.
///
/// # Panics
/// If there is no such frame.
#[inline]
#[must_use]
pub fn direct_map(frame: usize) -> *mut u8 {
    let base = match BASE.load(Ordering::Acquire) {
        0 => map_outside(),
        base => base,
    };
    let frames = FIRST_FRAME..FIRST_FRAME + FRAMES.load(Ordering::Relaxed);
    assert!(frames.contains(&frame), "there is no frame {frame:#x}");
    (base + (frame << PAGE_SHIFT)) as *mut u8
}

/// Reads a frame's contents from `offset` on.
///
/// # Panics
/// If the range leaves the frame.
pub fn read(frame: &Frame, offset: usize, buffer: &mut [u8]) {
    check(offset, buffer.len());
    let from = direct_map(frame.number());
    // SAFETY: the range lies in the frame, which exists and is not the buffer.
    unsafe { from.add(offset).copy_to_nonoverlapping(buffer.as_mut_ptr(), buffer.len()) };
}

/// Writes a frame's contents from `offset` on.
///
/// # Panics
/// If the range leaves the frame.
pub fn write(frame: &Frame, offset: usize, bytes: &[u8]) {
    check(offset, bytes.len());
    let to = direct_map(frame.number());
    // SAFETY: the range lies in the frame, which exists; a handle says that nobody else uses it as
    // Rust data.
    unsafe { to.add(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
}

/// Makes a frame all zeros.
pub fn zero(frame: &Frame) {
    // SAFETY: as in `write`.
    unsafe { direct_map(frame.number()).write_bytes(0, PAGE_SIZE) };
}

/// Copies one frame's contents to another.
pub fn copy(from: &Frame, to: &Frame) {
    let (from, to) = (direct_map(from.number()), direct_map(to.number()));
    // SAFETY: as in `write`; the ranges are equal or apart.
    unsafe { to.copy_from(from, PAGE_SIZE) };
}

fn check(offset: usize, length: usize) {
    assert!(
        length <= PAGE_SIZE && offset <= PAGE_SIZE - length,
        "{length} bytes at {offset} leave the frame"
    );
}

/// Leaves loaded what this CPU has loaded, unused until it loads a space. Interrupts off.
///
/// # Panics
/// If interrupts are on.
pub fn borrow() {
    let machine = here();
    let cpu = machine.cpu();
    assert!(
        !machine.active.get() || !cpu.interrupts.get(),
        "address space borrowed with interrupts on"
    );
    cpu.borrows.set(true);
}

/// Makes this CPU use no user half.
pub fn load_kernel_only() {
    space::load(None);
}

/// Memory is in order here.
pub fn barrier() {
    crate::schedule::point(here());
}

/// Switches of address space and flushes so far.
#[must_use]
pub fn tlb_counters() -> TlbCounters {
    here().tlb_counters.get()
}

/// Large pages that are mapped, and those that were split so far.
#[must_use]
pub fn large_page_counters() -> LargePageCounters {
    here().large_pages.get()
}
