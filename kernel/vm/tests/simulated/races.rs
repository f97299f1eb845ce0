//! Several CPUs in one address space, over many seeds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use vm::{Advice, Mm, Prot};

use crate::harness::{
    Body, PAGE, anonymous, borrow_another, in_user, load, over_seeds, start, store, together,
};

/// Two threads touch the same fresh pages at once: both stores are there, in one page.
#[test]
fn simultaneous_first_stores_both_count() {
    over_seeds(200, 3, || {
        let mm = Mm::new().unwrap();
        let at = mm.mmap(&anonymous(4)).unwrap();
        let writer = |offset: usize| -> Body {
            Box::new(move || {
                (0..4).for_each(|page| store(at + page * PAGE + offset, 1 + offset as u8).unwrap());
            })
        };
        together(&mm, vec![writer(0), writer(1), writer(2)]);
        in_user(&mm, move || {
            for address in (0..4).flat_map(|page| (0..3).map(move |byte| at + page * PAGE + byte)) {
                assert_eq!(load(address), Ok(1 + (address % PAGE) as u8));
            }
        });
        assert_eq!(mm.statistics().resident, 4);
        drop(mm);
        borrow_another();
    });
}

/// A parent that goes on storing while it forks: the child sees each counter at one moment, and
/// never a later store.
#[test]
fn a_child_is_a_snapshot() {
    over_seeds(200, 3, || {
        let parent = Mm::new().unwrap();
        let at = parent.mmap(&anonymous(2)).unwrap();
        let storing = start(
            &parent,
            Box::new(move || {
                for value in 1..20 {
                    store(at, value).unwrap();
                    store(at + PAGE, value).unwrap();
                }
            }),
        );
        let child = parent.fork().unwrap();
        let reading = start(
            &child,
            Box::new(move || {
                let (first, second) = (load(at).unwrap(), load(at + PAGE).unwrap());
                assert!(first == second || first == second + 1, "{first} and {second}");
                for _ in 0..5 {
                    assert_eq!((load(at), load(at + PAGE)), (Ok(first), Ok(second)));
                    sched::yield_now();
                }
                store(at, 200).unwrap();
            }),
        );
        storing.join();
        reading.join();
        in_user(&parent, move || assert_eq!((load(at), load(at + PAGE)), (Ok(19), Ok(19))));
        drop((parent, child));
        borrow_another();
    });
}

/// Parent and child break sharing of one page at the same moment.
#[test]
fn both_sides_copy_at_once() {
    over_seeds(200, 3, || {
        let parent = Mm::new().unwrap();
        let at = parent.mmap(&anonymous(1)).unwrap();
        in_user(&parent, move || store(at, 1).unwrap());
        let child = parent.fork().unwrap();
        let side = |mm: &Arc<Mm>, value: u8| {
            start(
                mm,
                Box::new(move || {
                    assert_eq!(load(at), Ok(1));
                    store(at, value).unwrap();
                    assert_eq!(load(at), Ok(value));
                }),
            )
        };
        let sides = [side(&parent, 2), side(&child, 3)];
        sides.into_iter().for_each(|side| side.join());
        drop((parent, child));
        borrow_another();
    });
}

/// Several threads copy a page that they share with a child at the same moment: one copy counts,
/// and has all stores.
#[test]
fn threads_copy_a_page_together() {
    over_seeds(200, 3, || {
        let mm = Mm::new().unwrap();
        let at = mm.mmap(&anonymous(4)).unwrap();
        in_user(&mm, move || (0..4).for_each(|page| store(at + page * PAGE, 9).unwrap()));
        let child = mm.fork().unwrap();
        let writer = |offset: usize| -> Body {
            Box::new(move || {
                (0..4).for_each(|page| store(at + page * PAGE + offset, offset as u8).unwrap());
            })
        };
        together(&mm, vec![writer(1), writer(2), writer(3)]);
        in_user(&mm, move || {
            for page in (at..).step_by(PAGE).take(4) {
                assert_eq!([0, 1, 2, 3].map(|byte| load(page + byte).unwrap()), [9, 1, 2, 3]);
            }
        });
        drop((mm, child));
        borrow_another();
    });
}

/// One thread changes the mapping under another that uses it: the user sees its value, zero, or a
/// fault, and nothing else.
#[test]
fn changes_under_a_user() {
    over_seeds(200, 3, || {
        let mm = Mm::new().unwrap();
        let at = mm.mmap(&anonymous(2)).unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        let (with, told) = (mm.clone(), done.clone());
        let changer: Body = Box::new(move || {
            for _ in 0..4 {
                with.mprotect(at, 2 * PAGE, Prot::READ).unwrap();
                with.mprotect(at, PAGE, Prot::empty()).unwrap();
                with.madvise(at + PAGE, PAGE, Advice::Discard).unwrap();
                with.mprotect(at, 2 * PAGE, Prot::READ | Prot::WRITE).unwrap();
            }
            told.store(1, Ordering::Relaxed);
        });
        let user: Body = Box::new(move || {
            let mut last = 0;
            while done.load(Ordering::Relaxed) == 0 {
                let next = last % 200 + 1;
                if store(at, next).is_ok() {
                    last = next;
                }
                if let Ok(value) = load(at) {
                    assert_eq!(value, last);
                }
                let _ = store(at + PAGE, 9);
                assert!(matches!(load(at + PAGE), Ok(0 | 9)));
                machine::irq::point();
            }
        });
        together(&mm, vec![changer, user]);
        assert_eq!(mm.mappings().unwrap().len(), 1);
        drop(mm);
        borrow_another();
    });
}
