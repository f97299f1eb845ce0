//! `mremap`: a mapping becomes longer, shorter, or goes elsewhere.

use alloc::vec::Vec;
use core::ops::Range;

use bitflags::bitflags;
use contract::{LARGE_PAGE_FRAMES, LARGE_PAGE_SIZE, MappedVisitor, PAGE_SIZE, Protection};
use errno::Errno;
use machine::user::USER_END;
use memory::{LargePage, Page};

use crate::flags::VmFlags;
use crate::map::{check_limits, page_range, page_up};
use crate::mappings::LOWEST;
use crate::mm::{Mm, State};
use crate::rss::Kind;
use crate::vma::Vma;

bitflags! {
    /// `MREMAP_*`, with Linux's values.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RemapFlags: u32 {
        /// It may go elsewhere.
        const MAYMOVE = 1;
        /// It goes to the address given, replacing what is there.
        const FIXED = 2;
        /// The old mapping stays, empty.
        const DONTUNMAP = 4;
    }
}

impl Mm {
    /// Changes the length of a mapping, or its place, and returns its address. May sleep.
    ///
    /// # Errors
    /// EINVAL: odd addresses, no new length, a new place that overlaps the old, flags that do not
    /// go together. EFAULT: the old range is not (part of) one mapping. ENOMEM: no room, no memory,
    /// over a limit.
    pub fn mremap(
        &self,
        old_address: usize,
        old_length: usize,
        new_length: usize,
        flags: RemapFlags,
        new_address: usize,
    ) -> Result<usize, Errno> {
        let old = page_range(old_address, old_length, Errno::EINVAL)?;
        let length = page_up(new_length).filter(|&length| length != 0).ok_or(Errno::EINVAL)?;
        let fixed = flags.contains(RemapFlags::FIXED);
        let keep = flags.contains(RemapFlags::DONTUNMAP);
        if old.is_empty()
            || (fixed || keep) && !flags.contains(RemapFlags::MAYMOVE)
            || keep && length != old.len()
        {
            return Err(Errno::EINVAL);
        }
        let mut state = self.state.write();
        let vma = state.mappings.find(old.start).ok_or(Errno::EFAULT)?;
        if old.end > vma.range.end {
            return Err(Errno::EFAULT);
        }
        let whole_tail = old.end == vma.range.end;
        let vma = vma.cut_to(old.clone());
        if keep && (vma.is_shared() || vma.backing().is_some()) {
            return Err(Errno::EINVAL);
        }
        if fixed {
            let new = page_range(new_address, length, Errno::EINVAL)?;
            if new.start < old.end && old.start < new.end {
                return Err(Errno::EINVAL);
            }
            if new.start < LOWEST {
                return Err(Errno::EPERM);
            }
            return self.move_mapping(&mut state, vma, new, keep);
        }
        if !keep {
            if length <= old.len() {
                self.unmap_range(&mut state, old.start + length..old.end);
                return Ok(old.start);
            }
            if whole_tail && self.extend(&mut state, &vma, length).is_some() {
                return Ok(old.start);
            }
        }
        if !flags.contains(RemapFlags::MAYMOVE) {
            return Err(Errno::ENOMEM);
        }
        let start = state
            .mappings
            .find_gap(length, state.layout.mmap_base, USER_END & !(PAGE_SIZE - 1))
            .ok_or(Errno::ENOMEM)?;
        self.move_mapping(&mut state, vma, start..start + length, keep)
    }

    /// Makes a mapping longer where it is. `None`: it cannot.
    fn extend(&self, state: &mut State, vma: &Vma, length: usize) -> Option<()> {
        let end = vma.range.start.checked_add(length).filter(|&end| end <= USER_END)?;
        let added = vma.range.end..end;
        if !state.mappings.has_gap(added.clone()) {
            return None;
        }
        check_limits(state, added.clone(), 0, vma.flags).ok()?;
        let source = vma.source.advanced(vma.pages() as u64);
        state.mappings.insert(Vma { range: added, flags: vma.flags, source });
        state.note_peak();
        Some(())
    }

    /// Moves a mapping, or a piece of one, with its pages.
    fn move_mapping(
        &self,
        state: &mut State,
        vma: Vma,
        new: Range<usize>,
        keep: bool,
    ) -> Result<usize, Errno> {
        let moved = vma.range.len().min(new.len());
        let added = if keep { new.len() } else { new.len() - moved };
        let more = new.start..new.start + added;
        let replaced = state.mappings.mapped_in(more.clone());
        check_limits(state, more, replaced, vma.flags)?;
        state.mappings.check_room(3)?;
        self.unmap_range(state, new.clone());
        let old = vma.range.start..vma.range.start + moved;
        if let Err(error) = self.share_pages(&vma, old.clone(), new.start) {
            let target = Vma { range: new.start..new.start + moved, ..vma };
            self.unmap_pages(&target);
            return Err(error);
        }
        self.move_parked(state, old, new.start);
        if keep {
            self.unmap_pages(&vma);
        } else {
            self.unmap_range(state, vma.range());
        }
        let start = new.start;
        let flags = if keep { vma.flags } else { vma.flags.difference(VmFlags::GROWS_DOWN) };
        state.mappings.insert(Vma { range: new, flags, source: vma.source });
        state.note_peak();
        Ok(start)
    }

    /// Maps the pages of `old` a second time, from `new_start` on. The mappings are held for
    /// writing, so no fault comes in between; the program may store through the old place until
    /// that is unmapped, into the same pages.
    fn share_pages(&self, vma: &Vma, old: Range<usize>, new_start: usize) -> Result<(), Errno> {
        let mut found = Found { pieces: Vec::new(), enough: true };
        let expected = self.rss.total().min(old.len() / PAGE_SIZE);
        found.enough = found.pieces.try_reserve(expected).is_ok();
        self.space.for_each_mapped(old.clone(), &mut found);
        if !found.enough {
            return Err(Errno::ENOMEM);
        }
        for Piece { address, frame, protection, large } in found.pieces {
            let target = new_start + (address - old.start);
            if !large {
                self.share_page(vma, frame, target, protection)?;
            } else if target.is_multiple_of(LARGE_PAGE_SIZE) {
                self.share_large(frame, target, protection)?;
            } else {
                for place in 0..LARGE_PAGE_FRAMES {
                    let target = target + place * PAGE_SIZE;
                    self.share_page(vma, frame + place, target, protection)?;
                }
            }
        }
        Ok(())
    }

    fn share_large(
        &self,
        first: usize,
        target: usize,
        protection: Protection,
    ) -> Result<(), Errno> {
        let Some(pages) = LargePage::try_get(first) else { return Ok(()) };
        match self.space.map_large(target, pages.into_block(), protection) {
            Ok(()) => {
                self.rss.add_many(Kind::Anonymous, LARGE_PAGE_FRAMES);
                Ok(())
            }
            Err(block) => {
                drop(LargePage::from_block(block));
                Err(Errno::ENOMEM)
            }
        }
    }

    fn share_page(
        &self,
        vma: &Vma,
        frame: usize,
        target: usize,
        protection: Protection,
    ) -> Result<(), Errno> {
        let Some(page) = Page::try_get(frame) else { return Ok(()) };
        let kind = Kind::of(vma, &page);
        match self.space.map(target, page.into_frame(), protection) {
            Ok(old) => {
                debug_assert!(old.is_none(), "the new place was emptied");
                old.map(Page::from_frame);
                self.rss.add(kind);
                Ok(())
            }
            Err(frame) => {
                drop(Page::from_frame(frame));
                Err(Errno::ENOMEM)
            }
        }
    }

    fn move_parked(&self, state: &mut State, old: Range<usize>, new_start: usize) {
        while let Some((&address, _)) = state.parked.range(old.clone()).next() {
            if let Some(page) = state.parked.remove(&address) {
                state.parked.insert(new_start + (address - old.start), page);
            }
        }
    }
}

/// What is mapped in a range.
struct Found {
    pieces: Vec<Piece>,
    /// There was memory for all of them.
    enough: bool,
}

/// A page, or a large one.
struct Piece {
    address: usize,
    frame: usize,
    protection: Protection,
    large: bool,
}

impl Found {
    fn push(&mut self, piece: Piece) {
        self.enough = self.enough && self.pieces.try_reserve(1).is_ok();
        if self.enough {
            self.pieces.push(piece);
        }
    }
}

impl MappedVisitor for Found {
    fn page(&mut self, address: usize, frame: usize, protection: Protection) {
        self.push(Piece { address, frame, protection, large: false });
    }

    fn large(&mut self, address: usize, frame: usize, protection: Protection) {
        self.push(Piece { address, frame, protection, large: true });
    }
}
