//! From an address to the entries that map it.

use super::AddressSpace;
use crate::layout::USER_END;
use crate::table::{GROUP, Table, bits, index, span};
use contract::PAGE_SIZE;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::*};

/// What the upper levels lead to.
pub(super) enum Lowest<'a> {
    Table(&'a Table),
    /// The entry above that level maps a large page.
    Large(&'a AtomicU64),
}

/// Who looks at entries.
pub(super) trait Visitor {
    /// An entry of a page that is not empty, and its address.
    fn page(&mut self, address: usize, entry: &AtomicU64);

    /// The entry of a large page, and the part of it in the range. False: it is not what it was, and has to be looked at again.
    fn large(&mut self, part: Range<usize>, entry: &AtomicU64) -> bool;
}

impl AddressSpace {
    /// The entry for an address that leads to a last-level table, or maps a large page. None: there is no table above it.
    #[inline]
    pub(super) fn slot(&self, address: usize) -> Option<&AtomicU64> {
        let mut table = self.root();
        for level in [4, 3] {
            let link = table[index(address, level)].load(Acquire);
            if link & bits::PRESENT == 0 {
                return None;
            }
            // SAFETY: tables live as long as the space.
            table = unsafe { Table::at(link) };
        }
        Some(&table[index(address, 2)])
    }

    /// What there is for an address at the lowest level.
    #[inline]
    pub(super) fn find(&self, address: usize) -> Option<Lowest<'_>> {
        let slot = self.slot(address)?;
        let link = slot.load(Acquire);
        if link & bits::LARGE != 0 {
            return Some(Lowest::Large(slot));
        }
        // SAFETY: tables live as long as the space.
        (link & bits::PRESENT != 0).then(|| Lowest::Table(unsafe { Table::at(link) }))
    }

    /// The same; a missing table is made.
    #[inline]
    pub(super) fn find_or_make(&self, address: usize) -> Result<Lowest<'_>, contract::OutOfFrames> {
        match self.find(address) {
            Some(lowest) => Ok(lowest),
            None => self.make(address),
        }
    }

    fn make(&self, address: usize) -> Result<Lowest<'_>, contract::OutOfFrames> {
        let slot = self.make_slot(address)?;
        let mut link = slot.load(Acquire);
        if link & bits::PRESENT == 0 {
            link = self.add_table(slot)?;
        }
        if link & bits::LARGE != 0 {
            return Ok(Lowest::Large(slot));
        }
        // SAFETY: tables live as long as the space.
        Ok(Lowest::Table(unsafe { Table::at(link) }))
    }

    /// The entry for an address that leads to a last-level table, or maps a large page; tables above it are made.
    pub(super) fn make_slot(&self, address: usize) -> Result<&AtomicU64, contract::OutOfFrames> {
        let mut table = self.root();
        for level in [4, 3] {
            let slot = &table[index(address, level)];
            let mut link = slot.load(Acquire);
            if link & bits::PRESENT == 0 {
                link = self.add_table(slot)?;
            }
            // SAFETY: tables live as long as the space, and there are no larger pages than those of level 2.
            table = unsafe { Table::at(link) };
        }
        Ok(&table[index(address, 2)])
    }

    /// Shows `visitor` each entry in the range that is not empty.
    #[inline]
    pub(super) fn visit(&self, range: Range<usize>, visitor: &mut impl Visitor) {
        check(&range);
        let mut address = range.start;
        while address < range.end {
            let end = range.end.min((address | (span(2) - 1)) + 1);
            let table = match self.find(address) {
                Some(Lowest::Table(table)) => table,
                Some(Lowest::Large(entry)) => {
                    if visitor.large(address..end, entry) {
                        address = end;
                    }
                    continue;
                }
                None => match next_table(self.root(), 4, 0, address, range.end) {
                    Some(next) => {
                        address = next;
                        continue;
                    }
                    None => return,
                },
            };
            while address < end {
                let slot = index(address, 1);
                let entry = &table[slot];
                if entry.load(Relaxed) != 0 {
                    visitor.page(address, entry);
                } else if slot.is_multiple_of(GROUP) && table.group_is_empty(slot) {
                    address += (GROUP - 1) * PAGE_SIZE;
                }
                address += PAGE_SIZE;
            }
        }
    }
}

/// The first address from `from` up to `end` that a last-level table or a large page exists for. `base` is the first
/// address that `table` is for.
fn next_table(table: &Table, level: usize, base: usize, from: usize, end: usize) -> Option<usize> {
    let shift = span(level).ilog2();
    let mut slot = from.saturating_sub(base) >> shift;
    let last = ((end - 1 - base) >> shift).min(511);
    while let Some(found) = table.next_used(slot, last + 1) {
        let start = base + (found << shift);
        if level == 2 {
            return Some(start.max(from));
        }
        // SAFETY: tables live as long as the space, and an entry that is not empty has one.
        let below = unsafe { Table::at(table[found].load(Acquire)) };
        let next = next_table(below, level - 1, start, from, end);
        if next.is_some() {
            return next;
        }
        slot = found + 1;
    }
    None
}

pub(super) fn check(range: &Range<usize>) {
    assert!(
        range.end <= USER_END && (range.start | range.end).is_multiple_of(PAGE_SIZE),
        "not a range of user pages: {range:#x?}"
    );
}
