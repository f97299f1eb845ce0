//! Large pages: whatever is done to them, what is mapped where is the same as without them.

use contract::{
    Block, Frame, LARGE_PAGE_FRAMES, LARGE_PAGE_SIZE, MappedVisitor, PAGE_SIZE, Protection,
    UnmapSink,
};
use machine_sim::memory::{AddressSpace, large_page_counters};
use proptest::prelude::*;
use std::ops::Range;

/// Large pages at the start of the address space, all but the first. Each has its own frames, and so has each page that is mapped alone.
const LARGE: usize = 3;
const PAGES: usize = LARGE * LARGE_PAGE_FRAMES;

#[derive(Clone, Debug)]
enum Step {
    MapLarge(usize, bool),
    Map(usize, bool),
    MapAbsent(usize, bool),
    Unmap(Range<usize>),
    Protect(Range<usize>, bool),
    Split(usize),
}

/// Borders of large pages and places near them are as likely as all others together.
fn page() -> impl Strategy<Value = usize> {
    let near = (0..=LARGE, 0..3usize).prop_map(|(large, more)| {
        (large * LARGE_PAGE_FRAMES + more).saturating_sub(1).min(PAGES - 1)
    });
    prop_oneof![near, 0..PAGES]
}

fn pages() -> impl Strategy<Value = Range<usize>> {
    (page(), prop_oneof![Just(PAGES), page()]).prop_map(|(a, b)| a.min(b)..a.max(b))
}

fn step() -> impl Strategy<Value = Step> {
    let write = any::<bool>();
    prop_oneof![
        3 => (0..LARGE, write).prop_map(|(number, write)| Step::MapLarge(number, write)),
        1 => (page(), write).prop_map(|(page, write)| Step::Map(page, write)),
        1 => (page(), write).prop_map(|(page, write)| Step::MapAbsent(page, write)),
        3 => pages().prop_map(Step::Unmap),
        2 => (pages(), write).prop_map(|(pages, write)| Step::Protect(pages, write)),
        1 => page().prop_map(Step::Split),
    ]
}

/// What the entry of a page is, whichever size it has.
type Model = Vec<Option<(usize, Protection)>>;

#[derive(Default)]
struct Removed(Vec<usize>);

impl UnmapSink for Removed {
    fn page(&mut self, frame: Frame, _: bool) {
        self.0.push(frame.into_number());
    }

    fn large(&mut self, block: Block, _: bool) {
        self.0.extend(block.into_frames().map(Frame::into_number));
    }
}

/// What is mapped, as it is visited; the number of large pages that were visited as such.
struct Visited(Model, usize);

impl MappedVisitor for Visited {
    fn page(&mut self, address: usize, frame: usize, protection: Protection) {
        let place = &mut self.0[address / PAGE_SIZE];
        assert!(place.is_none(), "{address:#x} is visited twice");
        *place = Some((frame, protection));
    }

    fn large(&mut self, address: usize, first: usize, protection: Protection) {
        self.1 += 1;
        for number in 0..LARGE_PAGE_FRAMES {
            self.page(address + number * PAGE_SIZE, first + number, protection);
        }
    }
}

fn addresses(pages: &Range<usize>) -> Range<usize> {
    pages.start * PAGE_SIZE..pages.end * PAGE_SIZE
}

fn visited(space: &AddressSpace, pages: &Range<usize>) -> Visited {
    let mut visited = Visited(vec![None; PAGES], 0);
    space.for_each_mapped(addresses(pages), &mut visited);
    visited
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn same_as_an_array_of_pages(steps in prop::collection::vec(step(), 1..40), look in pages()) {
        let space = AddressSpace::new().unwrap();
        let mapped = large_page_counters().mapped;
        let mut model: Model = vec![None; PAGES];
        let mut next = LARGE_PAGE_FRAMES;
        let mut new = || {
            next += LARGE_PAGE_FRAMES;
            next
        };
        let protection = |write| Protection { write, execute: false };
        for step in steps {
            match step {
                Step::MapLarge(number, write) => {
                    let first = new();
                    // SAFETY: no memory stands behind these numbers, and each is used once.
                    let block = unsafe { Block::from_first(first) };
                    let pages = number * LARGE_PAGE_FRAMES..(number + 1) * LARGE_PAGE_FRAMES;
                    let vacant = model[pages.clone()].iter().all(Option::is_none);
                    let at = number * LARGE_PAGE_SIZE;
                    prop_assert_eq!(space.is_vacant(at + 5 * PAGE_SIZE), vacant);
                    match space.map_large(at, block, protection(write)) {
                        Ok(()) => {
                            prop_assert!(vacant);
                            for (place, frame) in model[pages].iter_mut().zip(first..) {
                                *place = Some((frame, protection(write)));
                            }
                        }
                        Err(block) => prop_assert!(!vacant && block.into_first() == first),
                    }
                }
                Step::Map(page, write) => {
                    // SAFETY: as above.
                    let frame = unsafe { Frame::from_number(new()) };
                    let entry = (frame.number(), protection(write));
                    let old = space.map(page * PAGE_SIZE, frame, entry.1).unwrap();
                    let was = model[page].replace(entry);
                    prop_assert_eq!(old.map(Frame::into_number), was.map(|(frame, _)| frame));
                }
                Step::MapAbsent(page, write) => {
                    // SAFETY: as above.
                    let frame = unsafe { Frame::from_number(new()) };
                    let entry = (frame.number(), protection(write));
                    let back = space.map_absent(page * PAGE_SIZE, frame, entry.1).unwrap();
                    prop_assert_eq!(back.map(Frame::into_number), model[page].map(|_| entry.0));
                    model[page].get_or_insert(entry);
                }
                Step::Unmap(pages) => {
                    let mut removed = Removed::default();
                    space.unmap(addresses(&pages), &mut removed);
                    let mut expected: Vec<usize> =
                        model[pages.clone()].iter().flatten().map(|&(frame, _)| frame).collect();
                    removed.0.sort_unstable();
                    expected.sort_unstable();
                    prop_assert_eq!(removed.0, expected);
                    model[pages].fill(None);
                }
                Step::Protect(pages, write) => {
                    space.protect(addresses(&pages), protection(write));
                    for (_, it) in model[pages].iter_mut().flatten() {
                        *it = protection(write);
                    }
                }
                Step::Split(page) => {
                    let _ = space.clear_accessed(page * PAGE_SIZE);
                    prop_assert_eq!(space.large_at(page * PAGE_SIZE), None);
                }
            }
            let all = visited(&space, &(0..PAGES));
            prop_assert_eq!(&all.0, &model);
            prop_assert_eq!(all.1, large_page_counters().mapped - mapped);
            for (page, expected) in model.iter().enumerate() {
                prop_assert_eq!(space.look_up(page * PAGE_SIZE + 8), *expected);
            }
            let part = visited(&space, &look).0;
            prop_assert_eq!(&part[look.clone()], &model[look.clone()]);
            prop_assert!(part[..look.start].iter().chain(&part[look.end..]).all(Option::is_none));
        }
        space.unmap(0..PAGES * PAGE_SIZE, &mut Removed::default());
        prop_assert_eq!(large_page_counters().mapped, mapped);
    }
}
