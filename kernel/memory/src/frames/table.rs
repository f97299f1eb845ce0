//! Where each frame's metadata is.
//!
//! Frames are grouped into sections of 4 MiB, the largest buddy block, so that no merge crosses a
//! section. A section's metadata is made when the section is first used. Two levels of pointers
//! lead to it: a root in the kernel image, a leaf page for each 2 GiB that has memory. A leaf's
//! entry is
//!
//! - [`ABSENT`]: no memory of ours there;
//! - odd: where the metadata will be, not yet initialised;
//! - even: the metadata.
//!
//! The table only grows, and lookups take no lock.

use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use contract::{FrameRange, PAGE_SIZE};
use sync::{LockClass, SpinLock};

use super::metadata::{Frames, Metadata};

/// Frames in a section.
pub(crate) const SECTION_FRAMES: usize = 1024;
/// Pages that a section's metadata takes.
const SECTION_PAGES: usize = SECTION_FRAMES * size_of::<Metadata>() / PAGE_SIZE;
const LEAF_SECTIONS: usize = PAGE_SIZE / size_of::<usize>();
const ROOT_LEAVES: usize = 512;
/// A leaf entry without memory. Odd, so that a lookup needs a single test.
const ABSENT: usize = 1;

type Section = [Metadata; SECTION_FRAMES];
type Leaf = [AtomicUsize; LEAF_SECTIONS];

/// The whole table; there is one, [`TABLE`].
pub(crate) struct Table {
    root: [AtomicPtr<Leaf>; ROOT_LEAVES],
    /// Held while a section is described or initialised: two zones may share one.
    growing: SpinLock<()>,
}

/// Innermost, below `zone`.
static TABLE_LOCK: LockClass = LockClass::new("frame table");

/// Every frame's metadata.
pub(crate) static TABLE: Table = Table {
    root: [const { AtomicPtr::new(core::ptr::null_mut()) }; ROOT_LEAVES],
    growing: SpinLock::new(&TABLE_LOCK, ()),
};

/// What a lookup of a frame without metadata finds.
static RESERVED: Metadata = Metadata::reserved();

impl Table {
    #[inline]
    fn leaf(&self, section: usize) -> Option<&Leaf> {
        let pointer = self.root.get(section / LEAF_SECTIONS)?.load(Ordering::Acquire);
        // SAFETY: a pointer in the root was stored by `describe` after the leaf was filled
        // (Release), and a leaf is never freed.
        unsafe { pointer.as_ref() }
    }

    /// A section's metadata, once it is initialised.
    #[inline]
    fn section(&self, section: usize) -> Option<&Section> {
        let entry = self.leaf(section)?[section % LEAF_SECTIONS].load(Ordering::Acquire);
        if entry & 1 != 0 {
            return None;
        }
        // SAFETY: `initialise` stored an even entry (Release) after it had filled the metadata,
        // whose memory `describe` set aside for it alone and for good.
        unsafe { core::ptr::with_exposed_provenance::<Section>(entry).as_ref() }
    }

    /// The metadata of frames that follow each other and are in one section, as the frames of a block are. None if it is not there.
    pub(crate) fn run(&self, first: usize, count: usize) -> Option<&[Metadata]> {
        let start = first % SECTION_FRAMES;
        self.section(first / SECTION_FRAMES)?.get(start..start + count)
    }

    /// Sets memory for the metadata of a new region aside, taken from the region's own start.
    /// Returns what is left of it, or `None` if nothing would be.
    ///
    /// The memory is the caller's to give.
    pub(crate) fn describe(&self, region: FrameRange) -> Option<FrameRange> {
        let _growing = self.growing.lock_irq();
        let mut free = FrameRange { start: region.start.max(1), end: region.end };
        let limit = ROOT_LEAVES * LEAF_SECTIONS * SECTION_FRAMES;
        if free.start >= free.end || free.end > limit {
            return None;
        }
        let mut take = |pages: usize| {
            let first = free.start;
            (first + pages < free.end).then(|| {
                free.start += pages;
                machine::memory::direct_map(first)
            })
        };
        for section in region.start / SECTION_FRAMES..=(region.end - 1) / SECTION_FRAMES {
            let leaf = match self.leaf(section) {
                Some(leaf) => leaf,
                None => {
                    let leaf: *mut Leaf = take(1)?.cast();
                    // SAFETY: the frame is ours by the caller's word, mapped, page-aligned, and
                    // large enough.
                    unsafe { leaf.write([const { AtomicUsize::new(ABSENT) }; LEAF_SECTIONS]) };
                    self.root[section / LEAF_SECTIONS].store(leaf, Ordering::Release);
                    self.leaf(section)?
                }
            };
            let entry = &leaf[section % LEAF_SECTIONS];
            if entry.load(Ordering::Relaxed) == ABSENT {
                let metadata = take(SECTION_PAGES)?.expose_provenance();
                entry.store(metadata | 1, Ordering::Release);
            }
        }
        Some(free)
    }

    /// Makes the metadata of a frame's section, all reserved, if that has not happened yet.
    pub(crate) fn initialise(&self, frame: usize) {
        let _growing = self.growing.lock_irq();
        let section = frame / SECTION_FRAMES;
        let Some(leaf) = self.leaf(section) else { return };
        let entry = &leaf[section % LEAF_SECTIONS];
        let address = entry.load(Ordering::Acquire);
        if address & 1 == 0 || address == ABSENT {
            return;
        }
        let metadata = core::ptr::with_exposed_provenance_mut::<Section>(address & !1);
        // SAFETY: `describe` set these pages aside for this section, nobody else reaches them
        // before the store below, and all bytes zero is a valid `Metadata`.
        unsafe { metadata.write_bytes(0, 1) };
        entry.store(address & !1, Ordering::Release);
    }
}

impl Frames for Table {
    #[inline]
    fn of(&self, frame: u32) -> &Metadata {
        let frame = frame as usize;
        match self.section(frame / SECTION_FRAMES) {
            Some(section) => &section[frame % SECTION_FRAMES],
            None => &RESERVED,
        }
    }
}
