//! Large pages in the real machine's page tables.

use alloc::sync::Arc;

use machine::memory::{AddressSpace, large_page_counters};
use machine::user::{self, USER_END};
use machine::{
    Block, Fault, Frame, LARGE_PAGE_FRAMES, LARGE_PAGE_SIZE, MappedVisitor, PAGE_SIZE, Protection,
    UnmapSink,
};
use memory::{LargePage, Page, alloc_large_page, alloc_page};

use crate::tools::{cpus, join_all, random, spawn};
use crate::user_mode::with_program;

const BASE: usize = 0x1000_0000_0000;

const DATA: Protection = Protection { write: true, execute: false };
const READ_ONLY: Protection = Protection { write: false, execute: false };

/// Maps a large page of zeros; false if something is mapped there.
fn map_large(space: &AddressSpace, at: usize) -> bool {
    let Some(pages) = alloc_large_page() else { return false };
    match space.map_large(at, pages.into_block(), DATA) {
        Ok(()) => true,
        Err(block) => {
            drop(LargePage::from_block(block));
            false
        }
    }
}

fn load(at: usize) -> Result<u8, Fault> {
    let mut byte = [0];
    user::copy_from(at, &mut byte).map(|()| byte[0])
}

fn store(at: usize, byte: u8) -> Result<(), Fault> {
    user::copy_to(at, &[byte])
}

/// Counts what comes out of an address space.
#[derive(Default, Debug, PartialEq, Eq)]
struct Removed {
    pages: usize,
    large: usize,
    written: usize,
}

impl UnmapSink for Removed {
    fn page(&mut self, frame: Frame, written: bool) {
        drop(Page::from_frame(frame));
        self.pages += 1;
        self.written += usize::from(written);
    }

    fn large(&mut self, block: Block, written: bool) {
        drop(LargePage::from_block(block));
        self.large += 1;
        self.written += usize::from(written);
    }
}

fn unmap(space: &AddressSpace, range: core::ops::Range<usize>) -> Removed {
    let mut removed = Removed::default();
    space.unmap(range, &mut removed);
    removed
}

/// Counts what is shown, and adds up where it is.
#[derive(Default)]
struct Seen {
    pages: usize,
    large: usize,
    next: usize,
}

impl MappedVisitor for Seen {
    fn page(&mut self, address: usize, _: usize, _: Protection) {
        assert!(address >= self.next);
        self.next = address + PAGE_SIZE;
        self.pages += 1;
    }

    fn large(&mut self, address: usize, _: usize, _: Protection) {
        assert!(address >= self.next);
        self.next = address + LARGE_PAGE_SIZE;
        self.large += 1;
    }
}

/// Mapped, split, replaced and removed, as a whole and in parts.
pub(crate) fn as_a_whole_and_in_parts() {
    with_program(|space| {
        let before = large_page_counters();
        assert!(space.is_vacant(BASE) && map_large(space, BASE) && !space.is_vacant(BASE));
        assert!(!map_large(space, BASE), "there is one");
        assert_eq!((load(BASE + 7), store(BASE + 9 * PAGE_SIZE, 3)), (Ok(0), Ok(())));
        let (first, protection) = space.large_at(BASE + 5).expect("a large page");
        assert_eq!(
            (space.look_up(BASE + 9 * PAGE_SIZE), protection),
            (Some((first + 9, DATA)), DATA)
        );
        // A page is mapped there: the frame comes back.
        let frame = alloc_page(None).expect("a page").into_frame();
        let number = frame.number();
        let Ok(Some(back)) = space.map_absent(BASE + PAGE_SIZE, frame, DATA) else {
            panic!("lost")
        };
        assert_eq!(back.number(), number);
        let mut run = [Some(back)];
        assert_eq!(space.map_run(BASE + PAGE_SIZE, &mut run, DATA), 0);
        run.into_iter().flatten().for_each(|frame| drop(Page::from_frame(frame)));
        // As a whole.
        space.protect(BASE..BASE + LARGE_PAGE_SIZE, READ_ONLY);
        assert_eq!((store(BASE, 1), load(BASE + 9 * PAGE_SIZE)), (Err(Fault), Ok(3)));
        assert!(space.large_at(BASE).is_some_and(|(_, protection)| protection == READ_ONLY));
        // A part of it as it is: nothing to do.
        space.protect(BASE..BASE + PAGE_SIZE, READ_ONLY);
        assert_eq!(large_page_counters().splits, before.splits);
        // Another part.
        space.protect(BASE + 9 * PAGE_SIZE..BASE + 12 * PAGE_SIZE, DATA);
        assert_eq!((store(BASE, 1), store(BASE + 11 * PAGE_SIZE, 4)), (Err(Fault), Ok(())));
        assert_eq!(space.large_at(BASE), None);
        let after = large_page_counters();
        assert_eq!((after.mapped, after.splits), (before.mapped, before.splits + 1));
        assert_eq!(space.look_up(BASE + 511 * PAGE_SIZE), Some((first + 511, READ_ONLY)));
        let mut seen = Seen::default();
        space.for_each_mapped(BASE..BASE + LARGE_PAGE_SIZE, &mut seen);
        assert_eq!((seen.pages, seen.large), (LARGE_PAGE_FRAMES, 0));
        // The large page was written to, so all its parts count as written to.
        let removed = unmap(space, BASE..BASE + LARGE_PAGE_SIZE);
        assert_eq!((removed.pages, removed.large), (LARGE_PAGE_FRAMES, 0));
        assert_eq!((removed.written, load(BASE)), (LARGE_PAGE_FRAMES, Err(Fault)));
        // In place of the empty table, and next to another; removed together.
        assert!(map_large(space, BASE) && map_large(space, BASE + LARGE_PAGE_SIZE));
        assert_eq!((load(BASE + 9 * PAGE_SIZE), store(BASE, 1)), (Ok(0), Ok(())));
        let mut seen = Seen::default();
        space.for_each_mapped(BASE..BASE + LARGE_PAGE_SIZE + PAGE_SIZE, &mut seen);
        assert_eq!((seen.pages, seen.large), (1, 1));
        let removed = unmap(space, BASE..BASE + LARGE_PAGE_SIZE + PAGE_SIZE);
        assert_eq!((removed.pages, removed.large, removed.written), (1, 1, 1));
        assert_eq!(load(BASE + LARGE_PAGE_SIZE + PAGE_SIZE), Ok(0));
        // A page in place of one of it, and its accessed bit.
        assert!(map_large(space, BASE) && store(BASE + 6 * PAGE_SIZE, 6) == Ok(()));
        let new = alloc_page(None).expect("a page");
        new.write(0, &[5]);
        let Ok(Some(old)) = space.map(BASE + 6 * PAGE_SIZE, new.into_frame(), READ_ONLY) else {
            panic!("nothing was there");
        };
        drop(Page::from_frame(old));
        assert_eq!((load(BASE + 6 * PAGE_SIZE), load(BASE + 7 * PAGE_SIZE)), (Ok(5), Ok(0)));
        let removed = unmap(space, BASE..USER_END);
        assert_eq!((removed.pages, removed.large), (2 * LARGE_PAGE_FRAMES - 1, 0));
        assert_eq!(large_page_counters().mapped, before.mapped);
    });
}

/// Address spaces end with large pages, whole and split, mapped in them, and the frames are all there.
pub(crate) fn go_with_their_space() {
    const ROUNDS: usize = 30;
    let free = memory::statistics().free;
    let mapped = large_page_counters().mapped;
    for round in 0..ROUNDS {
        let space = AddressSpace::new().expect("a page-table root");
        for number in 0..3 {
            assert!(map_large(&space, BASE + number * LARGE_PAGE_SIZE));
        }
        for number in 0..round % 4 {
            let _ = space.clear_accessed(BASE + number * LARGE_PAGE_SIZE);
        }
        if round % 2 == 0 {
            unmap(&space, BASE..BASE + 2 * LARGE_PAGE_SIZE);
        }
        if round % 3 == 0 {
            unmap(&space, 0..USER_END);
        }
    }
    assert_eq!(large_page_counters().mapped, mapped);
    let lost = free.saturating_sub(memory::statistics().free) / PAGE_SIZE;
    assert!(lost < LARGE_PAGE_FRAMES, "{lost} frames are lost");
}

/// A thread on every CPU changes its own large page of one address space, in parts and as a whole, and reads everybody's; what a
/// thread has unmapped or replaced it never sees again.
pub(crate) fn one_space_on_every_cpu() {
    /// Of these pages of a large one it is known what is in them.
    const WATCHED: [usize; 4] = [0, 5, 100, 511];
    let space = Arc::new(AddressSpace::new().expect("a page-table root"));
    let threads = cpus().into_iter().map(|cpu| {
        let space = space.clone();
        spawn("shootdown", move |_| {
            sched::use_address_space(Some(space.clone()));
            let own = BASE + cpu * LARGE_PAGE_SIZE;
            let whole = own..own + LARGE_PAGE_SIZE;
            let mut expected = [None; WATCHED.len()];
            for _ in 0..150 {
                let which = random(WATCHED.len() as u64) as usize;
                let at = own + WATCHED[which] * PAGE_SIZE;
                match random(8) {
                    0 | 1 => {
                        if space.is_vacant(own) && map_large(&space, own) {
                            expected = [Some(0); WATCHED.len()];
                        }
                    }
                    2 => {
                        unmap(&space, whole.clone());
                        expected = [None; WATCHED.len()];
                    }
                    3 => {
                        unmap(&space, at..at + PAGE_SIZE);
                        expected[which] = None;
                    }
                    4 => {
                        let _ = space.clear_accessed(at);
                    }
                    5 => {
                        space.protect(at..at + PAGE_SIZE, READ_ONLY);
                        assert_eq!(store(at, 1), Err(Fault));
                        space.protect(whole.clone(), DATA);
                    }
                    6 => {
                        let value = random(256) as u8;
                        assert_eq!(store(at, value).is_ok(), expected[which].is_some());
                        expected[which] = expected[which].map(|_| value);
                    }
                    _ => {
                        // Somebody else's, so that this CPU has a translation of it.
                        let other = BASE + random(4) as usize * LARGE_PAGE_SIZE;
                        let _ = load(other + WATCHED[which] * PAGE_SIZE);
                    }
                }
                for (page, expected) in WATCHED.iter().zip(expected) {
                    assert_eq!(load(own + page * PAGE_SIZE).ok(), expected, "page {page}");
                }
            }
            unmap(&space, whole);
            sched::use_address_space(None);
            0
        })
    });
    join_all(threads.collect());
    unmap(&space, 0..USER_END);
}
