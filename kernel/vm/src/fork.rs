//! `fork`: a second address space that shows the same.
//!
//! Private pages are shared from now on and copied at the next store, by whichever side stores
//! first: both sides' entries lose their permission to store, the parent's before the child's
//! exist, in one flush a mapping. Pages that a file has are not carried over: the child finds them
//! again when it needs them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use contract::{LARGE_PAGE_FRAMES, MappedVisitor, Protection};
use errno::Errno;
use memory::{LargePage, Page};

use crate::backing::{Backing, Source};
use crate::flags::VmFlags;
use crate::mm::Mm;
use crate::rss::Kind;
use crate::vma::Vma;

impl Mm {
    /// A copy of the address space, for a child. May sleep.
    ///
    /// # Errors
    /// ENOMEM: nothing is left of the copy.
    pub fn fork(&self) -> Result<Arc<Self>, Errno> {
        let state = self.state.write();
        let mut copy = state.inherit();
        let mut own = Own::default();
        for vma in state.mappings.iter() {
            if !vma.flags.contains(VmFlags::DONT_COPY) {
                copy.mappings.insert(own.inherited(vma));
            }
        }
        for (&address, page) in &state.parked {
            let goes = copy.mappings.find(address).is_some_and(carries_pages);
            if goes {
                copy.parked.insert(address, page.clone());
            }
        }
        copy.note_peak();
        let parked = copy.parked.len();
        // From here on dropping `child` undoes all.
        let child = Self::with_state(copy)?;
        child.register_barriers(self.barriers());
        child.refuse_large_pages(self.refuses_large_pages());
        (0..parked).for_each(|_| child.rss.add(Kind::Anonymous));
        for vma in state.mappings.iter() {
            if !vma.flags.contains(VmFlags::DONT_COPY) && carries_pages(vma) {
                self.share_with(&child, vma)?;
            }
        }
        Ok(child)
    }

    /// Shares the program's own pages of a mapping with a child.
    fn share_with(&self, child: &Self, vma: &Vma) -> Result<(), Errno> {
        if vma.flags.contains(VmFlags::WRITE) {
            // Also stops threads that are storing at this moment: after the flush they fault, and
            // wait for the lock.
            self.space.protect(vma.range(), vma.flags.read_only());
        }
        let mut sharing = Sharing { child, vma, outcome: Ok(()) };
        self.space.for_each_mapped(vma.range(), &mut sharing);
        sharing.outcome
    }
}

/// Maps pages for a child, too.
struct Sharing<'a> {
    child: &'a Mm,
    vma: &'a Vma,
    outcome: Result<(), Errno>,
}

impl MappedVisitor for Sharing<'_> {
    fn page(&mut self, address: usize, frame: usize, _: Protection) {
        if self.outcome.is_err() {
            return;
        }
        let Some(page) = Page::try_get(frame).filter(Page::is_anonymous) else { return };
        match self.child.space.map(address, page.into_frame(), self.vma.flags.read_only()) {
            Ok(old) => {
                old.map(Page::from_frame);
                self.child.rss.add(Kind::Anonymous);
            }
            Err(frame) => {
                drop(Page::from_frame(frame));
                self.outcome = Err(Errno::ENOMEM);
            }
        }
    }

    fn large(&mut self, address: usize, first: usize, _: Protection) {
        if self.outcome.is_err() {
            return;
        }
        let Some(pages) = LargePage::try_get(first) else { return };
        let block = pages.into_block();
        match self.child.space.map_large(address, block, self.vma.flags.read_only()) {
            Ok(()) => self.child.rss.add_many(Kind::Anonymous, LARGE_PAGE_FRAMES),
            Err(block) => {
                drop(LargePage::from_block(block));
                self.outcome = Err(Errno::ENOMEM);
            }
        }
    }
}

/// Whether a child gets the pages, not only the mapping.
fn carries_pages(vma: &Vma) -> bool {
    !vma.is_shared() && !vma.flags.contains(VmFlags::WIPE_ON_FORK)
}

/// What a child holds in place of what its parent holds, for those of which each has its own: all pieces that were one
/// mapping once hold the same.
#[derive(Default)]
struct Own(Vec<(Arc<dyn Backing>, Arc<dyn Backing>)>);

impl Own {
    /// The mapping as a child has it: locks are not inherited.
    fn inherited(&mut self, vma: &Vma) -> Vma {
        let source = match &vma.source {
            Source::File { backing, first } => {
                Source::File { backing: self.of(backing), first: *first }
            }
            Source::Anonymous => Source::Anonymous,
        };
        Vma { range: vma.range(), flags: vma.flags.difference(VmFlags::LOCKED), source }
    }

    fn of(&mut self, parents: &Arc<dyn Backing>) -> Arc<dyn Backing> {
        if let Some((_, own)) = self.0.iter().find(|(other, _)| Arc::ptr_eq(other, parents)) {
            return own.clone();
        }
        let Some(own) = parents.for_child() else { return parents.clone() };
        self.0.push((parents.clone(), own.clone()));
        own
    }
}
