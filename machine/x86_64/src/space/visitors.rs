//! What is done with entries: taking them out, changing them, showing them.

use super::batch::Batch;
use super::walk::Visitor;
use super::{AddressSpace, number, protection};
use crate::table::bits;
use crate::tlb;
use contract::{LARGE_PAGE_SIZE, MappedVisitor, PAGE_SIZE, UnmapSink};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::*};

/// Takes entries out.
pub(super) struct Unmapper<'a> {
    pub(super) space: &'a AddressSpace,
    pub(super) batch: Batch,
    pub(super) sink: &'a mut dyn UnmapSink,
}

impl Unmapper<'_> {
    /// Flushes what was taken out, then gives the frames away, each with whether it was written to.
    #[inline]
    pub(super) fn give(&mut self) {
        if self.batch.len() > 0 {
            self.give_some();
        }
    }

    fn give_some(&mut self) {
        let count = self.batch.len();
        tlb::flush(&self.space.space, self.batch.range());
        self.space.mapped.fetch_sub(count, Relaxed);
        // SAFETY: no CPU can use them any more.
        let large = unsafe { self.batch.give(self.sink) };
        if large > 0 {
            self.space.forget_large(large);
        }
    }
}

impl Visitor for Unmapper<'_> {
    #[inline]
    fn page(&mut self, address: usize, entry: &AtomicU64) {
        let old = entry.swap(0, AcqRel);
        if old & bits::PRESENT != 0 {
            self.batch.push(address, old);
            if self.batch.is_full() {
                self.give();
            }
        }
    }

    fn large(&mut self, part: Range<usize>, entry: &AtomicU64) -> bool {
        if part.len() < LARGE_PAGE_SIZE {
            self.space.split(entry, part.start);
            return false;
        }
        let old = change_large(entry, |_| 0);
        let Some(old) = old else { return false };
        self.batch.push_large(part.start, old);
        if self.batch.is_full() {
            self.give();
        }
        true
    }
}

/// Changes what may be done with pages.
pub(super) struct Protector<'a> {
    pub(super) space: &'a AddressSpace,
    pub(super) wanted: u64,
    /// What has to be flushed.
    pub(super) changed: Option<Range<usize>>,
}

impl Protector<'_> {
    fn protected(&self, entry: u64) -> u64 {
        entry & !(bits::WRITE | bits::NO_EXECUTE) | self.wanted
    }

    fn note(&mut self, range: Range<usize>) {
        let start = self.changed.as_ref().map_or(range.start, |changed| changed.start);
        self.changed = Some(start..range.end);
    }
}

impl Visitor for Protector<'_> {
    #[inline]
    fn page(&mut self, address: usize, entry: &AtomicU64) {
        let mut old = entry.load(Relaxed);
        loop {
            let new = self.protected(old);
            if old & bits::PRESENT == 0 || new == old {
                return;
            }
            match entry.compare_exchange_weak(old, new, AcqRel, Relaxed) {
                Ok(_) => break,
                Err(now) => old = now,
            }
        }
        self.note(address..address + PAGE_SIZE);
    }

    fn large(&mut self, part: Range<usize>, entry: &AtomicU64) -> bool {
        let now = entry.load(Acquire);
        if now & bits::LARGE != 0 && self.protected(now) == now {
            return true;
        }
        if part.len() < LARGE_PAGE_SIZE {
            self.space.split(entry, part.start);
            return false;
        }
        if change_large(entry, |old| self.protected(old)).is_none() {
            return false;
        }
        self.note(part);
        true
    }
}

/// Changes the entry of a large page and returns what it was. `None`: it is that of a large page no longer.
fn change_large(entry: &AtomicU64, change: impl Fn(u64) -> u64) -> Option<u64> {
    let change = |old| (old & bits::LARGE != 0).then(|| change(old));
    entry.try_update(AcqRel, Acquire, change).ok()
}

/// Shows what is mapped.
pub(super) struct Looker<'a> {
    pub(super) visitor: &'a mut dyn MappedVisitor,
}

impl Visitor for Looker<'_> {
    #[inline]
    fn page(&mut self, address: usize, entry: &AtomicU64) {
        let entry = entry.load(Acquire);
        if entry & bits::PRESENT != 0 {
            self.visitor.page(address, number(entry), protection(entry));
        }
    }

    fn large(&mut self, part: Range<usize>, entry: &AtomicU64) -> bool {
        let entry = entry.load(Acquire);
        if entry & bits::LARGE == 0 {
            return false;
        }
        if part.len() == LARGE_PAGE_SIZE {
            self.visitor.large(part.start, number(entry), protection(entry));
            return true;
        }
        for address in part.step_by(PAGE_SIZE) {
            let place = (address & (LARGE_PAGE_SIZE - 1)) / PAGE_SIZE;
            self.visitor.page(address, number(entry) + place, protection(entry));
        }
        true
    }
}
