//! Page tables and their entries.

use crate::layout::{DIRECT_BASE, IMAGE_BASE};
use contract::PAGE_SHIFT;
use core::ops::Index;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Most entries of most tables are empty, so this many are looked at in one go.
pub const GROUP: usize = 8;

/// A page table of any level. The processor reads and changes it at any time, hence the atomics.
#[repr(C, align(4096))]
pub struct Table([AtomicU64; 512]);

/// Bits of an entry.
pub mod bits {
    pub const PRESENT: u64 = 1 << 0;
    pub const WRITE: u64 = 1 << 1;
    pub const USER: u64 = 1 << 2;
    pub const WRITE_THROUGH: u64 = 1 << 3;
    pub const CACHE_DISABLE: u64 = 1 << 4;
    pub const ACCESSED: u64 = 1 << 5;
    pub const DIRTY: u64 = 1 << 6;
    /// In an entry above the last level: maps a large page.
    pub const LARGE: u64 = 1 << 7;
    pub const GLOBAL: u64 = 1 << 8;
    pub const NO_EXECUTE: u64 = 1 << 63;
    /// The physical address.
    pub const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

    /// Kernel memory that may be executed, read, or written.
    pub const KERNEL_TEXT: u64 = PRESENT | GLOBAL | ACCESSED;
    pub const KERNEL_RODATA: u64 = KERNEL_TEXT | NO_EXECUTE;
    pub const KERNEL_DATA: u64 = KERNEL_RODATA | WRITE | DIRTY;
    pub const DEVICE: u64 = KERNEL_DATA | CACHE_DISABLE | WRITE_THROUGH;
    /// A link to a kernel table, and to one of user pages: the leaves decide.
    pub const KERNEL_LINK: u64 = PRESENT | WRITE | ACCESSED;
    pub const USER_LINK: u64 = KERNEL_LINK | USER;
}

impl Table {
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 512])
    }

    /// The table in the frame at a physical address.
    ///
    /// # Safety
    /// The frame holds a page table for as long as the reference is used.
    pub unsafe fn at<'a>(physical: u64) -> &'a Self {
        // SAFETY: the direct map reaches all memory, and the caller says it is a table.
        unsafe { &*((DIRECT_BASE + (physical & bits::ADDRESS) as usize) as *const Self) }
    }

    /// Whether the entries of the group that begins at a slot are all empty.
    #[inline]
    pub fn group_is_empty(&self, slot: usize) -> bool {
        let group = &self.0[slot..slot + GROUP];
        group.iter().fold(0, |all, entry| all | entry.load(Relaxed)) == 0
    }

    /// The first entry from `from` up to `end` that is not empty.
    pub fn next_used(&self, from: usize, end: usize) -> Option<usize> {
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
    pub fn physical(&self) -> u64 {
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
pub const fn index(address: usize, level: usize) -> usize {
    address >> (PAGE_SHIFT + 9 * (level - 1)) & 511
}

/// How much memory an entry of a level covers.
pub const fn span(level: usize) -> usize {
    1 << (PAGE_SHIFT + 9 * (level - 1))
}
