//! Address spaces: page tables in software.

mod large;

use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::{
    Access, Frame, LARGE_PAGE_FRAMES, MappedVisitor, OutOfFrames, PAGE_SHIFT, PAGE_SIZE,
    Protection, UnmapSink,
};

use super::tlb::{Miss, assert_unreachable};
use crate::machine::{Cpu, here};
use crate::schedule;
use crate::trace::Event;
use crate::user::USER_END;

use large::Large;

/// Pages that one page-table frame describes.
const PAGES_A_TABLE: usize = LARGE_PAGE_FRAMES;

/// The user half of an address space.
#[derive(Debug)]
pub struct AddressSpace {
    space: Arc<Space>,
}

/// What CPUs that have loaded the space share with its owner.
#[derive(Debug)]
pub(crate) struct Space {
    number: u64,
    tables: Mutex<Tables>,
    /// How many CPUs have it loaded.
    loads: AtomicUsize,
    /// How many times translations were removed or restricted.
    changes: AtomicU64,
}

/// Page-table entries by page number, those of large pages by the number of their table, and the frames that tables of this size take
/// on a real machine.
#[derive(Debug, Default)]
struct Tables {
    entries: BTreeMap<usize, Entry>,
    large: BTreeMap<usize, Large>,
    frames: BTreeMap<usize, Frame>,
    root: Option<Frame>,
}

#[derive(Debug)]
struct Entry {
    frame: Frame,
    state: State,
}

/// What an entry says beside where it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    protection: Protection,
    accessed: bool,
    dirty: bool,
}

impl State {
    fn new(protection: Protection) -> Self {
        Self { protection, accessed: false, dirty: false }
    }
}

/// What a walk of the tables found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walked {
    pub(crate) frame: usize,
    pub(crate) protection: Protection,
}

impl Space {
    #[cfg(test)]
    pub(crate) fn without_tables() -> Self {
        Self {
            number: 0,
            tables: Mutex::default(),
            loads: AtomicUsize::new(0),
            changes: AtomicU64::new(0),
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the page-table walker of a CPU does.
    pub(crate) fn walk(&self, page: usize, access: Access) -> Result<Walked, Miss> {
        let mut tables = self.tables();
        let Tables { entries, large, .. } = &mut *tables;
        let (state, frame) = match entries.get_mut(&page) {
            Some(entry) => (&mut entry.state, entry.frame.number()),
            None => {
                let large = large.get_mut(&(page / PAGES_A_TABLE));
                let large = large.ok_or(Miss { present: false })?;
                let frame = large.frame_of(page);
                (&mut large.state, frame)
            }
        };
        let protection = state.protection;
        let allowed = match access {
            Access::Read => true,
            Access::Write => protection.write,
            Access::Execute => protection.execute,
        };
        if !allowed {
            return Err(Miss { present: true });
        }
        state.accessed = true;
        state.dirty |= access == Access::Write;
        Ok(Walked { frame, protection })
    }

    /// Sees to it that there is a table for a page's entry.
    fn provide_table(&self, page: usize) -> Result<(), OutOfFrames> {
        let table = page / PAGES_A_TABLE;
        let is_there = |tables: &Tables| {
            tables.frames.contains_key(&table) || tables.large.contains_key(&table)
        };
        let missing = !is_there(&self.tables());
        if missing && let Some(new) = table_frame()? {
            // Another CPU may have been here while the frame was allocated.
            let mut tables = self.tables();
            let spare =
                if is_there(&tables) { Some(new) } else { tables.frames.insert(table, new) };
            drop(tables);
            spare.into_iter().for_each(give_up_table);
        }
        Ok(())
    }

    /// Every CPU that uses the space forgets the pages.
    fn flush(&self, pages: Range<usize>) {
        // Until here the other CPUs use what they remember.
        schedule::point(here());
        let change = self.changes.fetch_add(1, Ordering::Relaxed) + 1;
        self.ask(|cpu| {
            let uses = !cpu.borrows.get();
            if uses {
                cpu.changes_seen.set(change);
                cpu.tlb.flush_pages(pages.start, pages.end);
            }
            uses
        });
    }

    /// Has the CPUs that have the space loaded do something. It counts as a flush, and as an interrupt of another
    /// CPU, if it returns that there was something to do.
    fn ask(&self, mut act: impl FnMut(&Cpu) -> bool) {
        let machine = here();
        let this = machine.this();
        let mut counters = machine.tlb_counters.get();
        for (id, cpu) in machine.cpus().iter().enumerate() {
            let loaded = cpu.space.borrow();
            let here = loaded.as_ref().is_some_and(|loaded| core::ptr::eq(&**loaded, self));
            if !here || !act(cpu) {
                continue;
            }
            if id == this {
                counters.local_flushes += 1;
            } else {
                counters.remote_flushes += 1;
                let mut counts = cpu.counts.get();
                counts.tlb += 1;
                cpu.counts.set(counts);
            }
        }
        machine.tlb_counters.set(counters);
    }
}

impl AddressSpace {
    /// An empty user half.
    ///
    /// # Errors
    /// If the kernel has no frame for the tables' root.
    pub fn new() -> Result<Self, OutOfFrames> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let root = table_frame()?;
        let machine = here();
        machine.live.set(machine.live.get().with_address_spaces(1));
        let tables = Mutex::new(Tables { root, ..Tables::default() });
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (loads, changes) = (AtomicUsize::new(0), AtomicU64::new(0));
        Ok(Self { space: Arc::new(Space { number, tables, loads, changes }) })
    }

    /// Maps a page, or replaces what is mapped; returns the frame that was there.
    ///
    /// # Errors
    /// The frame comes back if the kernel has no frame for a table.
    ///
    /// # Panics
    /// If the address is not the start of a user page.
    pub fn map(
        &self,
        address: usize,
        frame: Frame,
        protection: Protection,
    ) -> Result<Option<Frame>, Frame> {
        let pages = pages(address..address + PAGE_SIZE);
        let page = pages.start;
        if self.space.provide_table(page).is_err() {
            return Err(frame);
        }
        let entry = Entry { frame, state: State::new(protection) };
        let old = self.space.tables_split_at(&pages, |_| true).entries.insert(page, entry);
        let Some(old) = old else { return Ok(None) };
        self.space.flush(pages);
        assert_unreachable(here(), &self.space, page, old.frame.number());
        Ok(Some(old.frame))
    }

    /// Maps a page unless one is mapped; then the frame given comes back.
    ///
    /// # Errors
    /// The frame comes back if the kernel has no frame for a table.
    ///
    /// # Panics
    /// If the address is not the start of a user page.
    pub fn map_absent(
        &self,
        address: usize,
        frame: Frame,
        protection: Protection,
    ) -> Result<Option<Frame>, Frame> {
        match self.look_up(address) {
            Some(_) => Ok(Some(frame)),
            None => self.map(address, frame, protection),
        }
    }

    /// Maps the pages that follow each other from an address on, but where one is mapped or none is given, and returns how many it
    /// has mapped. The other frames stay.
    ///
    /// # Panics
    /// If these are not user pages.
    pub fn map_run(
        &self,
        start: usize,
        frames: &mut [Option<Frame>],
        protection: Protection,
    ) -> usize {
        let mut mapped = 0;
        for (address, place) in (start..).step_by(PAGE_SIZE).zip(frames) {
            let Some(frame) = place.take() else { continue };
            match self.map_absent(address, frame, protection) {
                Ok(None) => mapped += 1,
                Ok(Some(frame)) => *place = Some(frame),
                Err(frame) => {
                    *place = Some(frame);
                    break;
                }
            }
        }
        mapped
    }

    /// Removes what is mapped in the range and gives the frames to `sink`, each with whether it was
    /// written to, after no CPU can reach them any more. Large pages go as blocks, if they are in the range as a whole.
    ///
    /// # Panics
    /// If the range is not made of user pages.
    pub fn unmap(&self, range: Range<usize>, sink: &mut dyn UnmapSink) {
        let pages = pages(range);
        let (removed, large) = {
            let mut tables = self.space.tables_split_at(&pages, |_| true);
            let removed = take_range(&mut tables.entries, &pages);
            (removed, take_range(&mut tables.large, &large::whole(&pages)))
        };
        if removed.is_empty() && large.is_empty() {
            return;
        }
        self.space.flush(pages);
        for (page, Entry { frame, state }) in removed {
            assert_unreachable(here(), &self.space, page, frame.number());
            sink.page(frame, state.dirty);
        }
        for (table, large) in large {
            self.space.give_large(table, large, sink);
        }
    }

    /// Changes the protection of what is mapped in the range, and flushes.
    ///
    /// # Panics
    /// If the range is not made of user pages.
    pub fn protect(&self, range: Range<usize>, protection: Protection) {
        let pages = pages(range);
        let mut changed = false;
        {
            let other = |large: &Large| large.state.protection != protection;
            let mut tables = self.space.tables_split_at(&pages, other);
            let Tables { entries, large, .. } = &mut *tables;
            let small = entries.range_mut(pages.clone()).map(|(_, entry)| &mut entry.state);
            let whole = large::whole(&pages);
            for state in small.chain(large.range_mut(whole).map(|(_, large)| &mut large.state)) {
                state.protection = protection;
                changed = true;
            }
        }
        if changed {
            self.space.flush(pages);
        }
    }

    /// The number of the frame mapped at an address and its protection.
    #[must_use]
    pub fn look_up(&self, address: usize) -> Option<(usize, Protection)> {
        let tables = self.space.tables();
        let page = address >> PAGE_SHIFT;
        if let Some(large) = tables.large.get(&(page / PAGES_A_TABLE)) {
            return Some((large.frame_of(page), large.state.protection));
        }
        let entry = tables.entries.get(&page)?;
        Some((entry.frame.number(), entry.state.protection))
    }

    /// Address, frame number and protection of every mapped page in the range, in order. Large pages are shown as one, if they are in
    /// the range as a whole.
    ///
    /// # Panics
    /// If the range is not made of user pages.
    pub fn for_each_mapped(&self, range: Range<usize>, visitor: &mut dyn MappedVisitor) {
        let pages = pages(range);
        let describe = |(&page, entry): (&usize, &Entry)| {
            (page, entry.frame.number(), entry.state.protection, false)
        };
        // The visitor may pass points, and the tables' lock belongs to the host: it cannot be held
        // there.
        let mut mapped: Vec<_> = {
            let tables = self.space.tables();
            let large = tables.large_parts(&pages);
            tables.entries.range(pages).map(describe).chain(large).collect()
        };
        mapped.sort_unstable_by_key(|&(page, ..)| page);
        for (page, frame, protection, large) in mapped {
            if large {
                visitor.large(page << PAGE_SHIFT, frame, protection);
            } else {
                visitor.page(page << PAGE_SHIFT, frame, protection);
            }
        }
    }

    /// Clears the page's accessed bit and returns what it was, without a flush.
    #[must_use]
    pub fn clear_accessed(&self, address: usize) -> bool {
        let page = address >> PAGE_SHIFT;
        let mut tables = self.space.tables_split_at(&(page..page + 1), |_| true);
        let entry = tables.entries.get_mut(&page);
        entry.is_some_and(|entry| core::mem::replace(&mut entry.state.accessed, false))
    }

    /// Memory is in order here, so this is an interrupt of the CPUs that have the space loaded and nothing else.
    pub fn barrier(&self) {
        schedule::point(here());
        self.space.ask(|_| true);
    }

    /// Makes this CPU use the space. Interrupts off. If it is loaded already, it is looked whether it has changed while it was borrowed.
    ///
    /// # Panics
    /// If interrupts are on.
    pub fn load(&self) {
        load(Some(&self.space));
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        let loads = self.space.loads.load(Ordering::Acquire);
        assert!(loads == 0, "an address space is dropped that {loads} CPUs have loaded");
        let machine = here();
        machine.live.set(machine.live.get().with_address_spaces(-1));
        let Tables { entries, large, frames, root } = core::mem::take(&mut *self.space.tables());
        for Entry { frame, .. } in entries.into_values() {
            give_back(frame);
        }
        large.into_values().for_each(Large::give_back);
        frames.into_values().chain(root).for_each(give_up_table);
    }
}

/// Makes this CPU use a space, or none.
pub(super) fn load(space: Option<&Arc<Space>>) {
    let machine = here();
    let cpu = machine.cpu();
    assert!(
        !machine.active.get() || !cpu.interrupts.get(),
        "address space loaded with interrupts on"
    );
    let mut loaded = cpu.space.borrow_mut();
    let borrowed = cpu.borrows.replace(false);
    let changes = space.map_or(0, |space| space.changes.load(Ordering::Relaxed));
    let changes_seen = cpu.changes_seen.replace(changes);
    if loaded.as_ref().map(Arc::as_ptr) == space.map(Arc::as_ptr) {
        if borrowed && changes_seen != changes {
            cpu.tlb.flush();
            let mut counters = machine.tlb_counters.get();
            counters.local_flushes += 1;
            machine.tlb_counters.set(counters);
        }
        return;
    }
    if let Some(new) = space {
        new.loads.fetch_add(1, Ordering::Relaxed);
    }
    if let Some(old) = core::mem::replace(&mut *loaded, space.cloned()) {
        old.loads.fetch_sub(1, Ordering::Release);
    }
    cpu.tlb.flush();
    let mut counters = machine.tlb_counters.get();
    counters.switches += 1;
    machine.tlb_counters.set(counters);
    machine.trace.record(machine, Event::Load, "", space.map_or(0, |space| space.number));
}

/// Takes out what is in a range, in order.
fn take_range<T>(map: &mut BTreeMap<usize, T>, range: &Range<usize>) -> BTreeMap<usize, T> {
    if range.is_empty() {
        return BTreeMap::new();
    }
    let mut inner = map.split_off(&range.start);
    map.extend(inner.split_off(&range.end));
    inner
}

/// The page numbers of a range of user addresses.
fn pages(range: Range<usize>) -> Range<usize> {
    assert!(
        range.start <= range.end
            && range.end <= USER_END
            && range.start.is_multiple_of(PAGE_SIZE)
            && range.end.is_multiple_of(PAGE_SIZE),
        "{range:x?} is not made of user pages"
    );
    range.start >> PAGE_SHIFT..range.end >> PAGE_SHIFT
}

/// A frame for a page table. `None`: there is no kernel yet to ask.
fn table_frame() -> Result<Option<Frame>, OutOfFrames> {
    let machine = here();
    let Some(upcalls) = machine.upcalls() else { return Ok(None) };
    let frame = (upcalls.allocate_frame)(None).ok_or(OutOfFrames)?;
    machine.live.set(machine.live.get().with_table_frames(1));
    Ok(Some(frame))
}

fn give_up_table(frame: Frame) {
    let machine = here();
    machine.live.set(machine.live.get().with_table_frames(-1));
    give_back(frame);
}

fn give_back(frame: Frame) {
    match here().upcalls() {
        Some(upcalls) => (upcalls.free_frame)(frame),
        // A unit test without an allocator: the number is all there was.
        None => drop(frame.into_number()),
    }
}
