//! Which memory is free, and what the machine takes of it before the kernel does.

use crate::acpi::Affinity;
use crate::layout::DIRECT_BASE;
use crate::lock::SpinLock;
use contract::{FrameRange, PAGE_SIZE, Region};
use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering::*};

const MAX_REGIONS: usize = 64;
/// What the boot tables reach: early frames come from below.
const EARLY_END: usize = (1 << 30) / PAGE_SIZE;

struct Free {
    regions: [Region; MAX_REGIONS],
    length: usize,
}

impl Free {
    fn push(&mut self, frames: FrameRange, node: usize) {
        if frames.start < frames.end && self.length < MAX_REGIONS {
            self.regions[self.length] = Region { frames, node };
            self.length += 1;
        }
    }

    /// Takes a range of frames out of all regions.
    fn remove(&mut self, taken: FrameRange) {
        for i in 0..self.length {
            let FrameRange { start, end } = self.regions[i].frames;
            if taken.end <= start || end <= taken.start {
                continue;
            }
            let node = self.regions[i].node;
            self.regions[i].frames = FrameRange { start, end: taken.start.max(start) };
            self.push(FrameRange { start: taken.end.min(end), end }, node);
        }
        self.drop_empty();
    }

    fn drop_empty(&mut self) {
        let mut kept = 0;
        for i in 0..self.length {
            let region = self.regions[i];
            if region.frames.start < region.frames.end {
                self.regions[kept] = region;
                kept += 1;
            }
        }
        self.length = kept;
    }
}

static FREE: SpinLock<Free> = SpinLock::new(Free {
    regions: [Region { frames: FrameRange { start: 0, end: 0 }, node: 0 }; MAX_REGIONS],
    length: 0,
});

/// The list as the kernel sees it: a copy made when it first asks, never changed again.
struct Sealed(UnsafeCell<[Region; MAX_REGIONS]>, AtomicUsize);

// SAFETY: written under `FREE`'s lock before the length is, then only read.
unsafe impl Sync for Sealed {}

const NOT_SEALED: usize = usize::MAX;
static SEALED: Sealed = Sealed(
    UnsafeCell::new([Region { frames: FrameRange { start: 0, end: 0 }, node: 0 }; MAX_REGIONS]),
    AtomicUsize::new(NOT_SEALED),
);

/// The frames that lie wholly in a range of bytes.
fn inner(bytes: &Range<usize>) -> FrameRange {
    FrameRange { start: bytes.start.div_ceil(PAGE_SIZE), end: bytes.end / PAGE_SIZE }
}

/// The frames that a range of bytes touches.
pub(crate) fn outer(bytes: &Range<usize>) -> FrameRange {
    FrameRange { start: bytes.start / PAGE_SIZE, end: bytes.end.div_ceil(PAGE_SIZE) }
}

/// Adds memory that the firmware calls free.
pub(crate) fn add(bytes: &Range<usize>) {
    FREE.lock().push(inner(bytes), 0);
}

/// Takes out memory that is in use.
pub(crate) fn reserve(bytes: &Range<usize>) {
    FREE.lock().remove(outer(bytes));
}

/// Gives each part of the free memory the node that the firmware says.
pub(crate) fn assign_nodes(affinities: &[Affinity]) {
    let mut free = FREE.lock();
    for affinity in affinities.iter().filter(|affinity| affinity.node != 0) {
        let wanted = inner(&affinity.memory);
        for i in 0..free.length {
            let FrameRange { start, end } = free.regions[i].frames;
            let (from, to) = (wanted.start.max(start), wanted.end.min(end));
            if from < to {
                let node = free.regions[i].node;
                free.regions[i].frames = FrameRange { start, end: from };
                free.push(FrameRange { start: from, end: to }, affinity.node);
                free.push(FrameRange { start: to, end }, node);
            }
        }
        free.drop_empty();
    }
}

/// Frames in a row for the machine itself, zeroed; the number of the first. None once the kernel has
/// the list, or when there is no room.
pub(crate) fn take_early(frames: usize) -> Option<usize> {
    let first = {
        let mut free = FREE.lock();
        if SEALED.1.load(Relaxed) != NOT_SEALED {
            return None;
        }
        let length = free.length;
        let region = free.regions[..length]
            .iter_mut()
            .find(|region| region.frames.start + frames <= region.frames.end.min(EARLY_END))?;
        let first = region.frames.start;
        region.frames.start += frames;
        first
    };
    let bytes = (DIRECT_BASE + first * PAGE_SIZE) as *mut u64;
    // SAFETY: the frames were free, and are the caller's now. Before and after the kernel's tables are
    // in use, the direct map reaches them.
    unsafe { bytes.write_bytes(0, frames * PAGE_SIZE / size_of::<u64>()) };
    Some(first)
}

/// The list for the kernel. From the first call on it does not change.
pub(crate) fn seal() -> &'static [Region] {
    let mut length = SEALED.1.load(Acquire);
    if length == NOT_SEALED {
        let mut free = FREE.lock();
        if SEALED.1.load(Relaxed) == NOT_SEALED {
            free.drop_empty();
            // SAFETY: nobody reads the copy before the length is set, and the lock is held.
            unsafe { *SEALED.0.get() = free.regions };
            SEALED.1.store(free.length, Release);
        }
        length = free.length;
    }
    // SAFETY: the length is set, so the copy is never written again.
    unsafe { &(&*SEALED.0.get())[..length] }
}
