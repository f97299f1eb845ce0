//! Kernel stacks: four pages in an area of their own, with nothing mapped between one and the next.
//!
//! A slot is eight pages: four that stay empty, then the stack, so that running over its lower end
//! faults. Slots of dropped stacks are used again; their translations are flushed everywhere first.

use crate::layout::{STACK_AREA, STACK_BASE};
use crate::lock::SpinLock;
use crate::table::bits;
use crate::{boot, paging, tlb};
use contract::{Frame, NodeId, OutOfFrames, PAGE_SIZE};
use core::ops::Range;
use core::sync::atomic::Ordering::*;

/// The size of a kernel stack in bytes.
pub const STACK_SIZE: usize = 4 * PAGE_SIZE;
const SLOT_SIZE: usize = 2 * STACK_SIZE;

/// A kernel stack that nobody runs on.
#[derive(Debug)]
pub struct Stack {
    slot: usize,
    node: NodeId,
}

/// Which slots are free: those from `fresh` on have never been used; the others are in a list that is
/// kept in a word of each slot's own page table entry, the one of its first, never mapped page.
struct Slots {
    fresh: usize,
    free: Option<usize>,
}

static SLOTS: SpinLock<Slots> = SpinLock::new(Slots { fresh: 0, free: None });

/// What an unmapped entry holds to link to another slot: a number shifted over the present bit.
fn link_to(slot: Option<usize>) -> u64 {
    slot.map_or(0, |slot| ((slot + 1) << 1) as u64)
}

fn linked(entry: u64) -> Option<usize> {
    (entry as usize >> 1).checked_sub(1)
}

fn bounds(slot: usize) -> Range<usize> {
    let end = STACK_BASE + (slot + 1) * SLOT_SIZE;
    end - STACK_SIZE..end
}

fn take_slot() -> Result<usize, OutOfFrames> {
    let mut slots = SLOTS.lock();
    let slot = match slots.free {
        Some(slot) => slot,
        None if slots.fresh < STACK_AREA / SLOT_SIZE => slots.fresh,
        None => return Err(OutOfFrames),
    };
    // A slot's eight entries are in one table; made here, under the lock.
    let first = paging::entry(STACK_BASE + slot * SLOT_SIZE, 1)?;
    if slots.free.is_some() {
        slots.free = linked(first.swap(0, Relaxed));
    } else {
        slots.fresh += 1;
    }
    Ok(slot)
}

fn give_slot(slot: usize) {
    let mut slots = SLOTS.lock();
    if let Ok(first) = paging::entry(STACK_BASE + slot * SLOT_SIZE, 1) {
        first.store(link_to(slots.free), Relaxed);
        slots.free = Some(slot);
    }
}

impl Stack {
    /// A stack whose memory is near the node. Not from an interrupt.
    pub fn new(node: NodeId) -> Result<Self, OutOfFrames> {
        let stack = Self { slot: take_slot()?, node };
        for page in bounds(stack.slot).step_by(PAGE_SIZE) {
            // If there is no frame, the stack gives back what it has as it is dropped.
            let frame = (boot::upcalls().allocate_frame)(Some(node)).ok_or(OutOfFrames)?;
            let physical = (frame.into_number() * PAGE_SIZE) as u64;
            paging::entry(page, 1)?.store(physical | bits::KERNEL_DATA, Release);
        }
        Ok(stack)
    }

    /// The node that was asked for.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The addresses of the stack.
    pub(crate) fn bounds(&self) -> Range<usize> {
        bounds(self.slot)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let mut frames = [0; STACK_SIZE / PAGE_SIZE];
        for (page, frame) in bounds(self.slot).step_by(PAGE_SIZE).zip(&mut frames) {
            if let Ok(entry) = paging::entry(page, 1) {
                *frame = entry.swap(0, AcqRel) & bits::ADDRESS;
            }
        }
        tlb::flush_kernel(self.bounds());
        for frame in frames.into_iter().filter(|frame| *frame != 0) {
            // SAFETY: the entry owned the reference, and no CPU can reach the frame any more.
            let frame = unsafe { Frame::from_number(frame as usize / PAGE_SIZE) };
            (boot::upcalls().free_frame)(frame);
        }
        give_slot(self.slot);
    }
}

/// Whether an address is in the part of a slot that is never mapped.
pub(crate) fn is_guard(address: usize) -> bool {
    let boot_guard = crate::entry::boot_stack_start() - PAGE_SIZE;
    if (boot_guard..boot_guard + PAGE_SIZE).contains(&address) {
        return true;
    }
    (STACK_BASE..STACK_BASE + STACK_AREA).contains(&address)
        && (address - STACK_BASE) % SLOT_SIZE < SLOT_SIZE - STACK_SIZE
}
