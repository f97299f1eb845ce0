//! A program's mappings, in the order of their addresses. Pure bookkeeping: pages and page tables
//! are elsewhere.
//!
//! Invariant: mappings do not overlap, and two that could be one are one, after each of the calls
//! here.

use alloc::collections::BTreeMap;
use core::ops::Range;

use contract::PAGE_SIZE;
use errno::Errno;

use crate::flags::VmFlags;
use crate::vma::Vma;

/// The lowest address that a program may map: keeps null pointers with offsets from being good
/// ones. Linux's mmap_min_addr.
pub(crate) const LOWEST: usize = 64 << 10;
/// The distance that a growing stack keeps from what lies below it: Linux's stack_guard_gap.
pub(crate) const GUARD_GAP: usize = 256 * PAGE_SIZE;
/// The most mappings of one program: Linux's default max_map_count.
const MOST: usize = 65530;

/// All mappings of one address space.
#[derive(Debug, Default)]
pub(crate) struct Mappings {
    by_start: BTreeMap<usize, Vma>,
    totals: Totals,
}

/// Sizes of all mappings together, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) all: usize,
    pub(crate) data: usize,
    pub(crate) stack: usize,
    pub(crate) executable: usize,
    pub(crate) locked: usize,
}

impl Totals {
    fn count(&mut self, vma: &Vma, sign: fn(usize, usize) -> usize) {
        let pages = vma.pages();
        self.all = sign(self.all, pages);
        for (total, counts) in [
            (&mut self.data, vma.flags.is_data()),
            (&mut self.stack, vma.flags.contains(VmFlags::GROWS_DOWN)),
            (&mut self.executable, is_text(vma.flags)),
            (&mut self.locked, vma.flags.contains(VmFlags::LOCKED)),
        ] {
            if counts {
                *total = sign(*total, pages);
            }
        }
    }
}

/// Code that cannot be changed, as Linux's VmExe and VmLib count it.
fn is_text(flags: VmFlags) -> bool {
    flags.contains(VmFlags::EXEC) && !flags.contains(VmFlags::WRITE)
}

impl Mappings {
    /// In order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Vma> {
        self.by_start.values()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_start.len()
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// The mapping around an address.
    pub(crate) fn find(&self, address: usize) -> Option<&Vma> {
        let (_, vma) = self.by_start.range(..=address).next_back()?;
        (address < vma.range.end).then_some(vma)
    }

    /// The first mapping that ends above an address: the one around it, or the next.
    pub(crate) fn find_or_above(&self, address: usize) -> Option<&Vma> {
        self.find(address).or_else(|| Some(self.by_start.range(address..).next()?.1))
    }

    /// The last mapping that ends at or below an address.
    pub(crate) fn below(&self, address: usize) -> Option<&Vma> {
        self.by_start.range(..address).next_back().map(|(_, vma)| vma)
    }

    /// The mappings that have a page in a range, in order.
    pub(crate) fn overlapping(&self, range: Range<usize>) -> impl Iterator<Item = &Vma> {
        let first = self.find(range.start).map_or(range.start, |vma| vma.range.start);
        self.by_start.range(first..range.end.max(first)).map(|(_, vma)| vma)
    }

    /// How many bytes of a range are mapped.
    pub(crate) fn mapped_in(&self, range: Range<usize>) -> usize {
        let part = |vma: &Vma| range.end.min(vma.range.end) - range.start.max(vma.range.start);
        self.overlapping(range.clone()).map(part).sum()
    }

    /// Whether nothing is mapped in a range.
    pub(crate) fn is_free(&self, range: Range<usize>) -> bool {
        self.overlapping(range).next().is_none()
    }

    /// Whether a mapping may go exactly there: nothing is in the way, and a stack above keeps its
    /// guard gap.
    pub(crate) fn has_gap(&self, range: Range<usize>) -> bool {
        self.is_free(range.clone())
            && self.find_or_above(range.end).is_none_or(|above| floor_of(above) >= range.end)
    }

    /// Whether all of a range is mapped.
    pub(crate) fn covers(&self, range: Range<usize>) -> bool {
        let mut reached = range.start;
        for vma in self.overlapping(range.clone()) {
            if vma.range.start > reached {
                return false;
            }
            reached = vma.range.end;
        }
        reached >= range.end
    }

    /// Whether `more` mappings may be added.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn check_room(&self, more: usize) -> Result<(), Errno> {
        if fault::should_fail(fault::Point::Mapping) || self.len() + more > MOST {
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }

    /// Adds a mapping where nothing is mapped, joining it to its neighbours.
    pub(crate) fn insert(&mut self, vma: Vma) {
        debug_assert!(self.is_free(vma.range()), "{vma:x?} overlaps");
        let mut vma = vma;
        if let Some(below) = self.below(vma.range.start)
            && below.is_continued_by(&vma)
        {
            let start = below.range.start;
            if let Some(below) = self.take(start) {
                vma = Vma { range: below.range.start..vma.range.end, ..below };
            }
        }
        if let Some(above) = self.by_start.get(&vma.range.end)
            && vma.is_continued_by(above)
        {
            let end = above.range.end;
            self.take(vma.range.end);
            vma.range.end = end;
        }
        self.put(vma);
    }

    /// Takes out what is mapped in a range and hands it over piece by piece, in order; what sticks
    /// out stays.
    pub(crate) fn remove(&mut self, range: Range<usize>, mut sink: impl FnMut(Vma)) {
        while let Some(piece) = self.cut_out(range.clone()) {
            sink(piece);
        }
    }

    /// Changes the flags of what is mapped in a range. Doing it twice is doing it once.
    pub(crate) fn update(&mut self, range: Range<usize>, change: impl Fn(VmFlags) -> VmFlags) {
        let mut rest = range;
        while let Some(mut piece) = self.cut_out(rest.clone()) {
            // A piece that is joined to what comes after it is cut out again, and changed again to
            // the same.
            rest.start = piece.range.end;
            piece.flags = change(piece.flags);
            self.insert(piece);
        }
    }

    /// Takes out the first piece that is mapped in a range.
    fn cut_out(&mut self, range: Range<usize>) -> Option<Vma> {
        if range.is_empty() {
            return None;
        }
        let start = self.overlapping(range.clone()).next()?.range.start;
        let vma = self.take(start)?;
        if vma.range.start < range.start {
            self.put(vma.cut_to(vma.range.start..range.start));
        }
        if vma.range.end > range.end {
            self.put(vma.cut_to(range.end..vma.range.end));
        }
        Some(vma.cut_to(range))
    }

    /// Moves the start of the mapping at `start` down.
    pub(crate) fn grow_down(&mut self, start: usize, new_start: usize) {
        if let Some(mut vma) = self.take(start) {
            vma.range.start = new_start;
            self.put(vma);
        }
    }

    /// Room for `length` bytes: the highest that ends at or below `base`, or else the lowest above
    /// it.
    pub(crate) fn find_gap(&self, length: usize, base: usize, end: usize) -> Option<usize> {
        self.gap_below(length, base).or_else(|| self.gap_above(length, base.max(LOWEST), end))
    }

    fn gap_below(&self, length: usize, base: usize) -> Option<usize> {
        // The end of the gap under consideration: down from the base, mapping by mapping.
        let mut end = base;
        if let Some(vma) = self.find_or_above(base) {
            end = end.min(floor_of(vma));
        }
        for vma in self.by_start.range(..base).rev().map(|(_, vma)| vma) {
            if vma.range.end <= end && end - vma.range.end >= length {
                break;
            }
            end = end.min(floor_of(vma));
        }
        end.checked_sub(length).filter(|&start| start >= LOWEST)
    }

    fn gap_above(&self, length: usize, base: usize, end: usize) -> Option<usize> {
        let mut start = self.find(base).map_or(base, |vma| vma.range.end);
        for (_, vma) in self.by_start.range(start..) {
            if floor_of(vma) >= start && floor_of(vma) - start >= length {
                break;
            }
            start = vma.range.end;
        }
        (start <= end && end - start >= length).then_some(start)
    }

    fn take(&mut self, start: usize) -> Option<Vma> {
        let vma = self.by_start.remove(&start)?;
        self.totals.count(&vma, |total, pages| total - pages);
        Some(vma)
    }

    fn put(&mut self, vma: Vma) {
        self.totals.count(&vma, |total, pages| total + pages);
        self.by_start.insert(vma.range.start, vma);
    }
}

/// The lowest address that belongs to a mapping, its guard gap included.
fn floor_of(vma: &Vma) -> usize {
    if vma.flags.contains(VmFlags::GROWS_DOWN) {
        vma.range.start.saturating_sub(GUARD_GAP)
    } else {
        vma.range.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backing::Source;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const PAGES: usize = 64;

    fn pages(range: Range<usize>) -> Range<usize> {
        range.start * PAGE_SIZE..range.end * PAGE_SIZE
    }

    fn vma(range: Range<usize>, flags: VmFlags) -> Vma {
        Vma { range: pages(range), flags, source: Source::Anonymous }
    }

    /// What the mappings say about each page.
    fn flattened(mappings: &Mappings) -> Vec<Option<VmFlags>> {
        (0..PAGES).map(|page| mappings.find(page * PAGE_SIZE).map(|vma| vma.flags)).collect()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Map(Range<usize>, VmFlags),
        Unmap(Range<usize>),
        Protect(Range<usize>, VmFlags),
    }

    fn some_pages() -> impl Strategy<Value = Range<usize>> {
        (0..PAGES, 1..16usize).prop_map(|(start, length)| start..(start + length).min(PAGES))
    }

    fn some_flags() -> impl Strategy<Value = VmFlags> {
        prop::sample::select(vec![
            VmFlags::READ,
            VmFlags::READ | VmFlags::WRITE,
            VmFlags::empty(),
            VmFlags::READ | VmFlags::EXEC,
        ])
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (some_pages(), some_flags()).prop_map(|(range, flags)| Step::Map(range, flags)),
            some_pages().prop_map(Step::Unmap),
            (some_pages(), some_flags()).prop_map(|(range, flags)| Step::Protect(range, flags)),
        ]
    }

    proptest! {
        /// Any sequence of changes leaves what the same changes to an array of pages leave, in as
        /// few mappings as can be.
        #[test]
        fn same_as_an_array_of_pages(steps in prop::collection::vec(step(), 1..40)) {
            let mut mappings = Mappings::default();
            let mut model: Vec<Option<VmFlags>> = vec![None; PAGES];
            for step in steps {
                match step {
                    Step::Map(range, flags) => {
                        mappings.remove(pages(range.clone()), |_| ());
                        mappings.insert(vma(range.clone(), flags));
                        model[range].fill(Some(flags));
                    }
                    Step::Unmap(range) => {
                        let mut removed = 0;
                        mappings.remove(pages(range.clone()), |piece| removed += piece.pages());
                        prop_assert_eq!(removed, model[range.clone()].iter().flatten().count());
                        model[range].fill(None);
                    }
                    Step::Protect(range, flags) => {
                        mappings.update(pages(range.clone()), |_| flags);
                        for page in model[range].iter_mut().flatten() {
                            *page = flags;
                        }
                    }
                }
                prop_assert_eq!(&flattened(&mappings), &model);
                let runs = model.chunk_by(|a, b| a == b).filter(|run| run[0].is_some()).count();
                prop_assert_eq!(mappings.len(), runs);
                prop_assert_eq!(mappings.totals().all, model.iter().flatten().count());
                let writable = |flags: &&VmFlags| flags.is_data();
                let data = model.iter().flatten().filter(writable).count();
                prop_assert_eq!(mappings.totals().data, data);
            }
        }

        /// A gap is free, and no higher one was passed over.
        #[test]
        fn gaps_are_the_highest(
            taken in prop::collection::vec(some_pages(), 0..12),
            length in 1..8usize,
        ) {
            let lowest = LOWEST / PAGE_SIZE;
            let mut mappings = Mappings::default();
            let mut model = [false; PAGES];
            for range in taken {
                mappings.remove(pages(range.clone()), |_| ());
                mappings.insert(vma(range.clone(), VmFlags::READ));
                model[range].fill(true);
            }
            let fits = |start: &usize| !model[*start..start + length].contains(&true);
            let expected = (lowest..=PAGES - length).rev().find(fits);
            let found = mappings.gap_below(length * PAGE_SIZE, PAGES * PAGE_SIZE);
            prop_assert_eq!(found.map(|start| start / PAGE_SIZE), expected);
            let end = 2 * PAGES * PAGE_SIZE;
            let anywhere = mappings.find_gap(length * PAGE_SIZE, PAGES * PAGE_SIZE, end);
            let is_free = |start| mappings.is_free(start..start + length * PAGE_SIZE);
            prop_assert!(anywhere.is_some_and(is_free));
        }
    }

    #[test]
    fn covering_needs_every_page() {
        let mut mappings = Mappings::default();
        mappings.insert(vma(10..12, VmFlags::READ));
        mappings.insert(vma(12..14, VmFlags::WRITE));
        mappings.insert(vma(15..20, VmFlags::READ));
        assert!(mappings.covers(pages(10..14)));
        assert!(mappings.covers(pages(11..13)));
        assert!(!mappings.covers(pages(10..15)));
        assert!(!mappings.covers(pages(14..15)));
        assert!(!mappings.covers(pages(9..12)));
        assert!(!mappings.covers(pages(18..21)));
    }

    #[test]
    fn a_stack_keeps_others_away() {
        let mut mappings = Mappings::default();
        let stack = VmFlags::READ | VmFlags::WRITE | VmFlags::GROWS_DOWN;
        mappings.insert(vma(1000..1010, stack));
        let guard = GUARD_GAP / PAGE_SIZE;
        assert!(mappings.has_gap(pages(1000 - guard - 5..1000 - guard)));
        assert!(!mappings.has_gap(pages(1000 - guard - 5..1000 - guard + 1)));
        let found = mappings.gap_below(PAGE_SIZE, 1010 * PAGE_SIZE);
        assert_eq!(found, Some((1000 - guard - 1) * PAGE_SIZE));
    }
}
