//! What a CPU remembers of the address space it has loaded.
//!
//! Accesses go through this memory, as on hardware: a page that was unmapped without a flush stays
//! reachable here, and a frame that leaves its place while some CPU still remembers it there fails
//! the run.

use core::cell::Cell;

use contract::{Access, PAGE_SHIFT, Protection};

use super::space::Space;
use crate::machine::{Machine, here};

const ENTRIES: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Entry {
    page: usize,
    frame: usize,
    protection: Protection,
    /// A store has gone through this entry, so that the page table need not be told again.
    dirty: bool,
}

impl Entry {
    fn allows(&self, access: Access) -> bool {
        match access {
            Access::Read => true,
            Access::Write => self.protection.write && self.dirty,
            Access::Execute => self.protection.execute,
        }
    }
}

/// The translations that a CPU has cached.
#[derive(Debug)]
pub(crate) struct Tlb {
    entries: [Cell<Option<Entry>>; ENTRIES],
}

impl Tlb {
    pub(crate) fn new() -> Self {
        Self { entries: [const { Cell::new(None) }; ENTRIES] }
    }

    /// Forgets everything.
    pub(crate) fn flush(&self) {
        self.entries.iter().for_each(|entry| entry.set(None));
    }

    /// Forgets the pages from `first` up to `end`, not included.
    pub(crate) fn flush_pages(&self, first: usize, end: usize) {
        let stale = |entry: Entry| (first..end).contains(&entry.page);
        for entry in self.entries.iter().filter(|entry| entry.get().is_some_and(stale)) {
            entry.set(None);
        }
    }

    /// Whether a page still leads to a frame.
    pub(crate) fn reaches(&self, page: usize, frame: usize) -> bool {
        self.place(page).get().is_some_and(|entry| entry.page == page && entry.frame == frame)
    }

    fn place(&self, page: usize) -> &Cell<Option<Entry>> {
        &self.entries[page % ENTRIES]
    }
}

/// A page that cannot be accessed as wanted. `present`: a page is mapped, but not for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Miss {
    pub(crate) present: bool,
}

/// The frame that an access of user mode to `address` hits on this CPU. Sets the accessed and
/// written bits.
pub(crate) fn translate(address: usize, access: Access) -> Result<usize, Miss> {
    let cpu = here().cpu();
    let page = address >> PAGE_SHIFT;
    let place = cpu.tlb.place(page);
    let known = place.get().filter(|entry| entry.page == page && entry.allows(access));
    if let Some(entry) = known.filter(|_| !cpu.borrows.get()) {
        return Ok(entry.frame);
    }
    let space = cpu.space.borrow();
    let walked = space.as_ref().map_or(Err(Miss { present: false }), |s| s.walk(page, access))?;
    if cpu.borrows.get() {
        // What is in the TLB may be old.
        crate::sim::fail(&format!("user memory is used on a borrowed address space: {address:#x}"));
    }
    place.set(Some(Entry {
        page,
        frame: walked.frame,
        protection: walked.protection,
        dirty: access == Access::Write,
    }));
    Ok(walked.frame)
}

/// A frame is about to leave its place in an address space: no CPU that uses the space may
/// reach it there. It may well be mapped elsewhere, by other programs or by the same.
pub(crate) fn assert_unreachable(machine: &Machine, space: &Space, page: usize, frame: usize) {
    for (id, cpu) in machine.cpus().iter().enumerate() {
        let loaded = cpu.space.borrow().as_ref().is_some_and(|l| core::ptr::eq(&**l, space));
        if loaded && !cpu.borrows.get() && cpu.tlb.reaches(page, frame) {
            let message =
                format!("frame {frame:#x} is given up while CPU {id}'s TLB still reaches it");
            if machine.active.get() {
                crate::sim::fail(&message);
            }
            panic!("{message}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const ENTRY: Entry = Entry {
        page: 7,
        frame: 300,
        protection: Protection { write: true, execute: false },
        dirty: false,
    };

    #[test]
    fn a_first_store_goes_to_the_page_table() {
        assert!(ENTRY.allows(Access::Read));
        assert!(!ENTRY.allows(Access::Write));
        assert!(Entry { dirty: true, ..ENTRY }.allows(Access::Write));
        assert!(!ENTRY.allows(Access::Execute));
    }

    #[test]
    #[should_panic(expected = "still reaches it")]
    fn a_frame_given_up_without_a_flush_is_found() {
        let machine = here();
        let space = Arc::new(Space::without_tables());
        *machine.cpu().space.borrow_mut() = Some(space.clone());
        machine.cpu().tlb.place(ENTRY.page).set(Some(ENTRY));
        assert_unreachable(machine, &space, ENTRY.page, ENTRY.frame);
    }

    #[test]
    fn a_flush_of_the_page_is_enough() {
        let machine = here();
        let tlb = &machine.cpu().tlb;
        tlb.place(ENTRY.page).set(Some(ENTRY));
        tlb.flush_pages(0, 7);
        assert!(tlb.reaches(ENTRY.page, ENTRY.frame));
        tlb.flush_pages(7, 8);
        assert!(!tlb.reaches(ENTRY.page, ENTRY.frame));
    }
}
