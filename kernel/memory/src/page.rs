//! A reference to a page frame, counted.

use core::sync::atomic::{AtomicU64, Ordering};

use contract::{Fault, Frame, NodeId, PAGE_SIZE};
use errno::Errno;
use fault::Point;

use crate::frames::metadata::SLAB;
use crate::frames::{self, Reserve};
use crate::pressure;

/// A counted reference to a page in use. Cloning adds a reference; dropping the last frees the
/// frame.
///
/// Its contents may be read and written by anybody who holds a reference, and by user mode where
/// the page is mapped, at the same time; so they are copied in and out and never borrowed.
#[derive(Debug, PartialEq, Eq)]
pub struct Page(Frame);

/// Takes a zeroed page, near the node or else near this CPU. ENOMEM when there is none. Any
/// context; where the caller may sleep, the out-of-memory hook is asked first.
pub fn alloc_page(node: Option<NodeId>) -> Result<Page, Errno> {
    alloc_zeroed(node, false)
}

/// Like [`alloc_page`], and [marked](Page::set_anonymous) as a program's own.
#[inline]
pub fn alloc_anonymous_page(node: Option<NodeId>) -> Result<Page, Errno> {
    alloc_zeroed(node, true)
}

#[inline]
fn alloc_zeroed(node: Option<NodeId>, anonymous: bool) -> Result<Page, Errno> {
    if fault::should_fail(Point::Page) {
        return Err(Errno::ENOMEM);
    }
    pressure::retry(|| frames::allocate_zeroed(node, anonymous)).map(Page).ok_or(Errno::ENOMEM)
}

/// Like [`alloc_page`] without the zeroing: for a caller that overwrites all of it before anybody
/// else sees it.
pub fn alloc_page_for_overwrite(node: Option<NodeId>) -> Result<Page, Errno> {
    if fault::should_fail(Point::Page) {
        return Err(Errno::ENOMEM);
    }
    let number =
        pressure::retry(|| frames::allocate(node, Reserve::Keep)).ok_or(Errno::ENOMEM)? as usize;
    frames::metadata(number).count.store(1, Ordering::Relaxed);
    // SAFETY: the frame was just taken from the allocator with one reference, which is this one.
    Ok(Page(unsafe { Frame::from_number(number) }))
}

impl Page {
    /// Takes over the reference that a page table entry or another holder of a [`Frame`] had.
    pub fn from_frame(frame: Frame) -> Self {
        Self(frame)
    }

    /// Gives the reference away as a [`Frame`], for a page table entry.
    pub fn into_frame(self) -> Frame {
        let number = self.0.number();
        core::mem::forget(self);
        // SAFETY: the reference that `self` owned goes to the result; `self` does not drop it.
        unsafe { Frame::from_number(number) }
    }

    /// A new reference to the page in frame `number`, if that frame is a page in use: `None` for a
    /// frame that is free, that the heap uses, or that is no memory. For what a page table look-up
    /// returned; the caller holds the lock that keeps the entry from going away meanwhile, else it
    /// may get another's page.
    pub fn try_get(number: usize) -> Option<Self> {
        let count = &frames::metadata(number).count;
        // Acquire pairs with the Release of the reference that is dropped last: taking one from
        // zero is refused, so only the contents need ordering.
        count
            .try_update(Ordering::Acquire, Ordering::Relaxed, |count| {
                (count != 0 && count & SLAB == 0).then(|| count + 1)
            })
            .ok()?;
        // SAFETY: the count was above zero and not a slab's, so the frame is a page in use, and one
        // reference was added for the result.
        Some(Self(unsafe { Frame::from_number(number) }))
    }

    /// The frame's number.
    pub fn number(&self) -> usize {
        self.0.number()
    }

    /// The NUMA node that the page's memory belongs to.
    pub fn node(&self) -> NodeId {
        frames::node_of(self.number() as u32)
    }

    /// Notes that the page belongs to user mappings alone, and to no file: that it is a program's
    /// own data. By the one who has just allocated it. The note goes when the page is freed.
    pub fn set_anonymous(&self) {
        let metadata = frames::metadata(self.number());
        metadata.set_tag(metadata.tag().with_anonymous(true));
    }

    /// Whether [`set_anonymous`](Self::set_anonymous) was called.
    pub fn is_anonymous(&self) -> bool {
        frames::metadata(self.number()).tag().is_anonymous()
    }

    /// How many references there are. 1: this is the only one, and it stays so
    /// unless somebody finds the page in a page table.
    pub fn reference_count(&self) -> usize {
        // Acquire: who finds itself alone has seen what the others did to the page.
        frames::metadata(self.number()).count.load(Ordering::Acquire) as usize
    }

    /// Copies bytes out, from `offset` on. What lies beyond the page's end is a panic.
    pub fn read(&self, offset: usize, buffer: &mut [u8]) {
        machine::memory::read(&self.0, offset, buffer);
    }

    /// Copies bytes in, from `offset` on. What lies beyond the page's end is a panic.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        machine::memory::write(&self.0, offset, bytes);
    }

    /// The page as words that anybody who has it, user mode too, may load and store at any time.
    pub fn words(&self) -> &[AtomicU64; PAGE_SIZE / 8] {
        // SAFETY: the frame is memory of a page's size and alignment that stays a page while this reference to it is held, and
        // any bits are an `AtomicU64`. Nobody else makes Rust references into a page: they copy.
        unsafe { &*machine::memory::direct_map(self.number()).cast() }
    }

    /// Copies bytes out to user memory, from `offset` on; may sleep. What lies beyond the page's end is a panic.
    ///
    /// # Errors
    /// A bad address; part of the bytes may have been written.
    pub fn read_to_user(&self, offset: usize, address: usize, length: usize) -> Result<(), Fault> {
        machine::user::copy_from_frame(address, &self.0, offset, length)
    }

    /// Copies bytes in from user memory, from `offset` on; may sleep. What lies beyond the page's end is a panic.
    ///
    /// # Errors
    /// A bad address; what these bytes of the page are then is not known.
    pub fn write_from_user(
        &self,
        offset: usize,
        address: usize,
        length: usize,
    ) -> Result<(), Fault> {
        machine::user::copy_to_frame(address, &self.0, offset, length)
    }

    /// Overwrites the page with another's contents.
    pub fn copy_from(&self, source: &Page) {
        machine::memory::copy(&source.0, &self.0);
    }
}

impl Clone for Page {
    fn clone(&self) -> Self {
        // Relaxed: a reference is made from one that the caller holds, so the count cannot be on
        // its way to zero. It cannot overflow either: 2^31 page table entries would take 16 GiB of
        // page tables.
        frames::metadata(self.number()).count.fetch_add(1, Ordering::Relaxed);
        // SAFETY: a reference was added for the result.
        Self(unsafe { Frame::from_number(self.number()) })
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        frames::put_reference(self.number());
    }
}
