//! How many pages a program has in memory.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use memory::Page;

use crate::backing::Backing;
use crate::vma::Vma;

/// What kind of page counts where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The program's own: `RssAnon`.
    Anonymous,
    /// A file's: `RssFile`.
    File,
    /// Shared memory: `RssShmem`.
    SharedMemory,
}

impl Kind {
    /// Of a page that a mapping shows.
    pub(crate) fn of(vma: &Vma, page: &Page) -> Self {
        match vma.backing() {
            _ if page.is_anonymous() => Self::Anonymous,
            Some(backing) => Self::of_file(&**backing),
            None => Self::Anonymous,
        }
    }

    /// Of a page that is the file's own.
    pub(crate) fn of_file(backing: &dyn Backing) -> Self {
        if backing.is_shared_memory() { Self::SharedMemory } else { Self::File }
    }
}

/// Counters of pages, exact while nobody changes the mappings.
#[derive(Debug, Default)]
pub(crate) struct Rss {
    counts: [AtomicUsize; 3],
    peak: AtomicUsize,
}

impl Rss {
    pub(crate) fn add(&self, kind: Kind) {
        self.add_many(kind, 1);
    }

    pub(crate) fn add_many(&self, kind: Kind, count: usize) {
        self.counts[kind as usize].fetch_add(count, Relaxed);
        self.peak.fetch_max(self.total(), Relaxed);
    }

    pub(crate) fn sub(&self, kind: Kind) {
        self.counts[kind as usize].fetch_sub(1, Relaxed);
    }

    pub(crate) fn sub_many(&self, kind: Kind, count: usize) {
        self.counts[kind as usize].fetch_sub(count, Relaxed);
    }

    pub(crate) fn get(&self, kind: Kind) -> usize {
        self.counts[kind as usize].load(Relaxed)
    }

    pub(crate) fn total(&self) -> usize {
        self.counts.iter().map(|count| count.load(Relaxed)).sum()
    }

    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Relaxed)
    }
}
