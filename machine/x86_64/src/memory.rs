//! Frames: which there are, what is in them; and address spaces.

use crate::layout::DIRECT_BASE;
use crate::{acpi, percpu, region};
use contract::{Frame, LargePageCounters, NodeId, PAGE_SIZE, Region, TlbCounters};
use core::arch::asm;
use core::sync::atomic::{
    Ordering::{Relaxed, SeqCst},
    fence,
};

pub use crate::space::AddressSpace;

/// The free memory that the kernel gets, the same at each call.
pub fn regions() -> &'static [Region] {
    region::seal()
}

/// How many NUMA nodes there are, at least 1.
pub fn nodes() -> usize {
    acpi::platform().nodes
}

/// How far two nodes are from each other: 10 for a node and itself. Nodes that do not exist are far.
pub fn node_distance(from: NodeId, to: NodeId) -> u32 {
    let row = acpi::platform().distances.get(from);
    row.and_then(|row| row.get(to)).map_or(u32::from(u8::MAX), |distance| u32::from(*distance))
}

/// Where the kernel sees a frame's memory.
#[inline]
pub fn direct_map(number: usize) -> *mut u8 {
    (DIRECT_BASE + number * PAGE_SIZE) as *mut u8
}

/// The address of a part of a frame; panics if the part is not in the frame.
pub(crate) fn part(frame: &Frame, offset: usize, length: usize) -> *mut u8 {
    assert!(offset <= PAGE_SIZE && length <= PAGE_SIZE - offset, "beyond the end of a frame");
    // SAFETY: stays within the frame.
    unsafe { direct_map(frame.number()).add(offset) }
}

/// Copies bytes with string instructions. User mode may be changing them meanwhile, so this is not a
/// copy in the language's sense, which would be a data race.
///
/// # Safety
/// Both ranges are valid memory of this length.
#[inline]
unsafe fn copy_bytes(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "rep movsq",
            "mov ecx, {rest:e}",
            "rep movsb",
            rest = in(reg) length % 8,
            inout("rcx") length / 8 => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags),
        );
    }
}

/// Reads a frame's contents from an offset on; panics if that goes beyond the frame.
pub fn read(frame: &Frame, offset: usize, buffer: &mut [u8]) {
    let from = part(frame, offset, buffer.len());
    // SAFETY: `part` checked the frame's side.
    unsafe { copy_bytes(from, buffer.as_mut_ptr(), buffer.len()) };
}

/// Writes a frame's contents from an offset on; panics if that goes beyond the frame.
pub fn write(frame: &Frame, offset: usize, bytes: &[u8]) {
    let to = part(frame, offset, bytes.len());
    // SAFETY: `part` checked the frame's side.
    unsafe { copy_bytes(bytes.as_ptr(), to, bytes.len()) };
}

/// Fills a frame with zeros.
pub fn zero(frame: &Frame) {
    // SAFETY: the whole frame, which the reference allows.
    unsafe {
        asm!(
            "rep stosq",
            in("rax") 0,
            inout("rcx") PAGE_SIZE / 8 => _,
            inout("rdi") direct_map(frame.number()) => _,
            options(nostack, preserves_flags),
        );
    }
}

/// Copies one frame's contents to another: `copy(from, to)`.
pub fn copy(from: &Frame, to: &Frame) {
    // SAFETY: two whole frames.
    unsafe { copy_bytes(direct_map(from.number()), direct_map(to.number()), PAGE_SIZE) };
}

/// Leaves loaded what this CPU has loaded, unused. See the contract.
#[inline]
pub fn borrow() {
    crate::tlb::borrow();
}

/// Makes this CPU use no user half. Interrupts off.
pub fn load_kernel_only() {
    crate::tlb::load(None);
}

/// Makes all running CPUs pass a barrier. See the contract.
pub fn barrier() {
    fence(SeqCst);
    crate::tlb::flush_kernel(0..0);
    fence(SeqCst);
}

/// Large pages, of all address spaces together.
pub fn large_page_counters() -> LargePageCounters {
    crate::space::large_page_counters()
}

/// The counters, all CPUs together.
pub fn tlb_counters() -> TlbCounters {
    let mut sum = TlbCounters::default();
    for counts in (0..percpu::cpus()).filter_map(percpu::of).map(|cpu| &cpu.counts) {
        sum.switches += counts.switches.load(Relaxed);
        sum.local_flushes += counts.local_flushes.load(Relaxed);
        sum.remote_flushes += counts.remote_flushes.load(Relaxed);
    }
    sum
}
