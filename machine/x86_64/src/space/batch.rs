//! Entries that were taken out and not flushed yet.

use super::{frame, number};
use crate::table::bits;
use contract::{Block, LARGE_PAGE_SIZE, PAGE_SIZE, UnmapSink};
use core::mem::MaybeUninit;
use core::ops::Range;

/// How many entries are collected before the translations are flushed and their frames are given away.
const ROOM: usize = 64;

pub(super) struct Batch {
    /// The first `length` are there.
    entries: [MaybeUninit<u64>; ROOM],
    length: usize,
    from: usize,
    to: usize,
}

impl Batch {
    pub(super) const fn new() -> Self {
        Self { entries: [const { MaybeUninit::uninit() }; ROOM], length: 0, from: 0, to: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_full(&self) -> bool {
        self.length == ROOM
    }

    /// The addresses of what was taken out.
    pub(super) fn range(&self) -> Range<usize> {
        self.from..self.to
    }

    /// Adds the entry of a page that was taken out. There is room, and its address is above those of the others.
    #[inline]
    pub(super) fn push(&mut self, address: usize, entry: u64) {
        self.add(address..address + PAGE_SIZE, entry);
    }

    /// The same with the entry of a large page.
    pub(super) fn push_large(&mut self, address: usize, entry: u64) {
        debug_assert!(entry & bits::LARGE != 0, "not the entry of a large page");
        self.add(address..address + LARGE_PAGE_SIZE, entry);
    }

    #[inline]
    fn add(&mut self, range: Range<usize>, entry: u64) {
        if self.length == 0 {
            self.from = range.start;
        }
        self.to = range.end;
        self.entries[self.length].write(entry);
        self.length += 1;
    }

    /// Gives all away, and returns how many large pages there were.
    ///
    /// # Safety
    /// The translations have been flushed.
    pub(super) unsafe fn give(&mut self, sink: &mut dyn UnmapSink) -> usize {
        let mut large = 0;
        for entry in &self.entries[..self.length] {
            // SAFETY: it has been pushed.
            let entry = unsafe { entry.assume_init() };
            let written = entry & bits::DIRTY != 0;
            // In the entry of a small page this bit means something else, and is clear.
            if entry & bits::LARGE != 0 {
                large += 1;
                // SAFETY: it was taken out when it was pushed, and no CPU can use it any more.
                sink.large(unsafe { Block::from_first(number(entry)) }, written);
            } else {
                // SAFETY: as above.
                sink.page(unsafe { frame(entry) }, written);
            }
        }
        self.length = 0;
        large
    }
}
