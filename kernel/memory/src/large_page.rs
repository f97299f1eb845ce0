//! References to the pages of a large page.

use contract::{Block, Frame, LARGE_PAGE_FRAMES};
use fault::Point;

use crate::frames;

/// A reference to each of the pages that a large page is made of. They are pages like any others, counted one by one; this is the way
/// to take, share and drop all of them at once.
#[derive(Debug, PartialEq, Eq)]
pub struct LargePage(Block);

/// Takes pages of zeros for a large page, near this CPU, each marked as a program's own. None where there is no such block at hand: nothing
/// is waited for, and nobody asked. Any context, but filling it takes time.
pub fn alloc_large_page() -> Option<LargePage> {
    if fault::should_fail(Point::Page) {
        return None;
    }
    let first = frames::allocate_large()?;
    for number in first..first + LARGE_PAGE_FRAMES {
        // SAFETY: the frame was just taken from the allocator; the reference stays with the block, as this handle has no drop.
        let frame = unsafe { Frame::from_number(number) };
        machine::memory::zero(&frame);
        let _ = frame.into_number();
    }
    // SAFETY: the frames were just taken from the allocator, each with one reference.
    Some(LargePage(unsafe { Block::from_first(first) }))
}

impl LargePage {
    /// Takes over the references that the entry of a large page had.
    pub fn from_block(block: Block) -> Self {
        Self(block)
    }

    /// Gives the references away, for the entry of a large page.
    pub fn into_block(self) -> Block {
        let first = self.0.first();
        core::mem::forget(self);
        // SAFETY: the references that `self` owned go to the result; `self` does not drop them.
        unsafe { Block::from_first(first) }
    }

    /// New references to the pages of the large page whose first frame has this number; the caller keeps the entry where it was found
    /// from going away meanwhile. None if these are no pages in use.
    pub fn try_get(first: usize) -> Option<Self> {
        // SAFETY: a reference was added to each, and the frames are pages in use.
        frames::share_large(first).then(|| Self(unsafe { Block::from_first(first) }))
    }

    /// Whether the entry of a large page that starts with this frame has the only reference to each of its pages, and they are a
    /// program's own. It stays so unless somebody finds them in the page table.
    pub fn has_one_holder(first: usize) -> bool {
        frames::has_one_holder(first)
    }
}

impl Drop for LargePage {
    fn drop(&mut self) {
        frames::put_large(self.0.first());
    }
}
