//! The frames of a large page: a block of the buddy lists whose frames have a count each.
//!
//! They are frames like any others, and may part ways. Only who takes or gives all of them at once has less to do.

use core::sync::atomic::{
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

use contract::LARGE_PAGE_FRAMES;

use super::metadata::{Metadata, SLAB, State, Tag};
use super::table::TABLE;
use super::zone::Reserve;
use super::{allocate_block, cache, free, node_of, zone_of};

/// The order of such a block.
const ORDER: usize = LARGE_PAGE_FRAMES.ilog2() as usize;

fn metadata(first: usize) -> &'static [Metadata] {
    TABLE.run(first, LARGE_PAGE_FRAMES).expect("the frames of a large page")
}

/// Takes the frames of a large page, each with one reference and marked as a program's own. What is in them is whatever was there.
pub(crate) fn allocate_large() -> Option<usize> {
    let first = allocate_block(cache::local_node(), ORDER, Reserve::Keep)?;
    let tag = Tag::new(State::Taken, 0, node_of(first)).with_anonymous(true);
    for frame in metadata(first as usize) {
        frame.set_tag(tag);
        frame.count.store(1, Relaxed);
    }
    Some(first as usize)
}

/// Gives up a reference to each frame of a large page. If these are the last ones, the block is free as a whole.
pub(crate) fn put_large(first: usize) {
    let mut unused = [0u64; LARGE_PAGE_FRAMES / 64];
    for (bits, frames) in unused.iter_mut().zip(metadata(first).chunks_exact(64)) {
        for frame in frames {
            // As in `put_reference`.
            *bits = *bits << 1 | u64::from(frame.count.fetch_sub(1, Release) == 1);
        }
    }
    fence(Acquire);
    if unused.iter().all(|&bits| bits == u64::MAX) {
        zone_of(first as u32).free(first as u32, ORDER);
        return;
    }
    for (chunk, bits) in unused.into_iter().enumerate() {
        let here = (0..64).filter(|place| bits >> (63 - place) & 1 != 0);
        here.for_each(|place| free((first + chunk * 64 + place) as u32));
    }
}

/// Adds a reference to each frame of a large page; not if one of them is no page in use.
pub(crate) fn share_large(first: usize) -> bool {
    let Some(frames) = TABLE.run(first, LARGE_PAGE_FRAMES) else { return false };
    for (place, frame) in frames.iter().enumerate() {
        // As in `Page::try_get`.
        let add = |count: u32| (count != 0 && count & SLAB == 0).then(|| count + 1);
        if frame.count.try_update(Acquire, Relaxed, add).is_err() {
            (first..first + place).for_each(super::put_reference);
            return false;
        }
    }
    true
}

/// Whether each frame of a large page is a program's own page with a single reference.
pub(crate) fn has_one_holder(first: usize) -> bool {
    let is_single = |frame: &Metadata| frame.tag().is_anonymous() && frame.count.load(Acquire) == 1;
    TABLE.run(first, LARGE_PAGE_FRAMES).is_some_and(|frames| frames.iter().all(is_single))
}
