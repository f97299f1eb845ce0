//! Page tables and their entries.

use crate::layout::{DIRECT_BASE, IMAGE_BASE};
use contract::PAGE_SHIFT;
use core::ops::Index;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Most entries of most tables are empty, so this many are looked at in one go.
pub(crate) const GROUP: usize = 8;

/// A page table of any level. The processor reads and changes it at any time, hence the atomics.
#[repr(C, align(4096))]
pub(crate) struct Table([AtomicU64; 512]);

/// Bits of an entry.
pub(crate) mod bits {
    pub(crate) const PRESENT: u64 = 1 << 0;
    pub(crate) const WRITE: u64 = 1 << 1;
    pub(crate) const USER: u64 = 1 << 2;
    pub(crate) const WRITE_THROUGH: u64 = 1 << 3;
    pub(crate) const CACHE_DISABLE: u64 = 1 << 4;
    pub(crate) const ACCESSED: u64 = 1 << 5;
    pub(crate) const DIRTY: u64 = 1 << 6;
    /// In an entry above the last level: maps a large page.
    pub(crate) const LARGE: u64 = 1 << 7;
    pub(crate) const GLOBAL: u64 = 1 << 8;
    pub(crate) const NO_EXECUTE: u64 = 1 << 63;
    /// The physical address.
    pub(crate) const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

    /// Kernel memory that may be executed, read, or written.
    pub(crate) const KERNEL_TEXT: u64 = PRESENT | GLOBAL | ACCESSED;
    pub(crate) const KERNEL_RODATA: u64 = KERNEL_TEXT | NO_EXECUTE;
    pub(crate) const KERNEL_DATA: u64 = KERNEL_RODATA | WRITE | DIRTY;
    pub(crate) const DEVICE: u64 = KERNEL_DATA | CACHE_DISABLE | WRITE_THROUGH;
    /// A link to a kernel table, and to one of user pages: the leaves decide.
    pub(crate) const KERNEL_LINK: u64 = PRESENT | WRITE | ACCESSED;
    pub(crate) const USER_LINK: u64 = KERNEL_LINK | USER;
}

impl Table {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 512])
    }

    /// The table in the frame at a physical address.
    ///
    /// # Safety
    /// The frame holds a page table for as long as the reference is used.
    pub(crate) unsafe fn at<'a>(physical: u64) -> &'a Self {
        // SAFETY: the direct map reaches all memory, and the caller says it is a table.
        unsafe { &*((DIRECT_BASE + (physical & bits::ADDRESS) as usize) as *const Self) }
    }

    /// Whether the entries of the group that begins at a slot are all empty.
    #[inline]
    pub(crate) fn group_is_empty(&self, slot: usize) -> bool {
        let group = &self.0[slot..slot + GROUP];
        group.iter().fold(0, |all, entry| all | entry.load(Relaxed)) == 0
    }

    /// The first entry from `from` up to `end` that is not empty.
    pub(crate) fn next_used(&self, from: usize, end: usize) -> Option<usize> {
        let mut slot = from;
        while slot < end {
            if self.0[slot].load(Relaxed) != 0 {
                return Some(slot);
            }
            let whole = slot.is_multiple_of(GROUP) && self.group_is_empty(slot);
            slot += if whole { GROUP } else { 1 };
        }
        None
    }

    /// The physical address of a table that is in the direct map or in the image.
    pub(crate) fn physical(&self) -> u64 {
        let address = core::ptr::from_ref(self) as usize;
        let base = if address >= IMAGE_BASE { IMAGE_BASE } else { DIRECT_BASE };
        (address - base) as u64
    }
}

impl Index<usize> for Table {
    type Output = AtomicU64;
    fn index(&self, index: usize) -> &AtomicU64 {
        &self.0[index]
    }
}

/// The index into the table of a level (1: the last, 4: the root) for an address.
pub(crate) const fn index(address: usize, level: usize) -> usize {
    address >> (PAGE_SHIFT + 9 * (level - 1)) & 511
}

/// How much memory an entry of a level covers.
pub(crate) const fn span(level: usize) -> usize {
    1 << (PAGE_SHIFT + 9 * (level - 1))
}
