//! What is mapped and how much of it is in memory: the numbers behind
//! `/proc/PID/{statm,status,maps,smaps,numa_maps}`.

use alloc::vec::Vec;

use contract::{LARGE_PAGE_FRAMES, MappedVisitor, PAGE_SIZE, Protection};
use errno::Errno;
use memory::{MAX_NODES, Page};

use crate::layout::Layout;
use crate::mm::Mm;
use crate::rss::Kind;
use crate::vma::Vma;

/// An address space in numbers, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// All mappings: `VmSize`.
    pub size: usize,
    /// The most there ever were: `VmPeak`.
    pub peak_size: usize,
    /// Pages in memory: `VmRSS`.
    pub resident: usize,
    /// The most there ever were: `VmHWM`.
    pub peak_resident: usize,
    /// Of `resident`, the program's own: `RssAnon`.
    pub anonymous: usize,
    /// Of `resident`, of files: `RssFile`.
    pub file: usize,
    /// Of `resident`, shared memory: `RssShmem`.
    pub shared_memory: usize,
    /// Private writable mappings: `VmData`.
    pub data: usize,
    /// Mappings that grow down: `VmStk`.
    pub stack: usize,
    /// The program's code: `VmExe`.
    pub code: usize,
    /// Other code: `VmLib`.
    pub libraries: usize,
    /// Asked to stay in memory: `VmLck`.
    pub locked: usize,
}

/// What of a mapping is in memory, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All of it.
    pub resident: usize,
    /// The program's own pages.
    pub anonymous: usize,
    /// Of these, pages that are mapped by large ones.
    pub large: usize,
    /// Pages that others have too: other programs, or a file's cache.
    pub shared: usize,
    /// In 4096ths of a page: each page divided by how many have it.
    pub proportional: usize,
    /// Pages on each node.
    pub per_node: [usize; MAX_NODES],
}

impl Mm {
    /// The address space in numbers. May sleep.
    pub fn statistics(&self) -> Statistics {
        let state = self.state.read();
        let totals = state.mappings.totals();
        let (start, end) = state.layout.code;
        let code = end.saturating_sub(start).div_ceil(PAGE_SIZE).min(totals.executable);
        Statistics {
            size: totals.all,
            peak_size: state.peak_pages,
            resident: self.rss.total(),
            peak_resident: self.rss.peak(),
            anonymous: self.rss.get(Kind::Anonymous),
            file: self.rss.get(Kind::File),
            shared_memory: self.rss.get(Kind::SharedMemory),
            data: totals.data,
            stack: totals.stack,
            code,
            libraries: totals.executable - code,
            locked: totals.locked,
        }
    }

    /// The mappings as they are now, in order. May sleep.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn mappings(&self) -> Result<Vec<Vma>, Errno> {
        let state = self.state.read();
        let mut all = Vec::new();
        all.try_reserve_exact(state.mappings.len()).map_err(|_| Errno::ENOMEM)?;
        all.extend(state.mappings.iter().cloned());
        Ok(all)
    }

    /// The mapping around an address. May sleep.
    pub fn find(&self, address: usize) -> Option<Vma> {
        self.state.read().mappings.find(address).cloned()
    }

    /// What of a mapping is in memory now. May sleep.
    pub fn usage(&self, vma: &Vma) -> Usage {
        let state = self.state.read();
        let mut usage = Usage::default();
        self.space.for_each_mapped(vma.range(), &mut Census(&mut usage));
        for page in state.parked.range(vma.range()).map(|(_, page)| page) {
            usage.add(page, page.reference_count());
        }
        usage
    }
}

/// Counts what is mapped.
struct Census<'a>(&'a mut Usage);

impl MappedVisitor for Census<'_> {
    fn page(&mut self, _: usize, frame: usize, _: Protection) {
        if let Some(page) = Page::try_get(frame) {
            // Not counting ours.
            self.0.add(&page, page.reference_count() - 1);
        }
    }

    fn large(&mut self, address: usize, first: usize, protection: Protection) {
        self.0.large += LARGE_PAGE_FRAMES;
        (first..first + LARGE_PAGE_FRAMES).for_each(|frame| self.page(address, frame, protection));
    }
}

impl Usage {
    fn add(&mut self, page: &Page, users: usize) {
        self.resident += 1;
        self.anonymous += usize::from(page.is_anonymous());
        self.shared += usize::from(users > 1);
        self.proportional += PAGE_SIZE / users.max(1);
        if let Some(count) = self.per_node.get_mut(page.node()) {
            *count += 1;
        }
    }
}

impl Vma {
    /// What `/proc/PID/maps` calls a mapping of no file, by where it is.
    pub fn label(&self, layout: &Layout) -> Option<&'static str> {
        let overlaps = |start: usize, end: usize| self.range.start < end && start < self.range.end;
        if self.backing().is_some() {
            None
        } else if layout.start_brk < layout.brk && overlaps(layout.start_brk, layout.brk) {
            Some("[heap]")
        } else if self.range.contains(&layout.start_stack) {
            Some("[stack]")
        } else {
            None
        }
    }
}
