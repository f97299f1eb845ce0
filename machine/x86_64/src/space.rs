//! Address spaces: the user half of the page tables, whose entries own the frames that they map.
//!
//! There is no lock. An entry is changed by an atomic exchange, and whoever took a frame's number out
//! of an entry owns its reference; a missing table is put in by a compare-and-exchange, and the loser
//! of a race gives its frame back. Tables stay until the space is dropped, so a walk never meets one
//! that is gone.

use crate::heap::try_box;
use crate::layout::{DEVICE_BASE, DIRECT_BASE, STACK_BASE, USER_END};
use crate::links::Links;
use crate::table::{GROUP, Table, bits, index, span};
use crate::tlb::{self, Space};
use crate::{boot, paging};
use alloc::boxed::Box;
use contract::{Frame, OutOfFrames, PAGE_SIZE, Protection};
use core::mem::MaybeUninit;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

/// How many frames are collected before the translations are flushed and they are given away.
const BATCH: usize = 64;

/// The user half of an address space.
#[derive(Debug)]
pub struct AddressSpace {
    space: Box<Space>,
    /// How many pages are mapped. When it is dropped without any, its last tables need no look.
    mapped: AtomicUsize,
    links: Links,
}

/// The bits of an entry that maps a user page.
fn leaf(frame: usize, protection: Protection) -> u64 {
    (frame * PAGE_SIZE) as u64
        | bits::PRESENT
        | bits::USER
        | bits::ACCESSED
        | permissions(protection)
}

fn permissions(Protection { write, execute }: Protection) -> u64 {
    (if write { bits::WRITE } else { 0 }) | if execute { 0 } else { bits::NO_EXECUTE }
}

fn protection(entry: u64) -> Protection {
    Protection { write: entry & bits::WRITE != 0, execute: entry & bits::NO_EXECUTE == 0 }
}

fn number(entry: u64) -> usize {
    (entry & bits::ADDRESS) as usize / PAGE_SIZE
}

/// The frame of an entry that was exchanged for another.
///
/// # Safety
/// The entry was present, and the caller took it out.
unsafe fn frame(entry: u64) -> Frame {
    // SAFETY: the entry owned the reference, and hands it to the caller.
    unsafe { Frame::from_number(number(entry)) }
}

fn free(frame: Frame) {
    (boot::upcalls().free_frame)(frame);
}

/// The entries of a root that are the kernel's, the same in all of them.
fn kernel_slots() -> impl Iterator<Item = usize> {
    let direct = (index(DIRECT_BASE, 4)..index(STACK_BASE, 4))
        .take_while(|slot| paging::root()[*slot].load(Relaxed) != 0);
    direct.chain([index(STACK_BASE, 4), index(DEVICE_BASE, 4)])
}

impl AddressSpace {
    /// An empty user half, with the kernel's half that all share.
    pub fn new() -> Result<Self, OutOfFrames> {
        let root = (boot::upcalls().allocate_frame)(None).ok_or(OutOfFrames)?;
        // SAFETY: a zeroed frame is an empty table, and this one is ours until it is freed.
        let table = unsafe { Table::at((root.number() * PAGE_SIZE) as u64) };
        for slot in kernel_slots() {
            table[slot].store(paging::root()[slot].load(Relaxed), Relaxed);
        }
        match try_box(Space::new(table.physical())) {
            Ok(space) => {
                let _ = root.into_number();
                Ok(Self { space, mapped: AtomicUsize::new(0), links: Links::new() })
            }
            Err(error) => {
                free(root);
                Err(error)
            }
        }
    }

    fn root(&self) -> &Table {
        // SAFETY: the space owns the frame of its root.
        unsafe { Table::at(self.space.root) }
    }

    /// The last-level table for an address.
    #[inline]
    fn find(&self, address: usize) -> Option<&Table> {
        let mut table = self.root();
        for level in [4, 3, 2] {
            let link = table[index(address, level)].load(Acquire);
            if link & bits::PRESENT == 0 {
                return None;
            }
            // SAFETY: tables live as long as the space.
            table = unsafe { Table::at(link) };
        }
        Some(table)
    }

    /// The last-level table for an address; missing tables are made.
    fn make(&self, address: usize) -> Result<&Table, OutOfFrames> {
        let mut table = self.root();
        for level in [4, 3, 2] {
            let slot = &table[index(address, level)];
            let mut link = slot.load(Acquire);
            if link & bits::PRESENT == 0 {
                link = self.add_table(slot)?;
            }
            // SAFETY: tables live as long as the space.
            table = unsafe { Table::at(link) };
        }
        Ok(table)
    }

    /// Puts a new table into an empty entry, unless somebody else was faster.
    #[cold]
    fn add_table(&self, slot: &AtomicU64) -> Result<u64, OutOfFrames> {
        let table = (boot::upcalls().allocate_frame)(None).ok_or(OutOfFrames)?;
        let link = (table.number() * PAGE_SIZE) as u64 | bits::USER_LINK;
        match slot.compare_exchange(0, link, AcqRel, Acquire) {
            Ok(_) => {
                let _ = table.into_number();
                self.links.note(slot);
                Ok(link)
            }
            Err(other) => {
                (boot::upcalls().free_zeroed_frame)(table);
                Ok(other)
            }
        }
    }

    /// The lowest table for an address: most often it is there.
    fn find_or_make(&self, address: usize) -> Result<&Table, OutOfFrames> {
        match self.find(address) {
            Some(table) => Ok(table),
            None => self.make(address),
        }
    }

    /// Calls `visit` with each entry in the range that is not empty, and its address.
    #[inline]
    fn visit(&self, range: Range<usize>, mut visit: impl FnMut(usize, &AtomicU64)) {
        check(&range);
        let mut address = range.start;
        while address < range.end {
            let Some(table) = self.find(address) else {
                match next_table(self.root(), 4, 0, address, range.end) {
                    Some(next) => address = next,
                    None => return,
                }
                continue;
            };
            let end = range.end.min((address | (span(2) - 1)) + 1);
            while address < end {
                let slot = index(address, 1);
                let entry = &table[slot];
                if entry.load(Relaxed) != 0 {
                    visit(address, entry);
                } else if slot.is_multiple_of(GROUP) && table.group_is_empty(slot) {
                    address += (GROUP - 1) * PAGE_SIZE;
                }
                address += PAGE_SIZE;
            }
        }
    }

    /// Maps a page, or replaces what is mapped. See the contract.
    pub fn map(
        &self,
        address: usize,
        new: Frame,
        protection: Protection,
    ) -> Result<Option<Frame>, Frame> {
        check(&(address..address + PAGE_SIZE));
        let Ok(table) = self.find_or_make(address) else { return Err(new) };
        let entry = leaf(new.into_number(), protection);
        let old = table[index(address, 1)].swap(entry, AcqRel);
        if old & bits::PRESENT == 0 {
            self.mapped.fetch_add(1, Relaxed);
            return Ok(None);
        }
        tlb::flush(&self.space, address..address + PAGE_SIZE);
        // SAFETY: the exchange took it out.
        Ok(Some(unsafe { frame(old) }))
    }

    /// Maps a page unless one is mapped. See the contract.
    pub fn map_absent(
        &self,
        address: usize,
        new: Frame,
        protection: Protection,
    ) -> Result<Option<Frame>, Frame> {
        check(&(address..address + PAGE_SIZE));
        let Ok(table) = self.find_or_make(address) else { return Err(new) };
        let entry = &table[index(address, 1)];
        let number = new.into_number();
        match entry.compare_exchange(0, leaf(number, protection), AcqRel, Relaxed) {
            Ok(_) => {
                self.mapped.fetch_add(1, Relaxed);
                Ok(None)
            }
            // SAFETY: the number's reference did not go into the entry.
            Err(_) => Ok(Some(unsafe { Frame::from_number(number) })),
        }
    }

    /// Maps pages that follow each other, but where one is mapped. See the contract.
    pub fn map_run(
        &self,
        start: usize,
        frames: &mut [Option<Frame>],
        protection: Protection,
    ) -> usize {
        check(&(start..start + frames.len() * PAGE_SIZE));
        let mut mapped = 0;
        let mut last: Option<(usize, &Table)> = None;
        for (number, place) in frames.iter_mut().enumerate() {
            let address = start + number * PAGE_SIZE;
            let Some(frame) = place.take() else { continue };
            let region = address / span(2);
            let table = match last {
                Some((of, table)) if of == region => table,
                _ => match self.find_or_make(address) {
                    Ok(table) => table,
                    Err(OutOfFrames) => {
                        *place = Some(frame);
                        break;
                    }
                },
            };
            last = Some((region, table));
            let entry = &table[index(address, 1)];
            let number = frame.into_number();
            if entry.load(Relaxed) == 0
                && entry.compare_exchange(0, leaf(number, protection), AcqRel, Relaxed).is_ok()
            {
                mapped += 1;
            } else {
                // SAFETY: the number's reference did not go into the entry.
                *place = Some(unsafe { Frame::from_number(number) });
            }
        }
        self.mapped.fetch_add(mapped, Relaxed);
        mapped
    }

    /// Removes what is mapped in the range. See the contract.
    pub fn unmap(&self, range: Range<usize>, sink: &mut dyn FnMut(Frame, bool)) {
        let entries = [const { MaybeUninit::uninit() }; BATCH];
        let mut batch = Batch { entries, length: 0, from: 0, to: 0 };
        self.visit(range, |address, entry| {
            let old = entry.swap(0, AcqRel);
            if old & bits::PRESENT != 0 {
                batch.push(address, old);
                if batch.length == BATCH {
                    self.give(&mut batch, sink);
                }
            }
        });
        self.give(&mut batch, sink);
    }

    /// Flushes what was taken out, then gives the frames away, each with whether it was written to.
    fn give(&self, batch: &mut Batch, sink: &mut dyn FnMut(Frame, bool)) {
        if batch.length == 0 {
            return;
        }
        tlb::flush(&self.space, batch.from..batch.to);
        self.mapped.fetch_sub(batch.length, Relaxed);
        for entry in &batch.entries[..batch.length] {
            // SAFETY: it has been pushed, and was taken out then; no CPU can use it any more.
            let (entry, frame) = unsafe { (entry.assume_init(), frame(entry.assume_init())) };
            sink(frame, entry & bits::DIRTY != 0);
        }
        batch.length = 0;
    }

    /// Changes the protection of what is mapped in the range. See the contract.
    pub fn protect(&self, range: Range<usize>, protection: Protection) {
        let wanted = permissions(protection);
        let mut changed: Option<Range<usize>> = None;
        self.visit(range, |address, entry| {
            let mut old = entry.load(Relaxed);
            loop {
                let new = old & !(bits::WRITE | bits::NO_EXECUTE) | wanted;
                if old & bits::PRESENT == 0 || new == old {
                    return;
                }
                match entry.compare_exchange_weak(old, new, AcqRel, Relaxed) {
                    Ok(_) => break,
                    Err(now) => old = now,
                }
            }
            let start = changed.as_ref().map_or(address, |changed| changed.start);
            changed = Some(start..address + PAGE_SIZE);
        });
        if let Some(changed) = changed {
            tlb::flush(&self.space, changed);
        }
    }

    /// The number of the frame mapped at an address, and its protection.
    pub fn look_up(&self, address: usize) -> Option<(usize, Protection)> {
        if address >= USER_END {
            return None;
        }
        let entry = self.find(address)?[index(address, 1)].load(Acquire);
        (entry & bits::PRESENT != 0).then(|| (number(entry), protection(entry)))
    }

    /// Visits the mapped pages of a range in order. See the contract.
    pub fn for_each_mapped(
        &self,
        range: Range<usize>,
        visit: &mut dyn FnMut(usize, usize, Protection),
    ) {
        self.visit(range, |address, entry| {
            let entry = entry.load(Acquire);
            if entry & bits::PRESENT != 0 {
                visit(address, number(entry), protection(entry));
            }
        });
    }

    /// Clears the accessed bit of the page at an address and returns what it was, without a flush.
    pub fn clear_accessed(&self, address: usize) -> bool {
        if address >= USER_END {
            return false;
        }
        self.find(address).is_some_and(|table| {
            let entry = &table[index(address, 1)];
            entry.fetch_and(!bits::ACCESSED, AcqRel) & bits::ACCESSED != 0
        })
    }

    /// Makes all CPUs that have the space loaded pass a barrier. See the contract.
    pub fn barrier(&self) {
        tlb::barrier(&self.space);
    }

    /// Makes this CPU use the space. Interrupts off.
    #[inline]
    pub fn load(&self) {
        tlb::load(Some(&self.space));
    }
}

/// The first address from `from` up to `end` that a last-level table exists for. `base` is the first
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

fn check(range: &Range<usize>) {
    assert!(
        range.end <= USER_END && (range.start | range.end).is_multiple_of(PAGE_SIZE),
        "not a range of user pages: {range:#x?}"
    );
}

/// Entries that were taken out and not flushed yet.
struct Batch {
    /// The first `length` are there.
    entries: [MaybeUninit<u64>; BATCH],
    length: usize,
    from: usize,
    to: usize,
}

impl Batch {
    fn push(&mut self, address: usize, entry: u64) {
        if self.length == 0 {
            self.from = address;
        }
        self.to = address + PAGE_SIZE;
        self.entries[self.length].write(entry);
        self.length += 1;
    }
}

/// Gives a table back, and all that it leads to. Tables of level `lowest` are known to be empty.
fn free_table(link: u64, level: usize, lowest: usize) {
    if level > lowest {
        // SAFETY: the space is being dropped; nobody else uses its tables.
        let table = unsafe { Table::at(link) };
        // The kernel's half is not the space's.
        let end = if level == 4 { index(USER_END, 4) + 1 } else { 512 };
        let mut slot = 0;
        while let Some(found) = table.next_used(slot, end) {
            let entry = table[found].load(Relaxed);
            // An empty table is worth more than a frame with anything in it.
            table[found].store(0, Relaxed);
            if level > 1 {
                free_table(entry, level - 1, lowest);
            } else {
                // SAFETY: the entry goes with the table.
                free(unsafe { frame(entry) });
            }
            slot = found + 1;
        }
    }
    free_empty_table(link);
}

/// Gives a table back whose entries are all empty.
fn free_empty_table(link: u64) {
    // SAFETY: the table's frame is owned by the link that led here, or by the space.
    (boot::upcalls().free_zeroed_frame)(unsafe { frame(link) });
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        assert!(!self.space.is_loaded(), "an address space is dropped while a CPU has it loaded");
        kernel_slots().for_each(|slot| self.root()[slot].store(0, Relaxed));
        let maps_nothing = *self.mapped.get_mut() == 0;
        // SAFETY: the tables go with the space, and no CPU has it loaded; they are given up here.
        if maps_nothing && unsafe { self.links.take(free_empty_table) } {
            free_empty_table(self.space.root);
        } else {
            let lowest = if maps_nothing { 1 } else { 0 };
            free_table(self.space.root, 4, lowest);
        }
    }
}
