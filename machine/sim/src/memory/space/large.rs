//! Large pages: one entry for 2 MiB.
//!
//! As on hardware, an entry changes in one step, and between looking at it and changing it anything may happen: that is where the
//! points are.

use core::ops::Range;
use std::sync::MutexGuard;

use contract::{
    Block, Frame, LARGE_PAGE_FRAMES, LARGE_PAGE_SIZE, PAGE_SHIFT, PAGE_SIZE, Protection, UnmapSink,
};

use super::{
    AddressSpace, Entry, PAGES_A_TABLE, Space, State, Tables, give_back, give_up_table, pages,
    table_frame,
};
use crate::machine::here;
use crate::memory::tlb::assert_unreachable;
use crate::schedule;
use crate::user::USER_END;

/// The entry of a large page.
#[derive(Debug)]
pub(super) struct Large {
    block: Block,
    pub(super) state: State,
    /// For the day when it is split. None where there is no kernel to ask for one.
    table: Option<Frame>,
}

impl Large {
    /// The number of the frame of a page in it.
    pub(super) fn frame_of(&self, page: usize) -> usize {
        self.block.first() + page % PAGES_A_TABLE
    }

    /// Gives all back, as the space is being dropped.
    pub(super) fn give_back(self) {
        count(-1, 0);
        self.table.into_iter().for_each(give_up_table);
        self.block.into_frames().for_each(give_back);
    }
}

/// What is counted of all spaces.
fn count(mapped: isize, splits: u64) {
    let machine = here();
    let mut counters = machine.large_pages.get();
    counters.mapped = counters.mapped.wrapping_add_signed(mapped);
    counters.splits += splits;
    machine.large_pages.set(counters);
}

/// The large pages, by the number of their tables, that are in a range of pages as a whole.
pub(super) fn whole(pages: &Range<usize>) -> Range<usize> {
    let start = pages.start.div_ceil(PAGES_A_TABLE);
    start..(pages.end / PAGES_A_TABLE).max(start)
}

/// The pages that a table is for.
fn pages_of(table: usize) -> Range<usize> {
    table * PAGES_A_TABLE..(table + 1) * PAGES_A_TABLE
}

impl Tables {
    fn is_vacant(&self, table: usize) -> bool {
        !self.large.contains_key(&table) && self.entries.range(pages_of(table)).next().is_none()
    }

    /// What of large pages is in a range: page, frame, protection, and whether it is a whole one.
    pub(super) fn large_parts(
        &self,
        pages: &Range<usize>,
    ) -> Vec<(usize, usize, Protection, bool)> {
        let mut parts = Vec::new();
        for (&table, large) in
            self.large.range(pages.start / PAGES_A_TABLE..pages.end.div_ceil(PAGES_A_TABLE))
        {
            let protection = large.state.protection;
            if whole(pages).contains(&table) {
                parts.push((table * PAGES_A_TABLE, large.block.first(), protection, true));
                continue;
            }
            let inside = pages_of(table).filter(|page| pages.contains(page));
            parts.extend(inside.map(|page| (page, large.frame_of(page), protection, false)));
        }
        parts
    }
}

impl Space {
    /// The tables, when no large page is left that is partly in a range and that `matters` for what will be done with it.
    pub(super) fn tables_split_at(
        &self,
        pages: &Range<usize>,
        matters: impl Fn(&Large) -> bool,
    ) -> MutexGuard<'_, Tables> {
        loop {
            let tables = self.tables();
            let whole = whole(pages);
            let touched = pages.start / PAGES_A_TABLE..pages.end.div_ceil(PAGES_A_TABLE);
            let partly = tables
                .large
                .range(touched)
                .find(|(table, large)| !whole.contains(table) && matters(large));
            let Some((&table, _)) = partly else { return tables };
            drop(tables);
            self.split(table);
        }
    }

    /// Maps the frames of a large page by small ones, unless it is gone or split by then.
    fn split(&self, table: usize) {
        loop {
            let Some(seen) = self.tables().large.get(&table).map(|large| large.state) else {
                return;
            };
            // The new table is being filled. The processor may set its bits in the entry, and others may change or take it.
            schedule::point(here());
            let mut tables = self.tables();
            if tables.large.get(&table).is_none_or(|now| now.state != seen) {
                continue;
            }
            if let Some(large) = tables.large.remove(&table) {
                let frames = large.block.into_frames();
                let entries = frames.map(|frame| Entry { frame, state: seen });
                tables.entries.extend(pages_of(table).zip(entries));
                tables.frames.extend(large.table.map(|frame| (table, frame)));
            }
            drop(tables);
            count(-1, 1);
            self.flush(pages_of(table));
            return;
        }
    }

    /// Gives a large page away that was taken out and flushed.
    pub(super) fn give_large(&self, table: usize, large: Large, sink: &mut dyn UnmapSink) {
        for (page, frame) in pages_of(table).zip(large.block.first()..) {
            assert_unreachable(here(), self, page, frame);
        }
        count(-1, 0);
        large.table.into_iter().for_each(give_up_table);
        sink.large(large.block, large.state.dirty);
    }
}

impl AddressSpace {
    /// Maps a block as one large page where nothing at all is mapped; otherwise, or if the kernel has no frame for the table that is set
    /// aside, it comes back.
    ///
    /// # Errors
    /// The block.
    ///
    /// # Panics
    /// If the address or the block is not aligned as a large page is, or not of user memory.
    pub fn map_large(
        &self,
        address: usize,
        block: Block,
        protection: Protection,
    ) -> Result<(), Block> {
        let pages = pages(address..address + LARGE_PAGE_SIZE);
        assert!(
            address.is_multiple_of(LARGE_PAGE_SIZE)
                && block.first().is_multiple_of(LARGE_PAGE_FRAMES),
            "not a large page: {address:#x}"
        );
        let Ok(new) = table_frame() else { return Err(block) };
        // What was looked at before may not be true any more.
        schedule::point(here());
        let number = pages.start / PAGES_A_TABLE;
        let mut tables = self.space.tables();
        if !tables.is_vacant(number) {
            drop(tables);
            new.into_iter().for_each(give_up_table);
            return Err(block);
        }
        let old = tables.frames.remove(&number);
        let replaces = old.is_some();
        let (table, spare) = if replaces { (old, new) } else { (new, None) };
        let state = State::new(protection);
        tables.large.insert(number, Large { block, state, table });
        drop(tables);
        count(1, 0);
        spare.into_iter().for_each(give_up_table);
        if replaces {
            self.space.flush(pages);
        }
        Ok(())
    }

    /// Whether nothing is mapped in the large page around an address.
    #[must_use]
    pub fn is_vacant(&self, address: usize) -> bool {
        address < USER_END && self.space.tables().is_vacant(address / LARGE_PAGE_SIZE)
    }

    /// The number of the first frame of the large page that an address is in, and its protection.
    #[must_use]
    pub fn large_at(&self, address: usize) -> Option<(usize, Protection)> {
        let tables = self.space.tables();
        let large = tables.large.get(&(address / LARGE_PAGE_SIZE))?;
        Some((large.block.first(), large.state.protection))
    }
}

const _: () =
    assert!(PAGES_A_TABLE << PAGE_SHIFT == LARGE_PAGE_SIZE && PAGE_SIZE == 1 << PAGE_SHIFT);
