//! Page frames and what may be done with a page.

/// log2 of the page size.
pub const PAGE_SHIFT: usize = 12;
/// The page size in bytes.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;

/// The size of a large page in bytes.
pub const LARGE_PAGE_SIZE: usize = 2 << 20;
/// How many frames a large page is made of.
pub const LARGE_PAGE_FRAMES: usize = LARGE_PAGE_SIZE / PAGE_SIZE;

/// The number of a NUMA node.
pub type NodeId = usize;

/// There was no page frame to be had for the machine's own use (a page table, a stack).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfFrames;

/// One owned reference to a page frame.
///
/// A `Frame` is neither copied nor forgotten: whoever holds it (a page table entry, a kernel stack)
/// hands it back in the end, and the allocator that made it counts the references. That a frame
/// exists means that nobody but the holders of its references uses its memory, which is what makes
/// mapping one into an address space a safe operation.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a frame that is dropped is lost: give it back to the allocator"]
pub struct Frame(usize);

impl Frame {
    /// Makes the owned reference for frame `number` (physical address divided by the page size).
    ///
    /// # Safety
    /// The caller owns a reference to the frame and gives it to the result. The frame's memory is
    /// not used for anything else while a reference exists.
    pub const unsafe fn from_number(number: usize) -> Self {
        Self(number)
    }

    /// The frame's number.
    pub const fn number(&self) -> usize {
        self.0
    }

    /// Gives up the handle and keeps the reference: the number stands for it from now on.
    pub const fn into_number(self) -> usize {
        self.0
    }
}

/// One owned reference to each of the frames that a large page is made of. They follow each other, and the first one's number is a
/// multiple of [`LARGE_PAGE_FRAMES`].
///
/// All that is said of a [`Frame`] is true of each of them: a block is a way to hand over many at once and nothing else.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a block that is dropped is lost: give it back to the allocator"]
pub struct Block(usize);

impl Block {
    /// Makes the owned references for the frames from `first` on.
    ///
    /// # Safety
    /// As for [`Frame::from_number`], for each of the frames. `first` is a multiple of [`LARGE_PAGE_FRAMES`].
    pub const unsafe fn from_first(first: usize) -> Self {
        Self(first)
    }

    /// The first frame's number.
    pub const fn first(&self) -> usize {
        self.0
    }

    /// Gives up the handle and keeps the references.
    pub const fn into_first(self) -> usize {
        self.0
    }

    /// The references one by one.
    pub fn into_frames(self) -> impl Iterator<Item = Frame> {
        (self.0..self.0 + LARGE_PAGE_FRAMES).map(Frame)
    }
}

/// Takes what is removed from an address space, after no CPU can reach it any more. A closure takes large pages frame by frame.
pub trait UnmapSink {
    /// A page's frame, and whether it was written to.
    fn page(&mut self, frame: Frame, written: bool);

    /// The frames of a large page, and whether any was written to.
    fn large(&mut self, block: Block, written: bool) {
        for frame in block.into_frames() {
            self.page(frame, written);
        }
    }
}

impl<F: FnMut(Frame, bool)> UnmapSink for F {
    fn page(&mut self, frame: Frame, written: bool) {
        self(frame, written);
    }
}

/// Looks at what is mapped in an address space. A closure sees large pages page by page.
pub trait MappedVisitor {
    /// A page: its address, the number of its frame, its protection.
    fn page(&mut self, address: usize, frame: usize, protection: Protection);

    /// A large page, all of it in the range that is looked at: its address, the number of its first frame, its protection.
    fn large(&mut self, address: usize, first: usize, protection: Protection) {
        for number in 0..LARGE_PAGE_FRAMES {
            self.page(address + number * PAGE_SIZE, first + number, protection);
        }
    }
}

impl<F: FnMut(usize, usize, Protection)> MappedVisitor for F {
    fn page(&mut self, address: usize, frame: usize, protection: Protection) {
        self(address, frame, protection);
    }
}

/// A run of page frames, by number, `end` not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRange {
    /// The first frame.
    pub start: usize,
    /// The frame after the last.
    pub end: usize,
}

/// Memory that the machine found and does not use itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Which frames.
    pub frames: FrameRange,
    /// The node they are near to.
    pub node: NodeId,
}

/// What user mode may do with a page. Readable is implied by being mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// Stores are allowed.
    pub write: bool,
    /// Instruction fetches are allowed.
    pub execute: bool,
}
