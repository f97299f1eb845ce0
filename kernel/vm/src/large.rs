//! Large pages: 2 MiB that appear at the first store, where they are welcome.
//!
//! A large page is 512 ordinary pages that follow each other, each with its own count. All that is large about it is the entry of the
//! page table, which maps them at once. Whoever wants something of one of them alone splits it; the machine does that on its
//! own, and nothing here has to know.
//!
//! It is taken where it costs nothing but the filling: a block of that size is at hand, and nothing is mapped in its place. In any other
//! case there is a small page, as ever.

use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

use contract::{Access, LARGE_PAGE_FRAMES, LARGE_PAGE_SIZE};
use memory::{LargePage, alloc_large_page};

use crate::flags::VmFlags;
use crate::mm::Mm;
use crate::rss::Kind;
use crate::vma::Vma;

/// With less memory than this, they are welcome nowhere unless somebody says so, as in Linux.
const SMALL_MACHINE: usize = 512 << 20;

/// Where large pages are welcome. Shown as `/sys/kernel/mm/transparent_hugepage/enabled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// In each mapping that has not said that they are not.
    Always = 1,
    /// In mappings that have said so.
    Madvise = 2,
    /// Nowhere.
    Never = 3,
}

/// A [`Welcome`], or 0: by the size of the machine.
static WELCOME: AtomicU8 = AtomicU8::new(0);
/// A load takes a small page, as it may be that nothing is ever stored there.
static LOADS_TAKE_SMALL: AtomicBool = AtomicBool::new(true);
static TAKEN: AtomicU64 = AtomicU64::new(0);
static MISSED: AtomicU64 = AtomicU64::new(0);

/// How often large pages were wanted by a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargePageStatistics {
    /// There was one: `thp_fault_alloc`.
    pub taken: u64,
    /// There was none at hand: `thp_fault_fallback`.
    pub missed: u64,
}

impl Welcome {
    /// What holds now.
    pub fn current() -> Self {
        match WELCOME.load(Relaxed) {
            1 => Self::Always,
            2 => Self::Madvise,
            3 => Self::Never,
            _ => Self::at_start(),
        }
    }

    #[cold]
    fn at_start() -> Self {
        let welcome =
            if memory::total_bytes() < SMALL_MACHINE { Self::Never } else { Self::Always };
        // Whoever has said something meanwhile is right.
        let _ = WELCOME.compare_exchange(0, welcome as u8, Relaxed, Relaxed);
        welcome
    }

    /// From now on this holds, for what is touched from now on.
    pub fn set(self) {
        WELCOME.store(self as u8, Relaxed);
    }
}

impl LargePageStatistics {
    /// Since the start.
    pub fn current() -> Self {
        Self { taken: TAKEN.load(Relaxed), missed: MISSED.load(Relaxed) }
    }

    /// Whether loads take small pages: `use_zero_page`.
    pub fn loads_take_small() -> bool {
        LOADS_TAKE_SMALL.load(Relaxed)
    }

    /// Whether loads take small pages from now on.
    pub fn let_loads_take_small(small: bool) {
        LOADS_TAKE_SMALL.store(small, Relaxed);
    }
}

/// The large page around an address, if all of it is in the mapping.
fn around(vma: &Vma, address: usize) -> Option<Range<usize>> {
    let start = address & !(LARGE_PAGE_SIZE - 1);
    let range = start..start + LARGE_PAGE_SIZE;
    (range.start >= vma.range.start && range.end <= vma.range.end).then_some(range)
}

/// Whether large pages are welcome in such a mapping, if it has room for one.
#[inline]
fn are_welcome(vma: &Vma) -> bool {
    match Welcome::current() {
        Welcome::Always => true,
        Welcome::Madvise => vma.flags.contains(VmFlags::HUGE_PAGE),
        Welcome::Never => false,
    }
}

impl Mm {
    /// Whether the program refuses large pages everywhere (`PR_SET_THP_DISABLE`).
    pub fn refuses_large_pages(&self) -> bool {
        // Relaxed: a word of its own.
        self.large_pages_off.load(Relaxed)
    }

    /// Refuses large pages everywhere, or not any more. What there is stays.
    pub fn refuse_large_pages(&self, refuse: bool) {
        self.large_pages_off.store(refuse, Relaxed);
    }

    /// Whether faults in a mapping may be answered with large pages.
    pub(crate) fn may_have_large(&self, vma: &Vma) -> bool {
        are_welcome(vma)
            && !vma.flags.contains(VmFlags::NO_HUGE_PAGE)
            && vma.backing().is_none()
            && !self.refuses_large_pages()
            && vma.range.start.next_multiple_of(LARGE_PAGE_SIZE) + LARGE_PAGE_SIZE <= vma.range.end
    }

    /// Maps a large page around an address where there is no page. False: there is still none, and a small one has to do.
    #[inline]
    pub(crate) fn populate_large(&self, vma: &Vma, address: usize, access: Access) -> bool {
        // Most often it ends here.
        if !are_welcome(vma) {
            return false;
        }
        match around(vma, address) {
            Some(place) if self.may_have_large(vma) => self.map_large(vma, place, access),
            _ => false,
        }
    }

    fn map_large(&self, vma: &Vma, place: Range<usize>, access: Access) -> bool {
        if access == Access::Read && LargePageStatistics::loads_take_small()
            || !self.space.is_vacant(place.start)
        {
            return false;
        }
        let Some(pages) = alloc_large_page() else {
            MISSED.fetch_add(1, Relaxed);
            return false;
        };
        // Who maps something there holds this lock, or the mappings for writing.
        let entries = self.entries.lock();
        match self.space.map_large(place.start, pages.into_block(), vma.flags.protection()) {
            Ok(()) => {
                self.rss.add_many(Kind::Anonymous, LARGE_PAGE_FRAMES);
                TAKEN.fetch_add(1, Relaxed);
                true
            }
            Err(block) => {
                // Another thread was here first, or there is no memory for a table.
                drop(entries);
                drop(LargePage::from_block(block));
                false
            }
        }
    }

    /// The large page around an address, if one is mapped there that is the program's own as a whole and belongs to the mapping as a
    /// whole. The entries lock is held.
    pub(crate) fn own_large(&self, vma: &Vma, address: usize) -> Option<Range<usize>> {
        let (first, _) = self.space.large_at(address)?;
        around(vma, address).filter(|_| LargePage::has_one_holder(first))
    }
}
