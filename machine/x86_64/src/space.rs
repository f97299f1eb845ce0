//! Address spaces: the user half of the page tables, whose entries own the frames that they map.
//!
//! There is no lock. An entry is changed by an atomic exchange, and whoever took a frame's number out
//! of an entry owns its reference; a missing table is put in by a compare-and-exchange, and the loser
//! of a race gives its frame back. Tables stay until the space is dropped, so a walk never meets one
//! that is gone.
//!
//! 2 MiB may be mapped by one entry: see [`large`].

mod batch;
mod large;
mod visitors;
mod walk;

use crate::heap::try_box;
use crate::layout::{DEVICE_BASE, DIRECT_BASE, STACK_BASE, USER_END};
use crate::links::Links;
use crate::table::{Table, bits, index};
use crate::tlb::{self, Space};
use crate::{boot, paging};
use alloc::boxed::Box;
use batch::Batch;
use contract::{
    Frame, LARGE_PAGE_SIZE, MappedVisitor, OutOfFrames, PAGE_SIZE, Protection, UnmapSink,
};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};
use large::Spares;
use visitors::{Looker, Protector, Unmapper};
use walk::{Lowest, check};

pub(crate) use large::counters as large_page_counters;

/// The user half of an address space.
#[derive(Debug)]
pub struct AddressSpace {
    space: Box<Space>,
    /// How many entries map pages. When it is dropped without any, its last tables need no look.
    mapped: AtomicUsize,
    links: Links,
    spares: Spares,
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
                Ok(Self {
                    space,
                    mapped: AtomicUsize::new(0),
                    links: Links::new(),
                    spares: Spares::new(),
                })
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

    /// Maps a page, or replaces what is mapped. See the contract.
    pub fn map(
        &self,
        address: usize,
        new: Frame,
        protection: Protection,
    ) -> Result<Option<Frame>, Frame> {
        check(&(address..address + PAGE_SIZE));
        let table = loop {
            match self.find_or_make(address) {
                Ok(Lowest::Table(table)) => break table,
                Ok(Lowest::Large(slot)) => self.split(slot, address),
                Err(OutOfFrames) => return Err(new),
            }
        };
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
        let table = match self.find_or_make(address) {
            Ok(Lowest::Table(table)) => table,
            Ok(Lowest::Large(_)) => return Ok(Some(new)),
            Err(OutOfFrames) => return Err(new),
        };
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
            let region = address / LARGE_PAGE_SIZE;
            let table = match last {
                Some((of, table)) if of == region => table,
                _ => match self.find_or_make(address) {
                    Ok(Lowest::Table(table)) => table,
                    Ok(Lowest::Large(_)) => {
                        *place = Some(frame);
                        continue;
                    }
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
    pub fn unmap(&self, range: Range<usize>, sink: &mut dyn UnmapSink) {
        let mut unmapper = Unmapper { space: self, batch: Batch::new(), sink };
        self.visit(range, &mut unmapper);
        unmapper.give();
    }

    /// Changes the protection of what is mapped in the range. See the contract.
    pub fn protect(&self, range: Range<usize>, protection: Protection) {
        let mut protector =
            Protector { space: self, wanted: permissions(protection), changed: None };
        self.visit(range, &mut protector);
        if let Some(changed) = protector.changed {
            tlb::flush(&self.space, changed);
        }
    }

    /// The number of the frame mapped at an address, and its protection.
    pub fn look_up(&self, address: usize) -> Option<(usize, Protection)> {
        if address >= USER_END {
            return None;
        }
        match self.find(address)? {
            Lowest::Table(table) => {
                let entry = table[index(address, 1)].load(Acquire);
                (entry & bits::PRESENT != 0).then(|| (number(entry), protection(entry)))
            }
            Lowest::Large(slot) => {
                let entry = slot.load(Acquire);
                if entry & bits::LARGE == 0 {
                    // Split or gone at this moment.
                    return self.look_up(address);
                }
                let place = (address & (LARGE_PAGE_SIZE - 1)) / PAGE_SIZE;
                Some((number(entry) + place, protection(entry)))
            }
        }
    }

    /// Visits the mapped pages of a range in order. See the contract.
    pub fn for_each_mapped(&self, range: Range<usize>, visitor: &mut dyn MappedVisitor) {
        self.visit(range, &mut Looker { visitor });
    }

    /// Clears the accessed bit of the page at an address and returns what it was, without a flush.
    pub fn clear_accessed(&self, address: usize) -> bool {
        if address >= USER_END {
            return false;
        }
        loop {
            match self.find(address) {
                None => return false,
                Some(Lowest::Large(slot)) => self.split(slot, address),
                Some(Lowest::Table(table)) => {
                    let entry = &table[index(address, 1)];
                    return entry.fetch_and(!bits::ACCESSED, AcqRel) & bits::ACCESSED != 0;
                }
            }
        }
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
            if level == 2 && entry & bits::LARGE != 0 {
                large::free_large(entry);
            } else if level > 1 {
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
        self.spares.free();
        // SAFETY: the tables go with the space, and no CPU has it loaded; they are given up here.
        if maps_nothing && unsafe { self.links.take(free_empty_table) } {
            free_empty_table(self.space.root);
        } else {
            let lowest = if maps_nothing { 1 } else { 0 };
            free_table(self.space.root, 4, lowest);
        }
    }
}
