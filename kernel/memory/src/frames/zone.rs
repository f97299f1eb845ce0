//! The memory of one node: what is untouched, what is free, and how little may be left.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arrayvec::ArrayVec;
use contract::{FrameRange, NodeId};
use sync::{LockClass, SpinLock};

use super::buddy::{Buddy, MAX_ORDER, ORDERS};
use super::metadata::{Frames, State, Tag};
use super::table::{SECTION_FRAMES, TABLE};

/// Inside `frame cache` and `slab depot`, outside `frame table`.
static ZONE: LockClass = LockClass::new("zone");

/// Runs of untouched frames that a zone can keep apart. A region beyond that is taken into use at
/// once.
const FRESH_RANGES: usize = 8;

/// How deep an allocation may dig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserve {
    /// Leaves the last frames, below the `min` watermark, alone.
    Keep,
    /// May take the last frame: small kernel objects, whose allocation has no way to fail.
    Use,
}

/// The memory of one node.
pub(crate) struct Zone {
    node: NodeId,
    inner: SpinLock<Inner>,
    /// Free frames, untouched ones included. Written under the lock, read by anybody.
    free: AtomicUsize,
    /// All frames that were ever added.
    managed: AtomicUsize,
    /// Allocations that keep the reserve fail when fewer than this would be left.
    min: AtomicUsize,
}

struct Inner {
    buddy: Buddy,
    /// Frames that were never used and whose metadata may not exist yet. Used from the last range's
    /// start up.
    fresh: ArrayVec<FrameRange, FRESH_RANGES>,
}

impl Inner {
    /// Takes the next untouched section, or what there is of it, into use.
    fn grow(&mut self) -> bool {
        let Some(range) = self.fresh.last_mut() else { return false };
        let start = range.start;
        let end = range.end.min((start / SECTION_FRAMES + 1) * SECTION_FRAMES);
        range.start = end;
        if range.start == range.end {
            self.fresh.pop();
        }
        self.use_section(start, end);
        true
    }

    fn use_section(&mut self, start: usize, end: usize) {
        TABLE.initialise(start);
        self.buddy.free_range(&TABLE, start as u32, end as u32);
    }
}

impl Zone {
    pub(crate) const fn new(node: NodeId) -> Self {
        Self {
            node,
            inner: SpinLock::new(
                &ZONE,
                Inner { buddy: Buddy::new(node), fresh: ArrayVec::new_const() },
            ),
            free: AtomicUsize::new(0),
            managed: AtomicUsize::new(0),
            min: AtomicUsize::new(0),
        }
    }

    /// Frames in no use, not counting those in CPUs' caches.
    pub(crate) fn free_frames(&self) -> usize {
        self.free.load(Relaxed)
    }

    /// Frames that belong to the zone, free or not.
    pub(crate) fn managed_frames(&self) -> usize {
        self.managed.load(Relaxed)
    }

    /// The `min` watermark, in frames.
    pub(crate) fn min_watermark(&self) -> usize {
        self.min.load(Relaxed)
    }

    /// Free blocks of each order; untouched sections count as what they will be.
    pub(crate) fn free_blocks(&self) -> [usize; ORDERS] {
        let inner = self.inner.lock_irq();
        let mut blocks = *inner.buddy.counts();
        for range in &inner.fresh {
            blocks[MAX_ORDER] += (range.end - range.start) / SECTION_FRAMES;
        }
        blocks
    }

    /// Adds frames whose metadata is described and that nobody uses.
    pub(crate) fn add(&self, range: FrameRange) {
        let mut inner = self.inner.lock_irq();
        let frames = range.end - range.start;
        if inner.fresh.try_push(range).is_err() {
            let mut start = range.start;
            while start < range.end {
                let end = range.end.min((start / SECTION_FRAMES + 1) * SECTION_FRAMES);
                inner.use_section(start, end);
                start = end;
            }
        }
        let managed = self.managed.load(Relaxed) + frames;
        self.managed.store(managed, Relaxed);
        // In KiB, Linux's min_free_kbytes: the square root of 16 times the memory. In pages of 4
        // KiB on both sides that is the square root of 4 times the frames.
        self.min.store((4 * managed).isqrt(), Relaxed);
        self.add_free(frames);
    }

    fn add_free(&self, frames: usize) {
        self.free.store(self.free.load(Relaxed) + frames, Relaxed);
    }

    fn take_free(&self, frames: usize) {
        self.free.store(self.free.load(Relaxed) - frames, Relaxed);
    }

    fn may_take(&self, frames: usize, reserve: Reserve) -> bool {
        let keep = match reserve {
            Reserve::Keep => self.min.load(Relaxed),
            Reserve::Use => 0,
        };
        self.free.load(Relaxed) >= keep + frames
    }

    /// Takes a block of `1 << order` frames.
    pub(crate) fn allocate(&self, order: usize, reserve: Reserve) -> Option<u32> {
        let mut inner = self.inner.lock_irq();
        if !self.may_take(1 << order, reserve) {
            return None;
        }
        loop {
            if let Some(block) = inner.buddy.allocate(&TABLE, order) {
                self.take_free(1 << order);
                return Some(block);
            }
            if !inner.grow() {
                return None;
            }
        }
    }

    /// Takes single frames, up to `want` of them, and hands each to `sink`. Returns how many.
    pub(crate) fn allocate_frames(
        &self,
        want: usize,
        reserve: Reserve,
        mut sink: impl FnMut(u32),
    ) -> usize {
        let mut inner = self.inner.lock_irq();
        let mut got = 0;
        while got < want {
            let mut limit = (want - got).ilog2() as usize;
            if !self.may_take(1 << limit, reserve) {
                // The last ones singly, so that "nothing" means that there is nothing.
                limit = 0;
                if !self.may_take(1, reserve) {
                    break;
                }
            }
            match inner.buddy.allocate_up_to(&TABLE, limit) {
                Some((block, order)) => {
                    self.take_free(1 << order);
                    got += 1 << order;
                    for frame in block..block + (1 << order) {
                        TABLE.of(frame).set_tag(Tag::new(State::Taken, 0, self.node));
                        sink(frame);
                    }
                }
                None if inner.grow() => {}
                None => break,
            }
        }
        got
    }

    /// Takes a block back.
    pub(crate) fn free(&self, block: u32, order: usize) {
        let mut inner = self.inner.lock_irq();
        inner.buddy.free(&TABLE, block, order);
        self.add_free(1 << order);
    }

    /// Takes a run of taken frames back.
    pub(crate) fn free_range(&self, start: u32, end: u32) {
        let mut inner = self.inner.lock_irq();
        inner.buddy.free_range(&TABLE, start, end);
        self.add_free((end - start) as usize);
    }

    /// Takes single frames back.
    pub(crate) fn free_frames_from(&self, frames: impl Iterator<Item = u32>) {
        let mut inner = self.inner.lock_irq();
        let mut count = 0;
        for frame in frames {
            inner.buddy.free(&TABLE, frame, 0);
            count += 1;
        }
        self.add_free(count);
    }
}
