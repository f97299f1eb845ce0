//! Free blocks by size, merged with their buddies when they come back.
//!
//! A block of order *k* is 2^k frames, aligned to its size. Its buddy is the other half of the
//! block of order *k+1* around it: the number with bit *k* flipped. Invariant: exactly the first
//! frames of blocks that are in a list are tagged [`State::Free`], with their order. So one look at
//! the buddy's tag tells whether the whole buddy is free.

use contract::NodeId;

use super::metadata::{Frames, List, State, Tag};

/// How many block sizes there are: orders 0 (a frame, 4 KiB) to 10 (4 MiB), as in Linux.
pub const ORDERS: usize = 11;
/// The largest order.
pub(crate) const MAX_ORDER: usize = ORDERS - 1;

/// The free blocks of one node.
pub(crate) struct Buddy {
    node: NodeId,
    lists: [List; ORDERS],
    counts: [usize; ORDERS],
}

impl Buddy {
    pub(crate) const fn new(node: NodeId) -> Self {
        Self { node, lists: [List::EMPTY; ORDERS], counts: [0; ORDERS] }
    }

    /// Free blocks of each order.
    pub(crate) fn counts(&self) -> &[usize; ORDERS] {
        &self.counts
    }

    fn insert(&mut self, frames: &impl Frames, block: u32, order: usize) {
        frames.of(block).set_tag(Tag::new(State::Free, order, self.node));
        self.lists[order].push(frames, block);
        self.counts[order] += 1;
    }

    fn remove(&mut self, frames: &impl Frames, block: u32, order: usize) {
        self.lists[order].remove(frames, block);
        self.counts[order] -= 1;
        frames.of(block).set_tag(Tag::new(State::Taken, order, self.node));
    }

    /// Takes a block of an order, splitting a larger one if there is none.
    pub(crate) fn allocate(&mut self, frames: &impl Frames, order: usize) -> Option<u32> {
        let (found, block) =
            (order..ORDERS).find_map(|o| self.lists[o].first().map(|block| (o, block)))?;
        self.remove(frames, block, found);
        for half in (order..found).rev() {
            self.insert(frames, block + (1 << half), half);
        }
        frames.of(block).set_tag(Tag::new(State::Taken, order, self.node));
        Some(block)
    }

    /// Takes the smallest block there is, or `limit` frames of a larger one: what a cache fills
    /// itself with, so that crumbs go first and large blocks stay whole.
    pub(crate) fn allocate_up_to(
        &mut self,
        frames: &impl Frames,
        limit: usize,
    ) -> Option<(u32, usize)> {
        let order = (0..limit).find(|&order| self.counts[order] > 0).unwrap_or(limit);
        self.allocate(frames, order).map(|block| (block, order))
    }

    /// Takes a block back and merges it with its buddy as often as that is free too.
    pub(crate) fn free(&mut self, frames: &impl Frames, block: u32, order: usize) {
        debug_assert!(block.trailing_zeros() as usize >= order, "a block of odd alignment");
        let mut block = block;
        let mut order = order;
        debug_assert!(frames.of(block).tag().is(State::Taken), "frame {block:#x} freed twice");
        while order < MAX_ORDER {
            let buddy = block ^ (1 << order);
            if frames.of(buddy).tag() != Tag::new(State::Free, order, self.node) {
                break;
            }
            self.remove(frames, buddy, order);
            block &= buddy;
            order += 1;
        }
        self.insert(frames, block, order);
    }

    /// Takes a run of frames that were taken, or never its own, as the largest blocks that fit.
    pub(crate) fn free_range(&mut self, frames: &impl Frames, start: u32, end: u32) {
        let mut start = start;
        while start < end {
            let aligned = (start.trailing_zeros() as usize).min(MAX_ORDER);
            let fitting = (end - start).ilog2() as usize;
            let order = aligned.min(fitting);
            frames.of(start).set_tag(Tag::new(State::Taken, order, self.node));
            self.free(frames, start, order);
            start += 1 << order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Arena;
    use proptest::prelude::*;

    /// A number of frames that is neither aligned nor a power of two.
    const FRAMES: usize = 2 * 1024 + 333;

    fn allocate(arena: &Arena, order: usize) -> Option<u32> {
        arena.buddy.borrow_mut().allocate(arena, order)
    }

    fn free(arena: &Arena, block: u32, order: usize) {
        arena.buddy.borrow_mut().free(arena, block, order);
    }

    #[test]
    fn freed_halves_merge_again() {
        let arena = Arena::new(FRAMES);
        let before = *arena.buddy.borrow().counts();
        let frames: Vec<u32> = std::iter::from_fn(|| allocate(&arena, 0)).collect();
        assert_eq!(frames.len(), FRAMES - 1);
        assert_eq!(arena.free_frames(), 0);
        // Odd ones first: nothing can merge until the even ones come.
        let (odd, even): (Vec<u32>, Vec<u32>) = frames.iter().partition(|&frame| frame % 2 == 1);
        odd.iter().for_each(|&frame| free(&arena, frame, 0));
        assert_eq!(arena.buddy.borrow().counts()[0], odd.len());
        even.iter().for_each(|&frame| free(&arena, frame, 0));
        assert_eq!(*arena.buddy.borrow().counts(), before);
    }

    #[test]
    fn a_neighbour_on_another_node_is_no_buddy() {
        let arena = Arena::new(16);
        let mut other = Buddy::new(1);
        let four = allocate(&arena, 2).unwrap();
        free(&arena, four, 1);
        other.free_range(&arena, four + 2, four + 4);
        assert_eq!(other.counts()[1], 1);
        assert_eq!(arena.buddy.borrow().counts()[1], 2);
    }

    #[test]
    fn crumbs_go_first() {
        let arena = Arena::new(64);
        // Frames 1 to 63 are blocks of 1, 2, 4, 8, 16 and 32 frames.
        let mut buddy = arena.buddy.borrow_mut();
        let taken: Vec<_> = (0..5).map(|_| buddy.allocate_up_to(&arena, 3).unwrap()).collect();
        assert_eq!(taken, [(1, 0), (2, 1), (4, 2), (8, 3), (16, 3)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]

        /// Whatever is allocated and freed in whatever order: blocks are aligned, do not overlap,
        /// are within the arena, and the whole of it is there again in the end.
        #[test]
        fn blocks_never_overlap(
            steps in prop::collection::vec(
                (0..ORDERS, any::<prop::sample::Index>(), any::<bool>()),
                1..200,
            ),
        ) {
            let arena = Arena::new(FRAMES);
            let before = *arena.buddy.borrow().counts();
            let mut taken: Vec<(u32, usize)> = Vec::new();
            for (order, which, give_back) in steps {
                if give_back && !taken.is_empty() {
                    let (block, order) = taken.swap_remove(which.index(taken.len()));
                    free(&arena, block, order);
                } else if let Some(block) = allocate(&arena, order) {
                    let end = block + (1 << order);
                    prop_assert!(block > 0 && end as usize <= FRAMES && block % (1 << order) == 0);
                    for &(other, other_order) in &taken {
                        prop_assert!(end <= other || other + (1 << other_order) <= block);
                    }
                    taken.push((block, order));
                } else {
                    let all_free = arena.buddy.borrow().counts()[order..].iter().sum::<usize>();
                    prop_assert_eq!(all_free, 0);
                }
                let held: usize = taken.iter().map(|&(_, order)| 1 << order).sum();
                prop_assert_eq!(arena.free_frames() + held, FRAMES - 1);
            }
            for (block, order) in taken {
                free(&arena, block, order);
            }
            prop_assert_eq!(*arena.buddy.borrow().counts(), before);
        }

        /// A run given back in pieces is as good as one given back whole.
        #[test]
        fn ranges_come_back_whole(split in 1u32..64) {
            let arena = Arena::new(FRAMES);
            let before = *arena.buddy.borrow().counts();
            let block = allocate(&arena, 6).unwrap();
            let mut buddy = arena.buddy.borrow_mut();
            buddy.free_range(&arena, block + split, block + 64);
            buddy.free_range(&arena, block, block + split);
            prop_assert_eq!(*buddy.counts(), before);
        }
    }
}
