//! The kernel heap.
//!
//! An object's size class follows from its layout alone, so neither allocating nor freeing has to
//! look anything up. Each CPU keeps a chain of free objects per class, used with interrupts off and
//! without a lock; it is filled from, and emptied into, the class's depot half at a time.
//! Layouts above the largest class get runs of frames.
//!
//! Small objects may take the last frame there is: their allocation has no way to fail that Rust
//! code could handle, and so may short runs of frames, which are the tables and queues that grow
//! with the number of tasks. Long runs leave the reserve alone, so a large `try_reserve` fails in
//! time.
//!
//! On bare metal [`KernelHeap`] is the global allocator. On the host the standard library keeps its
//! own.

mod class;
mod poison;
mod slab;

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use contract::PAGE_SIZE;
use sync::{LocalCell, LockClass, PerCpu, SpinLock};

use self::class::{CLASSES, Class};
use self::slab::{Blocks, Chain, Depot};
use crate::frames::metadata::{Frames, Metadata};
use crate::frames::{self, Reserve};
use crate::pressure;
use crate::statistics::SlabStatistics;

#[cfg(target_os = "none")]
#[global_allocator]
static HEAP: KernelHeap = KernelHeap;

/// Inside a CPU's object lists, outside `frame cache` and `zone`. One class is locked at a time.
static SLAB_DEPOT: LockClass = LockClass::new("slab depot");

static DEPOTS: [SpinLock<Depot>; CLASSES] = {
    let mut depots = [const { SpinLock::new(&SLAB_DEPOT, Depot::new(Class::new(0))) }; CLASSES];
    let mut index = 1;
    while index < CLASSES {
        depots[index] = SpinLock::new(&SLAB_DEPOT, Depot::new(Class::new(index)));
        index += 1;
    }
    depots
};

static CHAINS: PerCpu<LocalCell<[Chain; CLASSES]>> =
    sync::per_cpu!(LocalCell::new([const { Chain::EMPTY }; CLASSES]));

/// Runs of frames that are no longer than this may be taken from the reserve.
const SHORT_RUN: usize = 16;

static LARGE_BYTES: AtomicUsize = AtomicUsize::new(0);

/// The memory in slabs, in bytes.
pub(crate) fn slab_bytes() -> usize {
    DEPOTS.iter().map(|depot| depot.lock_irq().bytes()).sum()
}

/// The slabs of each class, the smallest objects first.
pub(crate) fn slabs() -> impl Iterator<Item = SlabStatistics> {
    DEPOTS.iter().map(|depot| depot.lock_irq().statistics())
}

/// The memory in blocks that are larger than any slab's objects, in bytes.
pub(crate) fn large_bytes() -> usize {
    LARGE_BYTES.load(Relaxed)
}

/// Gives the free objects that this CPU keeps back to the depots.
pub(crate) fn drain_cpu() {
    CHAINS.with(|chains| {
        for (chain, depot) in chains.iter_mut().zip(&DEPOTS) {
            if chain.len() > 0 {
                depot.lock_irq().give(&KernelBlocks, chain, chain.len());
            }
        }
    });
}

/// The frame allocator as the depots see it.
struct KernelBlocks;

impl Frames for KernelBlocks {
    #[inline]
    fn of(&self, frame: u32) -> &Metadata {
        frames::metadata(frame as usize)
    }
}

impl Blocks for KernelBlocks {
    fn allocate(&self, order: usize) -> Option<u32> {
        match order {
            0 => frames::allocate(None, Reserve::Use),
            _ => frames::allocate_run(1 << order, Reserve::Use),
        }
    }

    fn free(&self, block: u32, order: usize) {
        match order {
            0 => frames::free(block),
            _ => frames::free_run(block, 1 << order),
        }
    }

    #[inline]
    fn address_of(&self, frame: u32) -> NonNull<u8> {
        let address = frames::address_of(frame);
        debug_assert!(!address.is_null());
        // SAFETY: the direct map has no memory at address 0.
        unsafe { NonNull::new_unchecked(address) }
    }

    #[inline]
    fn frame_at(&self, address: usize) -> u32 {
        frames::frame_at(address)
    }
}

/// The kernel heap as Rust's allocator. Any context but a non-maskable interrupt.
pub struct KernelHeap;

// SAFETY: `alloc` gives out an object of the layout's class, which is as large and as aligned as
// the layout asks (the tests of `class` show it), or a run of frames, aligned to its size rounded
// up to a power of two and at least as long. An object is in one chain or slab list, or with one
// user. Nothing here unwinds but the checks of debug builds, which find a broken heap.
unsafe impl GlobalAlloc for KernelHeap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match Class::of_common(layout) {
            Some(class) => allocate(class),
            None => allocate_uncommon(layout),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match Class::of_common(layout) {
            // SAFETY: the caller gives back what `alloc` gave for this layout.
            Some(class) => unsafe { free(pointer, class) },
            // SAFETY: as above.
            None => unsafe { free_uncommon(pointer, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller guarantees that `new_size`, rounded up to the alignment, does not
        // overflow.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let class = Class::of(layout);
        if class.is_some() && class == Class::of(new_layout) {
            return pointer;
        }
        // SAFETY: the caller's promises about `layout` and `new_size` are passed on; `copy` stays
        // within both objects, which do not overlap as both are allocated.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                new.copy_from_nonoverlapping(pointer, layout.size().min(new_size));
                self.dealloc(pointer, layout);
            }
            new
        }
    }
}

#[inline(always)]
fn allocate(class: Class) -> *mut u8 {
    // SAFETY: takes the first object of a chain, and does nothing else.
    match unsafe { CHAINS.with_simple(|chains| chains[class.index()].pop()) } {
        Some(object) => hand_out(object, class),
        None => refill(class),
    }
}

#[inline(always)]
fn hand_out(object: NonNull<slab::Object>, class: Class) -> *mut u8 {
    // SAFETY: the object came out of a chain: free and marked.
    unsafe { poison::check(object.cast(), class.size()) };
    object.as_ptr().cast()
}

/// # Safety
/// The caller gives back an object of the class that [`allocate`] gave.
#[inline(always)]
unsafe fn free(pointer: *mut u8, class: Class) {
    // SAFETY: `allocate` returned the pointer, so it is not null.
    let object: NonNull<slab::Object> = unsafe { NonNull::new_unchecked(pointer.cast()) };
    // SAFETY: the caller gives the object back; it has its class's size.
    unsafe { poison::fill(object.cast(), class.size()) };
    // SAFETY: puts an object into a chain, and does nothing else. The object is free, as above; every class holds a link.
    let len = unsafe {
        CHAINS.with_simple(|chains| {
            let chain = &mut chains[class.index()];
            chain.push(object);
            chain.len()
        })
    };
    if len > class.keep() {
        flush(class);
    }
}

#[inline(never)]
fn allocate_uncommon(layout: Layout) -> *mut u8 {
    Class::of(layout).map_or_else(|| allocate_large(layout), allocate)
}

/// # Safety
/// As for `dealloc`.
#[inline(never)]
unsafe fn free_uncommon(pointer: *mut u8, layout: Layout) {
    match Class::of(layout) {
        // SAFETY: the caller gives back what `allocate_uncommon` gave for this layout.
        Some(class) => unsafe { free(pointer, class) },
        None => free_large(pointer, layout),
    }
}

/// Fills this CPU's chain and takes an object from it; null if there is no memory.
#[cold]
#[inline(never)]
fn refill(class: Class) -> *mut u8 {
    let object = pressure::retry(|| {
        CHAINS.with(|chains| {
            let chain = &mut chains[class.index()];
            DEPOTS[class.index()].lock_irq().take(&KernelBlocks, chain, class.batch());
            chain.pop()
        })
    });
    object.map_or(null_mut(), |object| hand_out(object, class))
}

/// Gives half of what this CPU keeps of a class to the depot, if it is still too much: an interrupt
/// or a move to another CPU may have come before.
#[cold]
#[inline(never)]
fn flush(class: Class) {
    CHAINS.with(|chains| {
        let chain = &mut chains[class.index()];
        if chain.len() > class.keep() {
            DEPOTS[class.index()].lock_irq().give(&KernelBlocks, chain, class.batch());
        }
    });
}

/// The frames that a large layout takes.
fn large_frames(layout: Layout) -> usize {
    layout.size().max(layout.align()).div_ceil(PAGE_SIZE)
}

#[cold]
#[inline(never)]
fn allocate_large(layout: Layout) -> *mut u8 {
    let count = large_frames(layout);
    let from_reserve = || {
        let short = count <= SHORT_RUN;
        if short { frames::allocate_run(count, Reserve::Use) } else { None }
    };
    match pressure::retry(|| frames::allocate_run(count, Reserve::Keep)).or_else(from_reserve) {
        Some(start) => {
            LARGE_BYTES.fetch_add(count * PAGE_SIZE, Relaxed);
            frames::address_of(start)
        }
        None => null_mut(),
    }
}

#[cold]
#[inline(never)]
fn free_large(pointer: *mut u8, layout: Layout) {
    let count = large_frames(layout);
    LARGE_BYTES.fetch_sub(count * PAGE_SIZE, Relaxed);
    frames::free_run(frames::frame_at(pointer.addr()), count);
}
