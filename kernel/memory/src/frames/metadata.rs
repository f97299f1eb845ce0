//! What is known about one frame.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use contract::NodeId;

/// What a frame is used for. Zero, which fresh metadata is filled with, is `Reserved`: what nobody
/// gave to the allocator, it never hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// Not the allocator's.
    Reserved = 0,
    /// The first frame of a free block in a buddy list.
    Free = 1,
    /// In use or in a CPU's cache, or inside a free block.
    Taken = 2,
}

/// State, order and node of a block's first frame, in one word, so that asking whether a buddy can
/// be merged with is one comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u32);

impl Tag {
    pub(crate) const fn new(state: State, order: usize, node: NodeId) -> Self {
        Self(state as u32 | (order as u32) << 8 | (node as u32) << 16)
    }

    /// In a page's tag: what it holds is nobody else's to give, see [`Page`](crate::Page).
    const ANONYMOUS: u32 = 1 << 24;

    pub(crate) const fn is_anonymous(self) -> bool {
        self.0 & Self::ANONYMOUS != 0
    }

    pub(crate) const fn with_anonymous(self, anonymous: bool) -> Self {
        if anonymous { Self(self.0 | Self::ANONYMOUS) } else { Self(self.0 & !Self::ANONYMOUS) }
    }

    pub(crate) const fn is(self, state: State) -> bool {
        self.0 & 0xff == state as u32
    }

    pub(crate) const fn node(self) -> NodeId {
        (self.0 >> 16 & 0xff) as NodeId
    }
}

/// The metadata of one frame: 16 bytes.
///
/// Who may touch what: `tag` and the links belong to the zone's lock while the block is free and to
/// the block's owner while it is taken; `count` is free for all. That all are atomics, loaded and
/// stored relaxed, costs nothing and keeps the code above safe.
#[repr(C)]
pub(crate) struct Metadata {
    tag: AtomicU32,
    /// For a [`Page`](crate::Page): its references. For a slab: [`SLAB`] and the slab's state.
    /// Otherwise 0.
    pub(crate) count: AtomicU32,
    previous: AtomicU32,
    next: AtomicU32,
}

/// Set in [`Metadata::count`]: this is not a count of references.
pub(crate) const SLAB: u32 = 1 << 31;

/// In links: no frame. Frame 0 is never given out.
pub(crate) const NONE: u32 = 0;

impl Metadata {
    /// Of a reserved frame.
    pub(crate) const fn reserved() -> Self {
        Self {
            tag: AtomicU32::new(Tag::new(State::Reserved, 0, 0).0),
            count: AtomicU32::new(0),
            previous: AtomicU32::new(NONE),
            next: AtomicU32::new(NONE),
        }
    }

    pub(crate) fn tag(&self) -> Tag {
        Tag(self.tag.load(Relaxed))
    }

    pub(crate) fn set_tag(&self, tag: Tag) {
        self.tag.store(tag.0, Relaxed);
    }
}

/// Finds a frame's metadata.
pub(crate) trait Frames {
    fn of(&self, frame: u32) -> &Metadata;
}

/// A doubly linked list of blocks, threaded through the metadata of their first frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    head: u32,
}

impl List {
    pub(crate) const EMPTY: Self = Self { head: NONE };

    /// The first block.
    pub(crate) fn first(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    /// Puts a block in front.
    pub(crate) fn push(&mut self, frames: &impl Frames, block: u32) {
        let metadata = frames.of(block);
        metadata.previous.store(NONE, Relaxed);
        metadata.next.store(self.head, Relaxed);
        if self.head != NONE {
            frames.of(self.head).previous.store(block, Relaxed);
        }
        self.head = block;
    }

    /// Takes out a block that is in this list.
    pub(crate) fn remove(&mut self, frames: &impl Frames, block: u32) {
        let metadata = frames.of(block);
        let previous = metadata.previous.load(Relaxed);
        let next = metadata.next.load(Relaxed);
        if previous == NONE {
            self.head = next;
        } else {
            frames.of(previous).next.store(next, Relaxed);
        }
        if next != NONE {
            frames.of(next).previous.store(previous, Relaxed);
        }
    }
}
