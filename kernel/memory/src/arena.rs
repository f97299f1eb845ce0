//! Frames made of ordinary memory, for the tests of what works on frames.

use core::alloc::Layout;
use core::cell::RefCell;
use core::ptr::NonNull;
use std::alloc::{alloc_zeroed, dealloc};
use std::vec::Vec;

use contract::PAGE_SIZE;

use crate::frames::buddy::Buddy;
use crate::frames::metadata::{Frames, Metadata};

/// Frames 1 up to a limit, on node 0, all free at first.
pub(crate) struct Arena {
    frames: usize,
    metadata: Vec<Metadata>,
    memory: NonNull<u8>,
    pub(crate) buddy: RefCell<Buddy>,
}

impl Arena {
    pub(crate) fn new(frames: usize) -> Self {
        // SAFETY: the layout is not empty.
        let memory = NonNull::new(unsafe { alloc_zeroed(Self::layout(frames)) });
        // Whole sections, as in the kernel's table.
        let metadata = (0..frames.next_multiple_of(1024)).map(|_| Metadata::reserved()).collect();
        let arena = Self {
            frames,
            metadata,
            memory: memory.expect("memory for the arena"),
            buddy: RefCell::new(Buddy::new(0)),
        };
        arena.buddy.borrow_mut().free_range(&arena, 1, frames as u32);
        arena
    }

    fn layout(frames: usize) -> Layout {
        Layout::from_size_align(frames * PAGE_SIZE, PAGE_SIZE).expect("a layout")
    }

    pub(crate) fn free_frames(&self) -> usize {
        let buddy = self.buddy.borrow();
        buddy.counts().iter().enumerate().map(|(order, count)| count << order).sum()
    }

    /// Where a frame's memory is.
    pub(crate) fn memory_of(&self, frame: u32) -> NonNull<u8> {
        assert!((frame as usize) < self.frames);
        // SAFETY: within the arena, as was just checked.
        unsafe { self.memory.add(frame as usize * PAGE_SIZE) }
    }

    /// The frame around an address in the arena.
    pub(crate) fn frame_around(&self, address: usize) -> u32 {
        ((address - self.memory.as_ptr().addr()) / PAGE_SIZE) as u32
    }
}

impl Frames for Arena {
    fn of(&self, frame: u32) -> &Metadata {
        &self.metadata[frame as usize]
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.memory.as_ptr(), Self::layout(self.frames)) };
    }
}
