//! One mapping.

use alloc::sync::Arc;
use core::ops::Range;

use contract::{Access, PAGE_SHIFT, PAGE_SIZE};

use crate::backing::{Backing, Source};
use crate::flags::VmFlags;

/// A run of pages that show the same thing under the same rules.
#[derive(Clone, Debug)]
pub struct Vma {
    /// Not empty, on page boundaries, within user addresses.
    pub(crate) range: Range<usize>,
    pub(crate) flags: VmFlags,
    pub(crate) source: Source,
}

impl Vma {
    /// The addresses.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// What is true of it.
    pub fn flags(&self) -> VmFlags {
        self.flags
    }

    /// What it shows.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The file that it shows, if it does.
    pub fn backing(&self) -> Option<&Arc<dyn Backing>> {
        match &self.source {
            Source::Anonymous => None,
            Source::File { backing, .. } => Some(backing),
        }
    }

    /// Where in its file it starts, in bytes; 0 without one.
    pub fn offset(&self) -> u64 {
        match &self.source {
            Source::Anonymous => 0,
            Source::File { first, .. } => first << PAGE_SHIFT,
        }
    }

    /// How many pages it has.
    pub fn pages(&self) -> usize {
        self.range.len() / PAGE_SIZE
    }

    /// Whether stores are seen by all who map it.
    pub fn is_shared(&self) -> bool {
        self.flags.contains(VmFlags::SHARED)
    }

    pub(crate) fn is_private_writable(&self) -> bool {
        self.flags.contains(VmFlags::WRITE) && !self.is_shared()
    }

    /// Whether the program may make such an access.
    pub(crate) fn allows(&self, access: Access) -> bool {
        match access {
            // The machine cannot map a page that may be stored to or executed and not read.
            Access::Read => !self.flags.is_inaccessible(),
            Access::Write => self.flags.contains(VmFlags::WRITE),
            Access::Execute => self.flags.contains(VmFlags::EXEC),
        }
    }

    /// The index in its file of the page at an address inside.
    pub(crate) fn index_of(&self, address: usize) -> u64 {
        let within = ((address - self.range.start) >> PAGE_SHIFT) as u64;
        match &self.source {
            Source::Anonymous => within,
            Source::File { first, .. } => first + within,
        }
    }

    /// The part of it in `range`, which overlaps it.
    pub(crate) fn cut_to(&self, range: Range<usize>) -> Self {
        let start = range.start.max(self.range.start);
        let end = range.end.min(self.range.end);
        let skipped = ((start - self.range.start) >> PAGE_SHIFT) as u64;
        Self { range: start..end, flags: self.flags, source: self.source.advanced(skipped) }
    }

    /// Whether `next` can be joined to its end.
    pub(crate) fn is_continued_by(&self, next: &Self) -> bool {
        self.range.end == next.range.start
            && self.flags == next.flags
            && self.source.is_continued_by(&next.source, self.pages() as u64)
    }
}
