//! Large pages.

use std::sync::Arc;

use contract::{LARGE_PAGE_FRAMES as FRAMES, LARGE_PAGE_SIZE as LARGE};
use fault::{Plan, Point, When};
use vm::{Advice, Force, LargePageStatistics, MapFlags, Mm, Prot, RemapFlags, Welcome};

use crate::harness::{
    Body, PAGE, anonymous, borrow_another, in_user, load, once, over_seeds, start, store, together,
    used,
};

/// A mapping of so many large pages, aligned as they are.
fn aligned(mm: &Mm, count: usize) -> usize {
    let at = mm.mmap(&anonymous((count + 1) * FRAMES)).unwrap();
    let start = at.next_multiple_of(LARGE);
    if start > at {
        mm.munmap(at, start - at).unwrap();
    }
    mm.munmap(start + count * LARGE, at + LARGE - start).unwrap();
    start
}

fn is_large(mm: &Mm, address: usize) -> bool {
    mm.address_space().large_at(address).is_some()
}

/// The same with large pages welcome everywhere, and a large page that was stored to, byte 7 in each 100th page.
fn filled(mm: &Arc<Mm>, count: usize) -> usize {
    Welcome::Always.set();
    let at = aligned(mm, count);
    in_user(mm, move || {
        (0..count * FRAMES).step_by(100).for_each(|page| store(at + page * PAGE, 7).unwrap());
    });
    assert!((0..count).all(|number| is_large(mm, at + number * LARGE)));
    at
}

fn peek(mm: &Arc<Mm>, address: usize) -> u8 {
    let mut byte = [0];
    assert_eq!(mm.read_remote(address, &mut byte, Force::Yes), 1);
    byte[0]
}

#[test]
fn a_store_takes_a_large_page() {
    once(|| {
        let before = used();
        let counters = machine::memory::large_page_counters();
        let mm = Mm::new().unwrap();
        let at = filled(&mm, 2);
        assert_eq!(mm.statistics().resident, 2 * FRAMES);
        assert_eq!(mm.statistics().anonymous, 2 * FRAMES);
        let vma = mm.find(at).unwrap();
        let usage = mm.usage(&vma);
        assert_eq!((usage.resident, usage.large, usage.shared), (2 * FRAMES, 2 * FRAMES, 0));
        assert_eq!([at, at + 100 * PAGE, at + PAGE].map(|at| peek(&mm, at)), [7, 7, 0]);
        let mapped = machine::memory::large_page_counters().mapped - counters.mapped;
        assert_eq!(mapped, 2);
        mm.munmap(at, LARGE).unwrap();
        assert_eq!((mm.statistics().resident, peek(&mm, at + LARGE + 88 * PAGE)), (FRAMES, 7));
        let taken_again = LargePageStatistics::current().taken;
        drop(mm);
        borrow_another();
        assert_eq!(machine::memory::large_page_counters(), counters);
        assert_eq!(LargePageStatistics::current().taken, taken_again);
        assert!(used() <= before + 2 * PAGE);
    });
}

#[test]
fn large_pages_are_where_they_are_welcome() {
    once(|| {
        let mm = Mm::new().unwrap();
        let touched = |mm: &Arc<Mm>, at: usize| {
            in_user(mm, move || store(at + 5 * PAGE, 1).unwrap());
            let large = is_large(mm, at);
            // Not all of it may be mapped.
            let _ = mm.madvise(at, LARGE, Advice::Discard);
            large
        };
        let advised = aligned(&mm, 1);
        mm.madvise(advised, LARGE, Advice::LargePages(true)).unwrap();
        let refused = aligned(&mm, 1);
        mm.madvise(refused, LARGE, Advice::LargePages(false)).unwrap();
        let plain = aligned(&mm, 1);
        for (welcome, expected) in [
            (Welcome::Always, [true, false, true]),
            (Welcome::Madvise, [true, false, false]),
            (Welcome::Never, [false, false, false]),
        ] {
            welcome.set();
            assert_eq!(Welcome::current(), welcome);
            assert_eq!([advised, refused, plain].map(|at| touched(&mm, at)), expected);
        }
        Welcome::Always.set();
        mm.refuse_large_pages(true);
        assert!(mm.fork().unwrap().refuses_large_pages());
        assert!(!touched(&mm, plain));
        mm.refuse_large_pages(false);
        // The other advice takes it back.
        mm.madvise(refused, LARGE, Advice::LargePages(true)).unwrap();
        assert!(touched(&mm, refused));

        // It is not there as a whole: too little is mapped, or something is there.
        let two = aligned(&mm, 2);
        mm.munmap(two + 2 * LARGE - PAGE, PAGE).unwrap();
        assert!(touched(&mm, two) && !touched(&mm, two + LARGE));
        mm.munmap(plain + LARGE - PAGE, PAGE).unwrap();
        assert!(!touched(&mm, plain));
        in_user(&mm, move || assert_eq!(load(advised + PAGE), Ok(0)));
        assert!(!touched(&mm, advised), "a load has taken a small page");
        assert!(touched(&mm, advised), "an empty table is no hindrance");
        LargePageStatistics::let_loads_take_small(false);
        in_user(&mm, move || assert_eq!(load(advised + PAGE), Ok(0)));
        assert!(is_large(&mm, advised));
        LargePageStatistics::let_loads_take_small(true);
        // What others see as well, and what is a file's, has small ones.
        let mut request = anonymous(2 * FRAMES);
        request.flags = MapFlags::SHARED | MapFlags::ANONYMOUS;
        let shared = mm.mmap(&request).unwrap().next_multiple_of(LARGE);
        assert!(!touched(&mm, shared));
    });
}

/// Whatever is asked of a part, the rest stays as it is, with small pages.
#[test]
fn a_part_splits_the_whole() {
    once(|| {
        let splits = || machine::memory::large_page_counters().splits;
        let change: [fn(&Arc<Mm>, usize); 6] = [
            |mm, at| mm.munmap(at, PAGE).unwrap(),
            |mm, at| mm.munmap(at + 50 * PAGE, 100 * PAGE).unwrap(),
            |mm, at| mm.madvise(at + LARGE - PAGE, PAGE, Advice::Discard).unwrap(),
            |mm, at| mm.mprotect(at + 2 * PAGE, PAGE, Prot::READ).unwrap(),
            |mm, at| mm.mprotect(at + 300 * PAGE, 212 * PAGE, Prot::empty()).unwrap(),
            |mm, at| {
                let _ = mm.address_space().clear_accessed(at);
            },
        ];
        for change in change {
            let mm = Mm::new().unwrap();
            let at = filled(&mm, 1);
            let frame = mm.address_space().look_up(at + 200 * PAGE);
            let before = splits();
            change(&mm, at);
            assert_eq!(splits(), before + 1);
            assert!(!is_large(&mm, at));
            assert_eq!(mm.address_space().look_up(at + 200 * PAGE), frame);
            assert_eq!(peek(&mm, at + 200 * PAGE), 7);
            in_user(&mm, move || store(at + 200 * PAGE, 8).unwrap());
            assert_eq!(mm.address_space().look_up(at + 200 * PAGE), frame);
            // Nothing splits it twice.
            change(&mm, at);
            assert_eq!(splits(), before + 1);
        }
    });
}

#[test]
fn the_whole_stays_whole() {
    once(|| {
        let mm = Mm::new().unwrap();
        let at = filled(&mm, 2);
        let splits = machine::memory::large_page_counters().splits;
        mm.mprotect(at, 2 * LARGE, Prot::READ).unwrap();
        in_user(&mm, move || assert!(load(at) == Ok(7) && store(at, 1).is_err()));
        mm.mprotect(at, LARGE, Prot::READ | Prot::WRITE).unwrap();
        in_user(&mm, move || {
            assert!(store(at + LARGE, 1).is_err());
            store(at + PAGE, 1).unwrap();
            store(at + 2 * PAGE, 1).unwrap();
        });
        assert!(is_large(&mm, at) && is_large(&mm, at + LARGE));
        assert!(mm.address_space().large_at(at).unwrap().1.write);
        mm.madvise(at, LARGE, Advice::Discard).unwrap();
        assert_eq!((peek(&mm, at), mm.statistics().resident), (0, FRAMES + 1));
        assert_eq!(machine::memory::large_page_counters().splits, splits);
        let mut count = 0;
        mm.mincore(at, 2 * LARGE, |here| count += usize::from(here)).unwrap();
        assert_eq!(count, FRAMES + 1);
        mm.mlock(at, 2 * LARGE, true).unwrap();
        assert_eq!(mm.statistics().resident, 2 * FRAMES);
    });
}

#[test]
fn a_child_shares_it_until_somebody_stores() {
    once(|| {
        let parent = Mm::new().unwrap();
        let at = filled(&parent, 2);
        let first = |mm: &Mm, at| mm.address_space().large_at(at).map(|(first, _)| first);
        let frames = [at, at + LARGE].map(|at| first(&parent, at));
        let before = used();
        let child = parent.fork().unwrap();
        assert!(used() - before < 20 * PAGE, "{} bytes", used() - before);
        assert_eq!([at, at + LARGE].map(|at| first(&child, at)), frames);
        assert_eq!(child.statistics().resident, 2 * FRAMES);
        in_user(&child, move || store(at + 100 * PAGE, 8).unwrap());
        assert_eq!([at, at + LARGE].map(|at| is_large(&child, at)), [false, true]);
        assert_eq!([at, at + LARGE].map(|at| first(&parent, at)), frames);
        assert_eq!((peek(&parent, at + 100 * PAGE), peek(&child, at + 100 * PAGE)), (7, 8));
        // The parent has a page of the first to itself, and others not: they part.
        in_user(&parent, move || {
            store(at + 100 * PAGE, 9).unwrap();
            store(at + 200 * PAGE, 9).unwrap();
        });
        assert!(!is_large(&parent, at));
        assert_eq!((peek(&parent, at + 200 * PAGE), peek(&child, at + 200 * PAGE)), (9, 7));
        drop(child);
        borrow_another();
        // And the second is its own again, as a whole.
        in_user(&parent, move || {
            store(at + LARGE, 3).unwrap();
            store(at + LARGE + 5 * PAGE, 3).unwrap();
        });
        assert_eq!(first(&parent, at + LARGE), frames[1]);
        assert_eq!(parent.statistics().resident, 2 * FRAMES);
        in_user(&parent, move || assert_eq!(load(at + 200 * PAGE), Ok(9)));
    });
}

/// Half of a large page is another mapping: what becomes of one is not the other's.
#[test]
fn a_mapping_ends_inside() {
    once(|| {
        const HALF: usize = LARGE / 2;
        let mm = Mm::new().unwrap();
        let at = filled(&mm, 2);
        drop(mm.fork().unwrap());
        mm.mprotect(at + HALF, HALF, Prot::READ).unwrap();
        assert!(is_large(&mm, at), "nothing may be stored anyway");
        in_user(&mm, move || {
            store(at, 1).unwrap();
            assert!(store(at + HALF + 44 * PAGE, 1).is_err());
            assert_eq!(load(at + HALF + 44 * PAGE), Ok(7));
        });
        mm.madvise(at + LARGE, HALF, Advice::Fork(false)).unwrap();
        assert!(is_large(&mm, at + LARGE));
        let child = mm.fork().unwrap();
        assert!(child.find(at + LARGE).is_none());
        assert_eq!(peek(&child, at + LARGE + HALF + 32 * PAGE), 7);
        mm.munmap(at + LARGE + HALF, HALF).unwrap();
        assert_eq!(peek(&mm, at + LARGE + 88 * PAGE), 7);
    });
}

#[test]
fn a_mapping_moves_with_its_large_pages() {
    once(|| {
        let mm = Mm::new().unwrap();
        let at = filled(&mm, 2);
        let flags = RemapFlags::MAYMOVE | RemapFlags::FIXED;
        let to = aligned(&mm, 3);
        assert_eq!(mm.mremap(at, 2 * LARGE, 2 * LARGE, flags, to), Ok(to));
        assert!(is_large(&mm, to) && is_large(&mm, to + LARGE));
        assert_eq!((peek(&mm, to + 100 * PAGE), mm.statistics().resident), (7, 2 * FRAMES));
        let odd = at + 3 * PAGE;
        assert_eq!(mm.mremap(to, LARGE, LARGE, flags, odd), Ok(odd));
        assert!(!is_large(&mm, odd) && is_large(&mm, to + LARGE));
        assert_eq!((peek(&mm, odd + 100 * PAGE), mm.statistics().resident), (7, 2 * FRAMES));
        // Cut in the middle.
        let last = aligned(&mm, 2);
        assert_eq!(mm.mremap(to + LARGE, 300 * PAGE, 300 * PAGE, flags, last), Ok(last));
        assert_eq!((peek(&mm, last + 88 * PAGE), peek(&mm, to + LARGE + 388 * PAGE)), (7, 7));
        // Hidden, and back.
        mm.mprotect(odd, LARGE, Prot::empty()).unwrap();
        mm.mprotect(odd, LARGE, Prot::READ).unwrap();
        assert_eq!((peek(&mm, odd + 100 * PAGE), mm.statistics().resident), (7, 2 * FRAMES));
    });
}

#[test]
fn without_a_block_there_are_small_pages() {
    once(|| {
        Welcome::Always.set();
        let mm = Mm::new().unwrap();
        let at = aligned(&mm, 1);
        let missed = LargePageStatistics::current().missed;
        in_user(&mm, move || {
            fault::arm(Plan { point: Some(Point::Page), when: When::Nth(1) });
            store(at, 1).unwrap();
            assert_eq!(fault::disarm().failed, 1);
        });
        assert!(!is_large(&mm, at));
        assert_eq!(mm.statistics().resident, 1);
        assert_eq!(LargePageStatistics::current().missed, missed + 1);
        // As long as there is memory, large or small.
        let areas = [aligned(&mm, 20), aligned(&mm, 20)];
        let with = mm.clone();
        in_user(&mm, move || {
            let pages = areas.into_iter().flat_map(|at| (at..at + 20 * LARGE).step_by(PAGE));
            let mut last = 0;
            for page in pages.take_while(|_| memory::require_free().is_ok()) {
                store(page, 1).unwrap();
                last = page;
            }
            assert!(is_large(&with, areas[0]) && (areas[1]..areas[1] + 19 * LARGE).contains(&last));
            assert!(!is_large(&with, last));
        });
    });
}

/// Every allocation on the way fails in turn, and nothing is lost.
#[test]
fn a_fork_of_large_pages_that_fails_leaves_nothing() {
    once(|| {
        let parent = Mm::new().unwrap();
        let at = filled(&parent, 3);
        drop(parent.fork().unwrap());
        let before = (used(), machine::memory::large_page_counters());
        for nth in 1.. {
            fault::arm(Plan { point: None, when: When::Nth(nth) });
            let outcome = parent.fork();
            if fault::disarm().failed == 0 {
                assert!(outcome.is_ok() && nth > 4);
                break;
            }
            assert!(outcome.is_err());
            assert_eq!((used(), machine::memory::large_page_counters()), before);
        }
        in_user(&parent, move || {
            (0..3 * FRAMES).step_by(100).for_each(|page| store(at + page * PAGE, 5).unwrap());
        });
        assert!(is_large(&parent, at));
    });
}

/// Threads touch the same place for the first time: all stores are in one page, large or small.
#[test]
fn simultaneous_first_stores_make_one_large_page() {
    over_seeds(100, 3, || {
        Welcome::Always.set();
        let mm = Mm::new().unwrap();
        let at = aligned(&mm, 1);
        let writer = |number: usize| -> Body {
            Box::new(move || {
                if number == 3 {
                    // A load takes a small page, if it comes first.
                    assert!(matches!(load(at + 9 * PAGE), Ok(0 | 1)));
                }
                for page in [0, 9, 511] {
                    store(at + page * PAGE + number, 1 + number as u8).unwrap();
                }
            })
        };
        together(&mm, (0..4).map(writer).collect());
        in_user(&mm, move || {
            for (page, number) in [0, 9, 511].into_iter().flat_map(|p| (0..4).map(move |n| (p, n)))
            {
                assert_eq!(load(at + page * PAGE + number), Ok(1 + number as u8));
            }
        });
        let resident = mm.statistics().resident;
        assert_eq!(resident, if is_large(&mm, at) { FRAMES } else { 3 });
        drop(mm);
        borrow_another();
    });
}

/// Threads store, a parent forks, parts are unmapped, protected and thrown away, all at once; in each page there is what its
/// thread stored last.
#[test]
fn c07_large_pages_change_under_their_users() {
    over_seeds(100, 3, || {
        let mm = Mm::new().unwrap();
        let at = filled(&mm, 2);
        let keeper = |page: usize| -> Body {
            Box::new(move || {
                for value in 1..12 {
                    store(at + page * PAGE, value).unwrap();
                    machine::irq::point();
                    assert_eq!(load(at + page * PAGE), Ok(value));
                }
            })
        };
        let (with, forks) = (mm.clone(), mm.clone());
        let changer: Body = Box::new(move || {
            with.mprotect(at + 300 * PAGE, 20 * PAGE, Prot::READ).unwrap();
            with.madvise(at + LARGE, LARGE, Advice::Discard).unwrap();
            with.munmap(at + 100 * PAGE, 10 * PAGE).unwrap();
            with.mprotect(at, 90 * PAGE, Prot::READ | Prot::WRITE | Prot::EXEC).unwrap();
        });
        let forker: Body = Box::new(move || {
            for _ in 0..2 {
                let child = forks.fork().unwrap();
                let seen = [1, 511].map(|page| peek(&child, at + page * PAGE));
                machine::irq::point();
                assert_eq!([1, 511].map(|page| peek(&child, at + page * PAGE)), seen);
            }
        });
        together(&mm, vec![keeper(1), keeper(511), changer, forker]);
        assert_eq!([1, 511, 200].map(|page| peek(&mm, at + page * PAGE)), [11, 11, 7]);
        drop(mm);
        borrow_another();
    });
}

/// A store goes on while its large page is split: that it was written to is known afterwards.
#[test]
fn a_split_knows_of_stores() {
    over_seeds(200, 2, || {
        let mm = Mm::new().unwrap();
        let at = filled(&mm, 1);
        // A fresh mapping of the same frames, not written to yet.
        mm.mprotect(at, LARGE, Prot::READ).unwrap();
        let to = aligned(&mm, 1);
        let flags = RemapFlags::MAYMOVE | RemapFlags::FIXED;
        mm.mremap(at, LARGE, LARGE, flags, to).unwrap();
        mm.mprotect(to, LARGE, Prot::READ | Prot::WRITE).unwrap();
        // Makes it writable by a store, and forgets that it was written to.
        let space = mm.address_space().clone();
        let storing = start(&mm, Box::new(move || store(to + 7 * PAGE, 1).unwrap()));
        let splitting = start(
            &mm,
            Box::new(move || {
                let _ = space.clear_accessed(to);
            }),
        );
        storing.join();
        splitting.join();
        let mut written = None;
        mm.address_space().unmap(to..to + LARGE, &mut |frame: contract::Frame, dirty: bool| {
            let page = memory::Page::from_frame(frame);
            let mut byte = [0];
            page.read(0, &mut byte);
            if byte == [1] {
                written = Some(dirty);
            }
        });
        assert_eq!(written, Some(true));
        drop(mm);
        borrow_another();
    });
}
