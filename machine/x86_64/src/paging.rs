//! The kernel's half of the address space: made once, shared by all.
//!
//! Nothing in it is both writable and executable. That holds for the direct map too: where it shows the
//! image's code and constants, they are read-only there as well. All top-level entries exist before
//! the first user address space copies them; what changes later changes below.

use crate::boot;
use crate::entry::boot_stack_start;
use crate::features;
use crate::layout::{DEVICE_BASE, DIRECT_BASE, DIRECT_SIZE, IMAGE_BASE, STACK_BASE, image};
use crate::lock::SpinLock;
use crate::region;
use crate::registers::{cr4, set_cr3, set_cr4};
use crate::table::{Table, bits, index, span};
use contract::{OutOfFrames, PAGE_SIZE};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::*};

static ROOT: Table = Table::new();

/// The kernel's top-level table.
pub(crate) fn root() -> &'static Table {
    &ROOT
}

/// A zeroed frame for a kernel table: the machine's own while the kernel has none to give.
fn table_frame() -> Result<u64, OutOfFrames> {
    if let Some(frame) = region::take_early(1) {
        return Ok((frame * PAGE_SIZE) as u64);
    }
    let frame = (boot::upcalls().allocate_frame)(None).ok_or(OutOfFrames)?;
    Ok((frame.into_number() * PAGE_SIZE) as u64)
}

/// The entry of a level that an address goes through, with the tables above it.
///
/// Only one CPU at a time adds tables: at boot there is one, later the stacks' lock sees to it.
pub(crate) fn entry(address: usize, level: usize) -> Result<&'static AtomicU64, OutOfFrames> {
    let mut table = &ROOT;
    for above in (level + 1..=4).rev() {
        let link = &table[index(address, above)];
        let mut value = link.load(Acquire);
        if value & bits::PRESENT == 0 {
            value = table_frame()? | bits::KERNEL_LINK;
            link.store(value, Release);
        }
        debug_assert!(value & bits::LARGE == 0);
        // SAFETY: kernel tables are never freed.
        table = unsafe { Table::at(value) };
    }
    Ok(&table[index(address, level)])
}

/// Puts memory into the direct map, in the largest pages that fit. What is there already stays.
pub(crate) fn map_direct(memory: Range<usize>) -> Result<(), OutOfFrames> {
    const LARGE: usize = span(2);
    const HUGE: usize = span(3);
    let end = memory.end.min(DIRECT_SIZE).next_multiple_of(LARGE);
    let mut physical = memory.start & !(LARGE - 1);
    while physical < end {
        let address = DIRECT_BASE + physical;
        let huge = entry(address, 3)?;
        let value = huge.load(Relaxed);
        if value & bits::LARGE != 0 {
            physical = (physical & !(HUGE - 1)) + HUGE;
        } else if value == 0
            && physical.is_multiple_of(HUGE)
            && end - physical >= HUGE
            && features::get().huge_pages
        {
            huge.store(physical as u64 | bits::KERNEL_DATA | bits::LARGE, Release);
            physical += HUGE;
        } else {
            let large = entry(address, 2)?;
            if large.load(Relaxed) == 0 {
                large.store(physical as u64 | bits::KERNEL_DATA | bits::LARGE, Release);
            }
            physical += LARGE;
        }
    }
    Ok(())
}

/// Maps the image page by page, at its own address and in the direct map.
fn map_image() -> Result<(), OutOfFrames> {
    const LARGE: usize = span(2);
    let guard = boot_stack_start() - PAGE_SIZE;
    let (text_end, rodata_end, end) = (image::text_end(), image::rodata_end(), image::end());
    let mut block = image::start() & !(LARGE - 1);
    while block < end {
        let here = table_frame()?;
        let direct = table_frame()?;
        let physical = block - IMAGE_BASE;
        entry(block, 2)?.store(here | bits::KERNEL_LINK, Release);
        entry(DIRECT_BASE + physical, 2)?.store(direct | bits::KERNEL_LINK, Release);
        // SAFETY: both were just made for this.
        let (here, direct) = unsafe { (Table::at(here), Table::at(direct)) };
        for page in 0..512 {
            let address = block + page * PAGE_SIZE;
            let frame = (physical + page * PAGE_SIZE) as u64;
            let outside = address < image::start() || address >= end;
            let flags = if address < text_end {
                bits::KERNEL_TEXT
            } else if address < rodata_end {
                bits::KERNEL_RODATA
            } else {
                bits::KERNEL_DATA
            };
            if !outside && address != guard {
                here[page].store(frame | flags, Relaxed);
            }
            let flags = if outside { bits::KERNEL_DATA } else { flags | bits::NO_EXECUTE };
            direct[page].store(frame | flags, Relaxed);
        }
        block += LARGE;
    }
    Ok(())
}

/// Makes the kernel's tables for this memory and puts them into use.
pub(crate) fn start(memory: impl Iterator<Item = Range<usize>>) -> Result<(), OutOfFrames> {
    map_image()?;
    for range in memory {
        map_direct(range)?;
    }
    // The top-level entries that user address spaces will copy.
    entry(STACK_BASE, 3)?;
    entry(DEVICE_BASE, 1)?;
    adopt();
    Ok(())
}

/// Puts the kernel's tables and the processor's protections into use on this CPU.
pub(crate) fn adopt() {
    // SAFETY: the tables map the image, the stacks and the direct map; the bits are ones that the
    // processor has.
    unsafe {
        set_cr3(ROOT.physical());
        set_cr4(cr4() | features::get().cr4);
    }
}

static DEVICE_PAGES: SpinLock<usize> = SpinLock::new(0);

/// Maps a page of device registers, uncached, and returns its address. For boot; mappings stay.
pub(crate) fn map_device(physical: usize) -> Result<*mut u8, OutOfFrames> {
    let mut used = DEVICE_PAGES.lock();
    let address = DEVICE_BASE + *used * PAGE_SIZE;
    let frame = physical & !(PAGE_SIZE - 1);
    entry(address, 1)?.store(frame as u64 | bits::DEVICE, Release);
    *used += 1;
    Ok((address + physical % PAGE_SIZE) as *mut u8)
}
