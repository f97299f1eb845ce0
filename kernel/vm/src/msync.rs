//! `msync`, and telling files which of their pages were stored into.

use core::ops::ControlFlow;

use arrayvec::ArrayVec;
use contract::PAGE_SIZE;
use errno::Errno;

use crate::map::page_range;
use crate::mm::Mm;
use crate::vma::Vma;

/// `MS_*`: what `msync` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncFlags {
    /// Wait until the pages are written.
    pub wait: bool,
    /// Fail where pages are locked.
    pub invalidate: bool,
}

impl Mm {
    /// Writes what was stored into shared mappings of files back. May sleep.
    ///
    /// # Errors
    /// EINVAL: an odd address. ENOMEM: some of it is not mapped; the rest is done. EBUSY: locked
    /// pages and `invalidate`. EIO, ENOSPC: from the file.
    pub fn msync(&self, address: usize, length: usize, flags: SyncFlags) -> Result<(), Errno> {
        let range = page_range(address, length, Errno::ENOMEM)?;
        let state = self.state.read();
        for vma in state.mappings.overlapping(range.clone()) {
            if flags.invalidate && vma.flags.contains(crate::VmFlags::LOCKED) {
                return Err(Errno::EBUSY);
            }
            let Some(backing) = vma.backing() else { continue };
            if flags.wait && vma.is_shared() {
                let part = vma.cut_to(range.clone());
                let first = part.offset() / PAGE_SIZE as u64;
                backing.write_back(first..first + part.pages() as u64)?;
            }
        }
        if state.mappings.covers(range) { Ok(()) } else { Err(Errno::ENOMEM) }
    }
}

/// Marks the pages of a mapping dirty, if it is shared: at unmapping, when some were stored into and nobody
/// kept account of which. Takes as long as the file has pages at hand, however large the mapping is.
pub(crate) fn mark_range_dirty(vma: &Vma) {
    if !vma.is_shared() {
        return;
    }
    let Some(backing) = vma.backing().filter(|backing| !backing.is_shared_memory()) else { return };
    let mut next = vma.offset() / PAGE_SIZE as u64;
    let end = next + vma.pages() as u64;
    loop {
        // Marking may sleep, which a visitor may not.
        let mut some = ArrayVec::<u64, 64>::new();
        backing.pages_at_hand(next..end, &mut |index, _| {
            some.push(index);
            if some.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let Some(&last) = some.last() else { return };
        for index in some {
            // The file has had its say when the page was first stored into.
            let _ = backing.mark_dirty(index);
        }
        next = last + 1;
    }
}
