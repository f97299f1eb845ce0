//! Free blocks by size, merged with their buddies when they come back.
//!
//! A block of order *k* is 2^k frames, aligned to its size. Its buddy is the other half of the block
//! of order *k+1* around it: the number with bit *k* flipped. Invariant: exactly the first frames of
//! blocks that are in a list are tagged [`State::Free`], with their order. So one look at the buddy's
//! tag tells whether the whole buddy is free.

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
