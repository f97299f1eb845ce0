//! Page faults: a page is made, found or copied when it is touched.
//!
//! ```text
//!   no page yet ─┬─ anonymous ───────────────────────────────► new page of zeros, or a large one
//!                ├─ file, load ──────────────────────────────► the file's page, not writable
//!                ├─ file, private store ─────────────────────► a copy of the file's page
//!                └─ file, shared store ── mark dirty ────────► the file's page
//!   page, not writable, store ─┬─ shared ── mark dirty ──────► the same, writable
//!                              ├─ private, nobody else's ────► the same, writable
//!                              └─ private ───────────────────► a copy
//! ```
//!
//! Faults hold the mappings for reading, so two threads may fault in one page at once. What they
//! prepare is put into the page table under the entries lock, after a look whether the entry is
//! still what it was; who comes second finds the work done.

use core::ops::ControlFlow;

use contract::{Access, Frame, PAGE_SIZE};
use machine::user::USER_END;
use memory::{Page, alloc_anonymous_page, alloc_page_for_overwrite};

use crate::backing::{Backing, Source};
use crate::error::FaultError;
use crate::flags::VmFlags;
use crate::mm::Mm;
use crate::rss::Kind;
use crate::vma::Vma;

/// A load from a file's mapping fills in up to this many pages around it, if they are at hand.
const AROUND: usize = 16;

impl Mm {
    /// Makes an access to a user address possible, if the mappings allow it. May sleep.
    ///
    /// # Errors
    /// What to tell the program.
    pub fn handle_fault(&self, address: usize, access: Access) -> Result<(), FaultError> {
        if address >= USER_END {
            return Err(FaultError::SegvMaperr);
        }
        let address = address & !(PAGE_SIZE - 1);
        if let Some(outcome) = self.fault_in_mapping(address, access) {
            return outcome;
        }
        self.grow_stack(address)?;
        self.fault_in_mapping(address, access).unwrap_or(Err(FaultError::SegvMaperr))
    }

    /// `None`: nothing is mapped there.
    fn fault_in_mapping(&self, address: usize, access: Access) -> Option<Result<(), FaultError>> {
        let state = self.state.read();
        let vma = state.mappings.find(address)?;
        if !vma.allows(access) {
            return Some(Err(FaultError::SegvAccerr));
        }
        Some(self.resolve(vma, address, access))
    }

    /// Provides the page at an address for an access that the mapping allows, or, for a debugger's
    /// store, that it would allow if it were writable. The mappings are held for reading at least.
    pub(crate) fn resolve(
        &self,
        vma: &Vma,
        address: usize,
        access: Access,
    ) -> Result<(), FaultError> {
        let Some((frame, protection)) = self.space.look_up(address) else {
            return self.populate(vma, address, access);
        };
        match access {
            Access::Write if !protection.write => self.make_writable(vma, address, frame),
            Access::Execute if !protection.execute => {
                let _entries = self.entries.lock();
                if self.space.look_up(address) == Some((frame, protection)) {
                    // Stores stay as they are: who noticed the first one need not do so again.
                    let protection = contract::Protection { execute: true, ..protection };
                    self.space.protect(address..address + PAGE_SIZE, protection);
                }
                Ok(())
            }
            // Another thread was here first.
            _ => Ok(()),
        }
    }

    /// Provides a page where there is none.
    fn populate(&self, vma: &Vma, address: usize, access: Access) -> Result<(), FaultError> {
        let (kind, page, protection) = match &vma.source {
            Source::Anonymous => {
                if self.populate_large(vma, address, access) {
                    return Ok(());
                }
                let page = alloc_anonymous_page(None).map_err(|_| FaultError::Oom)?;
                (Kind::Anonymous, page, vma.flags.protection())
            }
            Source::File { backing, .. } => {
                let stores = access == Access::Write;
                if !stores && self.populate_around(vma, &**backing, address) {
                    return Ok(());
                }
                let index = vma.index_of(address);
                let page = backing.page(index).map_err(FaultError::from_backing)?;
                let kind = Kind::of_file(&**backing);
                match (stores, vma.is_shared()) {
                    (true, true) => {
                        backing.mark_dirty(index).map_err(FaultError::from_backing)?;
                        (kind, page, vma.flags.protection())
                    }
                    (true, false) => (Kind::Anonymous, copy_of(&page)?, vma.flags.protection()),
                    (false, _) => (kind, page, vma.flags.read_only()),
                }
            }
        };
        self.map_if_absent(kind, address, page, protection)
    }

    /// Maps a page and its neighbours, as far as the file has them at hand: a program that touches one page of its code touches the
    /// next ones soon. False: that page is not mapped by this.
    fn populate_around(&self, vma: &Vma, backing: &dyn Backing, address: usize) -> bool {
        const WINDOW: usize = AROUND * PAGE_SIZE;
        let start = (address & !(WINDOW - 1)).max(vma.range.start);
        let end = ((address & !(WINDOW - 1)) + WINDOW).min(vma.range.end);
        let (first, count) = (vma.index_of(start), (end - start) / PAGE_SIZE);
        let mut found: [Option<Frame>; AROUND] = [const { None }; AROUND];
        backing.pages_at_hand(first..first + count as u64, &mut |index, page| {
            if let Some(place) = found.get_mut((index - first) as usize) {
                *place = Some(page.into_frame());
            }
            ControlFlow::Continue(())
        });
        let wanted = (address - start) / PAGE_SIZE;
        let is_at_hand = found[wanted].is_some();
        let mapped = {
            let _entries = self.entries.lock();
            self.space.map_run(start, &mut found[..count], vma.flags.read_only())
        };
        if mapped > 0 {
            self.rss.add_many(Kind::of_file(backing), mapped);
        }
        let is_mapped = is_at_hand && found[wanted].is_none();
        // There was one already, or no memory for a page table: nobody asked for these.
        found.into_iter().flatten().for_each(|frame| drop(Page::from_frame(frame)));
        is_mapped
    }

    /// A store into a page that is mapped without that permission.
    fn make_writable(&self, vma: &Vma, address: usize, frame: usize) -> Result<(), FaultError> {
        match &vma.source {
            Source::File { backing, .. } if vma.is_shared() => {
                backing.mark_dirty(vma.index_of(address)).map_err(FaultError::from_backing)?;
                let _entries = self.entries.lock();
                if self.space.look_up(address).is_some_and(|(now, _)| now == frame) {
                    self.allow_stores(vma, address);
                }
                Ok(())
            }
            _ => self.break_sharing(vma, address, frame),
        }
    }

    /// Copy on write: gives the program a page of its own, which is the old one if nobody else has
    /// it.
    fn break_sharing(&self, vma: &Vma, address: usize, frame: usize) -> Result<(), FaultError> {
        let shared = {
            let _entries = self.entries.lock();
            let page = match self.space.look_up(address) {
                Some((now, _)) if now == frame => Page::try_get(frame),
                _ => None,
            };
            // Changed meanwhile: the program tries again and sees.
            let Some(page) = page else { return Ok(()) };
            // One reference is the entry's and one is `page`. No other can come into being: the
            // entry is the only way to the page, and it is looked at under this lock.
            if page.is_anonymous() && page.reference_count() == 2 {
                drop(page);
                self.allow_stores(vma, address);
                return Ok(());
            }
            page
        };
        let copy = copy_of(&shared)?;
        let _entries = self.entries.lock();
        if self.space.look_up(address).is_none_or(|(now, _)| now != frame) {
            return Ok(());
        }
        let was = Kind::of(vma, &shared);
        match self.space.map(address, copy.into_frame(), vma.flags.protection()) {
            Ok(old) => {
                old.map(Page::from_frame);
                self.rss.sub(was);
                self.rss.add(Kind::Anonymous);
                Ok(())
            }
            Err(frame) => {
                drop(Page::from_frame(frame));
                Err(FaultError::Oom)
            }
        }
    }

    /// Gives the page at an address the mapping's full protection, and the large page that it may be in if all of that is the
    /// program's own. The entries lock is held.
    fn allow_stores(&self, vma: &Vma, address: usize) {
        // A debugger's store into code goes through this too: the program itself still may not.
        if vma.flags.contains(VmFlags::WRITE) {
            let range = self.own_large(vma, address).unwrap_or(address..address + PAGE_SIZE);
            self.space.protect(range, vma.flags.protection());
        }
    }
}

fn copy_of(page: &Page) -> Result<Page, FaultError> {
    let copy = alloc_page_for_overwrite(None).map_err(|_| FaultError::Oom)?;
    copy.copy_from(page);
    copy.set_anonymous();
    Ok(copy)
}
