//! A user address space, as its users hold it.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32};

use contract::{Block, Frame, LARGE_PAGE_FRAMES, Protection, UnmapSink};
use errno::Errno;
use fault::Point;
use machine::memory::AddressSpace;
use memory::{LargePage, Page};
use sched::RwSemaphore;
use sync::{LockClass, SpinLock};

use crate::backing::Backing;
use crate::error::FaultError;
use crate::layout::{Layout, Limits};
use crate::mappings::Mappings;
use crate::rss::{Kind, Rss};
use crate::vma::Vma;

/// Outermost here; inside it the locks of [`Backing`]s and `page table entries`. Never taken while
/// another address space's is held, but by fork, which makes the other one.
static MMAP_LOCK: LockClass = LockClass::new("mmap_lock");
/// Inside `mmap_lock` and outside everything of `memory`.
static ENTRIES: LockClass = LockClass::new("page table entries");

/// A user address space. An `Arc<Mm>` is one user of it (Linux's mm_users): a task that runs in it,
/// or somebody who looks at it. When the last one lets go, everything is unmapped at once.
///
/// Dropping the last reference may sleep, as files may be closed by it.
pub struct Mm {
    /// The page tables. CPUs that run a kernel thread borrow them on past the end of the users
    /// (lazy TLB); by then they are empty.
    pub(crate) space: Arc<AddressSpace>,
    /// Held to look at a page table entry and act on what was found, as one step: two faults in one
    /// page meet here.
    pub(crate) entries: SpinLock<()>,
    pub(crate) rss: Rss,
    /// [`Barriers`](crate::Barriers): what the program has said that it will ask for.
    pub(crate) barriers: AtomicU32,
    /// The program wants no large pages.
    pub(crate) large_pages_off: AtomicBool,
    /// Linux's mmap_lock. Faults read, changes of mappings write.
    pub(crate) state: RwSemaphore<State>,
}

/// What the lock protects.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) mappings: Mappings,
    /// Pages of mappings that the program may not access at all (`PROT_NONE`) by address: the
    /// machine cannot map a page that nobody may read, so they wait here for another protection.
    /// Counted as resident.
    pub(crate) parked: BTreeMap<usize, Page>,
    pub(crate) layout: Layout,
    pub(crate) limits: Limits,
    executable: Option<Arc<dyn Backing>>,
    auxiliary_vector: Vec<u64>,
    /// The most pages that were ever mapped.
    pub(crate) peak_pages: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self::empty()
    }
}

impl Mm {
    /// An empty address space.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new() -> Result<Arc<Self>, Errno> {
        Self::with_state(State::default())
    }

    pub(crate) fn with_state(state: State) -> Result<Arc<Self>, Errno> {
        if fault::should_fail(Point::AddressSpace) {
            return Err(Errno::ENOMEM);
        }
        let space = AddressSpace::new().map_err(|_| Errno::ENOMEM)?;
        Ok(Arc::new(Self {
            space: Arc::new(space),
            entries: SpinLock::new(&ENTRIES, ()),
            rss: Rss::default(),
            barriers: AtomicU32::new(0),
            large_pages_off: AtomicBool::new(false),
            state: RwSemaphore::new(&MMAP_LOCK, state),
        }))
    }

    /// The page tables, for the scheduler to load.
    pub fn address_space(&self) -> &Arc<AddressSpace> {
        &self.space
    }

    /// Where the program's parts are. May sleep.
    pub fn layout(&self) -> Layout {
        self.state.read().layout
    }

    /// Changes where the program's parts are: for the program loader and `prctl(PR_SET_MM)`. May
    /// sleep.
    pub fn set_layout(&self, layout: Layout) {
        self.state.write().layout = layout;
    }

    /// Changes the resource limits that are in force here. May sleep.
    pub fn set_limits(&self, limits: Limits) {
        self.state.write().limits = limits;
    }

    /// The program's file. May sleep.
    pub fn executable(&self) -> Option<Arc<dyn Backing>> {
        self.state.read().executable.clone()
    }

    /// Names the program's file: for the program loader. May sleep.
    pub fn set_executable(&self, file: Arc<dyn Backing>) {
        self.state.write().executable = Some(file);
    }

    /// What `/proc/PID/auxv` shows: pairs of a type and a value. May sleep.
    pub fn auxiliary_vector(&self) -> Vec<u64> {
        self.state.read().auxiliary_vector.clone()
    }

    /// Keeps the auxiliary vector that the program was started with. May sleep.
    pub fn set_auxiliary_vector(&self, vector: Vec<u64>) {
        self.state.write().auxiliary_vector = vector;
    }

    /// Maps a page unless one is mapped there; then that one stays.
    ///
    /// # Errors
    /// [`FaultError::Oom`] if there is no memory for a page table.
    pub(crate) fn map_if_absent(
        &self,
        kind: Kind,
        address: usize,
        page: Page,
        protection: Protection,
    ) -> Result<(), FaultError> {
        let _entries = self.entries.lock();
        match self.space.map_absent(address, page.into_frame(), protection) {
            Ok(None) => {
                self.rss.add(kind);
                Ok(())
            }
            Ok(Some(frame)) => {
                drop(Page::from_frame(frame));
                Ok(())
            }
            Err(frame) => {
                drop(Page::from_frame(frame));
                Err(FaultError::Oom)
            }
        }
    }

    /// Unmaps the pages of a mapping, or of a piece of one.
    pub(crate) fn unmap_pages(&self, vma: &Vma) {
        let mut unmapped = Unmapped { vma, rss: Some(&self.rss), dirty: false };
        self.space.unmap(vma.range(), &mut unmapped);
        unmapped.end();
    }

    /// Drops the parked pages of a range.
    pub(crate) fn drop_parked(&self, state: &mut State, range: core::ops::Range<usize>) {
        while let Some((&address, _)) = state.parked.range(range.clone()).next() {
            state.parked.remove(&address);
            self.rss.sub(Kind::Anonymous);
        }
    }

    /// Unmaps a range: mappings, pages and all.
    pub(crate) fn unmap_range(&self, state: &mut State, range: core::ops::Range<usize>) {
        state.mappings.remove(range.clone(), |piece| self.unmap_pages(&piece));
        if !state.parked.is_empty() {
            self.drop_parked(state, range);
        }
    }
}

impl State {
    /// What a child starts with: everything but the mappings.
    pub(crate) fn inherit(&self) -> Self {
        Self {
            layout: self.layout,
            limits: self.limits,
            executable: self.executable.clone(),
            auxiliary_vector: self.auxiliary_vector.clone(),
            ..Self::default()
        }
    }

    /// Notes how far the mappings have grown.
    pub(crate) fn note_peak(&mut self) {
        self.peak_pages = self.peak_pages.max(self.mappings.totals().all);
    }
}

impl Drop for Mm {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        state.parked.clear();
        // What is mapped is in a mapping: the rest need not be looked at.
        for vma in state.mappings.iter() {
            let mut unmapped = Unmapped { vma, rss: None, dirty: false };
            self.space.unmap(vma.range(), &mut unmapped);
            unmapped.end();
        }
    }
}

/// Frees what is unmapped of a mapping.
struct Unmapped<'a> {
    vma: &'a Vma,
    /// Where it is counted, if that still matters.
    rss: Option<&'a Rss>,
    /// Something of a file was written to.
    dirty: bool,
}

impl Unmapped<'_> {
    /// A store that was noticed marked its page. This is for stores after the file system has
    /// cleaned the page without taking the permission to store away.
    fn end(self) {
        if self.dirty {
            crate::msync::mark_range_dirty(self.vma);
        }
    }
}

impl UnmapSink for Unmapped<'_> {
    fn page(&mut self, frame: Frame, written: bool) {
        let page = Page::from_frame(frame);
        let Some(rss) = self.rss else {
            self.dirty |= written;
            return;
        };
        let kind = Kind::of(self.vma, &page);
        self.dirty |= written && kind == Kind::File;
        rss.sub(kind);
    }

    fn large(&mut self, block: Block, _: bool) {
        drop(LargePage::from_block(block));
        if let Some(rss) = self.rss {
            rss.sub_many(Kind::Anonymous, LARGE_PAGE_FRAMES);
        }
    }
}
