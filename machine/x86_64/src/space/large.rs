//! Large pages: an entry of level 2 that maps 2 MiB itself.
//!
//! ```text
//!                    map_large                          split
//!   nothing ────────────────────────► large page ────────────────► table of 512 entries
//!      ▲  │                            │     ▲                      ▲   │
//!      │  └────────────────────────────│─────│──────────────────────┘   │
//!      └───────────────────────────────┘     └──────────────────────────┘
//!            unmapped as a whole               map_large, if it is empty
//! ```
//!
//! Each step is one compare-and-exchange of the entry, so nobody sees a large page half split. What races with it:
//!
//! - *The processor sets the accessed or the written bit* between the filling of the table and the exchange: the exchange fails, and
//!   the table is filled again from what the entry is now.
//! - *Another CPU unmaps the large page meanwhile*: the exchange fails, and there is nothing to split.
//! - *Another CPU splits it, too*: who splits holds the lock of the tables that are set aside.
//!
//! Splitting cannot fail: for each large page there is a table set aside. Tables never leave the space before it is dropped, also not
//! one that a large page has replaced. So a walk on another CPU that still has it sees an empty table, and not somebody else's memory. It is used for
//! another place only after a flush, as a processor may remember where it was.
//!
//! A split leaves the protection as it is, so a processor that knows the large page and the small ones at once goes to the same memory
//! in the same way (some AMD processors of 2008 cannot even do that).

use super::{AddressSpace, frame, free, free_empty_table, leaf, number, protection, walk::check};
use crate::layout::USER_END;
use crate::lock::SpinLock;
use crate::table::{Table, bits};
use crate::{boot, tlb};
use contract::{
    Block, LARGE_PAGE_FRAMES, LARGE_PAGE_SIZE, LargePageCounters, OutOfFrames, PAGE_SIZE,
    Protection,
};
use core::fmt;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

/// Of all address spaces.
static MAPPED: AtomicUsize = AtomicUsize::new(0);
static SPLITS: AtomicU64 = AtomicU64::new(0);

/// How many large pages are mapped, and how many were split.
pub(crate) fn counters() -> LargePageCounters {
    LargePageCounters { mapped: MAPPED.load(Relaxed), splits: SPLITS.load(Relaxed) }
}

/// Empty tables for the day when large pages are split.
pub(super) struct Spares(SpinLock<Chain>);

/// The tables hang on each other by their first entries. There are at least as many as are set aside, and at least as many are set
/// aside as there are large pages.
struct Chain {
    /// The physical address of the first, or 0.
    first: u64,
    length: u32,
    set_aside: u32,
}

impl Chain {
    fn push(&mut self, link: u64) {
        // SAFETY: the caller gives a table of this space that nothing leads to.
        let table = unsafe { Table::at(link) };
        table[0].store(self.first, Relaxed);
        self.first = link & bits::ADDRESS;
        self.length += 1;
    }

    fn pop(&mut self) -> Option<u64> {
        let link = self.first;
        if link == 0 {
            return None;
        }
        // SAFETY: what was pushed is a table of this space.
        let table = unsafe { Table::at(link) };
        self.first = table[0].swap(0, Relaxed);
        self.length -= 1;
        Some(link)
    }
}

impl Spares {
    pub(super) const fn new() -> Self {
        Self(SpinLock::new(Chain { first: 0, length: 0, set_aside: 0 }))
    }

    /// Sets a table aside for a large page that is about to be mapped.
    fn set_aside(&self) -> Result<(), OutOfFrames> {
        {
            let mut chain = self.0.lock();
            if chain.length > chain.set_aside {
                chain.set_aside += 1;
                return Ok(());
            }
        }
        let table = (boot::upcalls().allocate_frame)(None).ok_or(OutOfFrames)?;
        let mut chain = self.0.lock();
        chain.push((table.into_number() * PAGE_SIZE) as u64);
        chain.set_aside += 1;
        Ok(())
    }

    /// So many large pages are gone. Their tables serve the next ones.
    pub(super) fn release(&self, count: usize) {
        self.0.lock().set_aside -= count as u32;
    }

    /// Gives all of them back: the space is being dropped, and is empty.
    pub(super) fn free(&mut self) {
        let chain = self.0.get_mut();
        while let Some(link) = chain.pop() {
            free_empty_table(link);
        }
    }
}

impl fmt::Debug for Spares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spares")
    }
}

impl AddressSpace {
    /// Maps a block where nothing is mapped. See the contract.
    pub fn map_large(
        &self,
        address: usize,
        block: Block,
        protection: Protection,
    ) -> Result<(), Block> {
        check(&(address..address + LARGE_PAGE_SIZE));
        assert!(
            address.is_multiple_of(LARGE_PAGE_SIZE)
                && block.first().is_multiple_of(LARGE_PAGE_FRAMES),
            "not a large page: {address:#x}"
        );
        let Ok(slot) = self.make_slot(address) else { return Err(block) };
        if self.spares.set_aside().is_err() {
            return Err(block);
        }
        let first = block.into_first();
        let mut old = slot.load(Acquire);
        loop {
            if !is_vacant(old) {
                self.spares.release(1);
                // SAFETY: the references did not go into the entry.
                return Err(unsafe { Block::from_first(first) });
            }
            match slot.compare_exchange(old, leaf(first, protection) | bits::LARGE, AcqRel, Acquire)
            {
                Ok(_) => break,
                Err(now) => old = now,
            }
        }
        self.mapped.fetch_add(1, Relaxed);
        MAPPED.fetch_add(1, Relaxed);
        if old != 0 {
            // Processors may remember the table that was here.
            tlb::flush(&self.space, address..address + LARGE_PAGE_SIZE);
            self.spares.0.lock().push(old);
        }
        Ok(())
    }

    /// Whether nothing is mapped in the large page around an address.
    pub fn is_vacant(&self, address: usize) -> bool {
        address < USER_END && self.slot(address).is_none_or(|slot| is_vacant(slot.load(Acquire)))
    }

    /// The number of the first frame of the large page that an address is in, and its protection.
    pub fn large_at(&self, address: usize) -> Option<(usize, Protection)> {
        if address >= USER_END {
            return None;
        }
        let entry = self.slot(address)?.load(Acquire);
        (entry & bits::LARGE != 0).then(|| (number(entry), protection(entry)))
    }

    /// Maps the frames of a large page by small ones. It may be that it is not large any more.
    #[cold]
    pub(super) fn split(&self, slot: &AtomicU64, address: usize) {
        let start = address & !(LARGE_PAGE_SIZE - 1);
        if self.put_table(slot) {
            self.mapped.fetch_add(LARGE_PAGE_FRAMES - 1, Relaxed);
            MAPPED.fetch_sub(1, Relaxed);
            SPLITS.fetch_add(1, Relaxed);
            self.links.note(slot);
            tlb::flush(&self.space, start..start + LARGE_PAGE_SIZE);
        }
    }

    /// Exchanges the entry of a large page for a table. False: somebody else was faster.
    fn put_table(&self, slot: &AtomicU64) -> bool {
        let mut chain = self.spares.0.lock();
        let mut old = slot.load(Acquire);
        if old & bits::LARGE == 0 {
            return false;
        }
        let link = chain.pop().expect("a table is set aside for each large page");
        // SAFETY: it is this space's, and nothing leads to it yet.
        let table = unsafe { Table::at(link) };
        loop {
            for number in 0..LARGE_PAGE_FRAMES {
                let place = (number * PAGE_SIZE) as u64;
                table[number].store((old & !bits::LARGE) + place, Relaxed);
            }
            match slot.compare_exchange(old, link | bits::USER_LINK, AcqRel, Acquire) {
                Ok(_) => {
                    chain.set_aside -= 1;
                    return true;
                }
                Err(now) if now & bits::LARGE != 0 => old = now,
                Err(_) => {
                    (0..LARGE_PAGE_FRAMES).for_each(|number| table[number].store(0, Relaxed));
                    // Whoever unmapped the large page takes care of what is set aside.
                    chain.push(link);
                    return false;
                }
            }
        }
    }

    /// So many large pages were unmapped.
    pub(super) fn forget_large(&self, count: usize) {
        MAPPED.fetch_sub(count, Relaxed);
        self.spares.release(count);
    }
}

/// Whether an entry of level 2 leads to nothing.
fn is_vacant(entry: u64) -> bool {
    // SAFETY: tables live as long as the space.
    entry == 0
        || entry & bits::LARGE == 0 && unsafe { Table::at(entry) }.next_used(0, 512).is_none()
}

/// Gives the frames of a large page back whose space is being dropped.
pub(super) fn free_large(entry: u64) {
    MAPPED.fetch_sub(1, Relaxed);
    for place in 0..LARGE_PAGE_FRAMES {
        // SAFETY: the entry goes with the space, and owned a reference to each.
        free(unsafe { frame((entry & !bits::LARGE) + (place * PAGE_SIZE) as u64) });
    }
}
