//! Blocks cut into objects of one size, and the depot that owns a class's blocks.
//!
//! A slab is in one of three states, seen from the depot: *full* (all objects are out, with CPUs or
//! users; in no list), *partial* (in the list), *idle* (all objects are back). One idle slab is
//! kept, any more go back to the frame allocator. An object that is not in use holds the address of
//! the next one in its first bytes. How many of a slab's objects are out, and where its first free
//! one is, stands in the metadata of its first frame.

use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;

use contract::PAGE_SIZE;

use super::class::Class;
use super::poison;
use crate::frames::metadata::{Frames, List, Metadata, SLAB};
use crate::statistics::SlabStatistics;

/// A free object: the link is all that is known of it.
#[repr(transparent)]
pub(super) struct Object {
    next: Option<NonNull<Object>>,
}

/// Where slabs' blocks come from.
pub(super) trait Blocks: Frames {
    /// Takes a block of `1 << order` frames.
    fn allocate(&self, order: usize) -> Option<u32>;
    /// Gives one back.
    fn free(&self, block: u32, order: usize);
    /// Where a frame's memory is.
    fn address_of(&self, frame: u32) -> NonNull<u8>;
    /// The frame around an address.
    fn frame_at(&self, address: usize) -> u32;
}

/// A chain of free objects of one class, by its head; what a CPU keeps.
pub(super) struct Chain {
    head: Option<NonNull<Object>>,
    len: u32,
}

// SAFETY: the objects in a chain belong to nobody but the chain.
unsafe impl Send for Chain {}

impl Chain {
    pub(super) const EMPTY: Self = Self { head: None, len: 0 };

    #[inline]
    pub(super) fn pop(&mut self) -> Option<NonNull<Object>> {
        let object = self.head?;
        // SAFETY: objects in a chain are free memory of the chain's own, whose link `push` wrote.
        self.head = unsafe { object.as_ref().next };
        self.len -= 1;
        Some(object)
    }

    /// # Safety
    /// The object is free memory of at least the link's size and alignment, and the caller's to
    /// give.
    #[inline]
    pub(super) unsafe fn push(&mut self, object: NonNull<Object>) {
        // SAFETY: the memory is ours by the caller's word.
        unsafe { object.write(Object { next: self.head }) };
        self.head = Some(object);
        self.len += 1;
    }

    #[inline]
    pub(super) fn len(&self) -> u32 {
        self.len
    }
}

/// What [`Metadata::count`] says of a slab: [`SLAB`], then 15 bits of how many objects are out,
/// then 16 of where the first free object is.
#[derive(Clone, Copy)]
struct SlabState {
    out: u32,
    /// Distance from the slab's start in units of 8 bytes; [`Self::NO_OBJECT`]: there is none.
    first_free: u32,
}

impl SlabState {
    const NO_OBJECT: u32 = 0xffff;

    fn load(metadata: &Metadata) -> Self {
        let word = metadata.count.load(Relaxed);
        debug_assert!(word & SLAB != 0, "an object outside every slab");
        Self { out: word >> 16 & 0x7fff, first_free: word & 0xffff }
    }

    fn store(self, metadata: &Metadata) {
        metadata.count.store(SLAB | self.out << 16 | self.first_free, Relaxed);
    }
}

/// The slabs of one class, shared by all CPUs under a lock.
pub(super) struct Depot {
    class: Class,
    /// Slabs of which some objects are out and some are not.
    partial: List,
    /// A slab of which none is out.
    idle: Option<u32>,
    slabs: usize,
    /// Objects that are with CPUs or users.
    out: usize,
}

impl Depot {
    pub(super) const fn new(class: Class) -> Self {
        Self { class, partial: List::EMPTY, idle: None, slabs: 0, out: 0 }
    }

    /// The memory in this class's slabs, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.slabs * self.slab_size()
    }

    /// Its slabs and the objects in them.
    pub(super) fn statistics(&self) -> SlabStatistics {
        let objects_per_slab = self.slab_size() / self.class.size();
        SlabStatistics {
            object_size: self.class.size(),
            active: self.out,
            objects: self.slabs * objects_per_slab,
            objects_per_slab,
            pages_per_slab: 1 << self.class.slab_order(),
            slabs: self.slabs,
        }
    }

    fn slab_size(&self) -> usize {
        PAGE_SIZE << self.class.slab_order()
    }

    /// Moves up to `count` objects into a chain. Fewer, or none, when memory has run out.
    pub(super) fn take(&mut self, blocks: &impl Blocks, chain: &mut Chain, count: u32) {
        let mut wanted = count;
        while wanted > 0 {
            let Some(slab) = self.partial.first().or_else(|| self.revive(blocks)) else { return };
            let metadata = blocks.of(slab);
            let mut state = SlabState::load(metadata);
            let base = blocks.address_of(slab);
            while wanted > 0 && state.first_free != SlabState::NO_OBJECT {
                // SAFETY: `first_free` lies within the slab, and the object there is free: the
                // depot's own.
                let object: NonNull<Object> =
                    unsafe { base.add(state.first_free as usize * 8) }.cast();
                // SAFETY: as above; a free object begins with its link.
                let next = unsafe { object.as_ref().next };
                state.first_free = Self::position(base, next);
                state.out += 1;
                self.out += 1;
                wanted -= 1;
                // SAFETY: the object was just taken out of the slab's own list.
                unsafe { chain.push(object) };
            }
            state.store(metadata);
            if state.first_free == SlabState::NO_OBJECT {
                self.partial.remove(blocks, slab);
            }
        }
    }

    /// Takes `count` objects of a chain back.
    pub(super) fn give(&mut self, blocks: &impl Blocks, chain: &mut Chain, count: u32) {
        for _ in 0..count {
            let Some(object) = chain.pop() else { return };
            let frame = blocks.frame_at(object.as_ptr().addr());
            // Blocks are aligned to their size.
            let slab = frame & !((1 << self.class.slab_order()) - 1);
            let metadata = blocks.of(slab);
            let base = blocks.address_of(slab);
            let mut state = SlabState::load(metadata);
            if state.first_free == SlabState::NO_OBJECT {
                self.partial.push(blocks, slab);
            }
            // SAFETY: the object came out of the chain and goes into its slab's list.
            unsafe { object.write(Object { next: Self::object_at(base, state.first_free) }) };
            state.first_free = Self::position(base, Some(object));
            state.out -= 1;
            self.out -= 1;
            state.store(metadata);
            if state.out == 0 {
                self.partial.remove(blocks, slab);
                self.retire(blocks, slab);
            }
        }
    }

    /// A slab with free objects, put into the list: the idle one, or a new one.
    fn revive(&mut self, blocks: &impl Blocks) -> Option<u32> {
        let slab = match self.idle.take() {
            Some(slab) => slab,
            None => self.cut(blocks)?,
        };
        self.partial.push(blocks, slab);
        Some(slab)
    }

    /// Keeps a slab without objects in use, or gives its block back if there is one already.
    fn retire(&mut self, blocks: &impl Blocks, slab: u32) {
        if self.idle.is_none() {
            self.idle = Some(slab);
            return;
        }
        blocks.of(slab).count.store(0, Relaxed);
        self.slabs -= 1;
        blocks.free(slab, self.class.slab_order());
    }

    /// Cuts a new block into objects, linked in the order of their addresses.
    fn cut(&mut self, blocks: &impl Blocks) -> Option<u32> {
        let slab = blocks.allocate(self.class.slab_order())?;
        let base = blocks.address_of(slab);
        let size = self.class.size();
        let mut next = None;
        for index in (0..self.slab_size() / size).rev() {
            // SAFETY: the object lies within the block, which is ours alone.
            unsafe {
                let object: NonNull<Object> = base.add(index * size).cast();
                poison::fill(object.cast(), size);
                object.write(Object { next });
                next = Some(object);
            }
        }
        SlabState { out: 0, first_free: 0 }.store(blocks.of(slab));
        self.slabs += 1;
        Some(slab)
    }

    fn position(base: NonNull<u8>, object: Option<NonNull<Object>>) -> u32 {
        object.map_or(SlabState::NO_OBJECT, |object| {
            ((object.as_ptr().addr() - base.as_ptr().addr()) / 8) as u32
        })
    }

    fn object_at(base: NonNull<u8>, position: u32) -> Option<NonNull<Object>> {
        // SAFETY: positions come from `position`, so they lie within the slab.
        (position != SlabState::NO_OBJECT)
            .then(|| unsafe { base.add(position as usize * 8) }.cast())
    }
}

#[cfg(test)]
mod tests {
    use super::super::class::CLASSES;
    use super::*;
    use crate::arena::Arena;
    use proptest::prelude::*;

    const FRAMES: usize = 64;

    impl Blocks for Arena {
        fn allocate(&self, order: usize) -> Option<u32> {
            self.buddy.borrow_mut().allocate(self, order)
        }

        fn free(&self, block: u32, order: usize) {
            self.buddy.borrow_mut().free(self, block, order);
        }

        fn address_of(&self, frame: u32) -> NonNull<u8> {
            self.memory_of(frame)
        }

        fn frame_at(&self, address: usize) -> u32 {
            self.frame_around(address)
        }
    }

    fn write(object: NonNull<Object>, size: usize, byte: u8) {
        // SAFETY: the test holds the object, of its class's size.
        unsafe { object.cast::<u8>().write_bytes(byte, size) };
    }

    fn holds(object: NonNull<Object>, size: usize, byte: u8) -> bool {
        // SAFETY: as in `write`, which initialised it.
        let bytes = unsafe { core::slice::from_raw_parts(object.cast::<u8>().as_ptr(), size) };
        bytes.iter().all(|&b| b == byte)
    }

    #[test]
    fn exhaustion_gives_fewer_and_everything_comes_back() {
        for class in (0..CLASSES).map(Class::new) {
            let arena = Arena::new(FRAMES);
            let free_before = arena.free_frames();
            let mut depot = Depot::new(class);
            let mut chain = Chain::EMPTY;
            depot.take(&arena, &mut chain, u32::MAX);
            let objects = chain.len() as usize;
            assert!(objects > 0);
            assert!(objects * class.size() <= depot.bytes());
            depot.take(&arena, &mut chain, 1);
            assert_eq!(chain.len() as usize, objects);
            depot.give(&arena, &mut chain, u32::MAX);
            // One idle slab stays.
            assert_eq!(depot.bytes(), PAGE_SIZE << class.slab_order());
            assert_eq!(arena.free_frames() * PAGE_SIZE + depot.bytes(), free_before * PAGE_SIZE);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 128 }))]

        /// Objects taken in any order keep what was written to them until they are given back.
        #[test]
        fn objects_never_overlap(
            class in (0..CLASSES).prop_map(Class::new),
            steps in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..300),
        ) {
            let arena = Arena::new(FRAMES);
            let mut depot = Depot::new(class);
            let mut chain = Chain::EMPTY;
            let mut held: Vec<(NonNull<Object>, u8)> = Vec::new();
            for (number, (which, give_back)) in steps.into_iter().enumerate() {
                if give_back && !held.is_empty() {
                    let (object, byte) = held.swap_remove(which.index(held.len()));
                    prop_assert!(holds(object, class.size(), byte));
                    // SAFETY: the test held it and gives it up.
                    unsafe { chain.push(object) };
                    if chain.len() > 3 {
                        depot.give(&arena, &mut chain, 2);
                    }
                } else {
                    if chain.len() == 0 {
                        depot.take(&arena, &mut chain, 3);
                    }
                    let Some(object) = chain.pop() else { continue };
                    write(object, class.size(), number as u8);
                    held.push((object, number as u8));
                }
            }
            for &(object, byte) in &held {
                prop_assert!(holds(object, class.size(), byte));
                // SAFETY: as above.
                unsafe { chain.push(object) };
            }
            depot.give(&arena, &mut chain, u32::MAX);
            prop_assert!(depot.bytes() <= PAGE_SIZE << class.slab_order());
        }
    }
}
