//! Page frames and what may be done with a page.

/// log2 of the page size.
pub const PAGE_SHIFT: usize = 12;
/// The page size in bytes.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;

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
