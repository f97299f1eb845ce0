//! Fork and copy on write.

use std::sync::Arc;

use errno::Errno;
use fault::{Plan, Point, When};
use vm::{Advice, Force, FutexPlace, MapFlags, Mm, Prot};

use crate::harness::{PAGE, anonymous, in_user, load, once, store, used};

fn peek(mm: &Arc<Mm>, address: usize) -> u8 {
    let mut byte = [0];
    assert_eq!(mm.read_remote(address, &mut byte, Force::Yes), 1);
    byte[0]
}

#[test]
fn neither_side_sees_the_others_stores() {
    once(|| {
        let parent = Mm::new().unwrap();
        let at = parent.mmap(&anonymous(3)).unwrap();
        in_user(&parent, move || (0..3).for_each(|page| store(at + page * PAGE, 1).unwrap()));
        let child = parent.fork().unwrap();
        assert_eq!(child.statistics().resident, 3);
        in_user(&parent, move || store(at, 2).unwrap());
        in_user(&child, move || {
            assert_eq!(load(at), Ok(1));
            store(at + PAGE, 3).unwrap();
        });
        in_user(&parent, move || {
            assert_eq!(load(at), Ok(2));
            assert_eq!(load(at + PAGE), Ok(1));
        });
        assert_eq!(peek(&child, at + 2 * PAGE), 1);
        assert_eq!((parent.statistics().resident, child.statistics().resident), (3, 3));
    });
}

#[test]
fn the_last_one_stores_in_place() {
    once(|| {
        let parent = Mm::new().unwrap();
        let at = parent.mmap(&anonymous(1)).unwrap();
        in_user(&parent, move || store(at, 1).unwrap());
        let frame = parent.address_space().look_up(at).unwrap().0;
        let child = parent.fork().unwrap();
        in_user(&child, move || store(at, 2).unwrap());
        assert_ne!(child.address_space().look_up(at).unwrap().0, frame);
        in_user(&parent, move || store(at, 3).unwrap());
        assert_eq!(parent.address_space().look_up(at).unwrap().0, frame);
    });
}

#[test]
fn what_a_child_gets_is_as_advised() {
    once(|| {
        let parent = Mm::new().unwrap();
        let kept = parent.mmap(&anonymous(1)).unwrap();
        let wiped = parent.mmap(&anonymous(1)).unwrap();
        let hidden = parent.mmap(&anonymous(1)).unwrap();
        let parked = parent.mmap(&anonymous(1)).unwrap();
        let mut request = anonymous(1);
        request.flags = MapFlags::SHARED | MapFlags::ANONYMOUS;
        let shared = parent.mmap(&request).unwrap();
        let all = [kept, wiped, hidden, parked, shared];
        in_user(&parent, move || all.iter().for_each(|&at| store(at, 5).unwrap()));
        parent.madvise(wiped, PAGE, Advice::WipeOnFork(true)).unwrap();
        parent.madvise(hidden, PAGE, Advice::Fork(false)).unwrap();
        parent.mprotect(parked, PAGE, Prot::empty()).unwrap();
        let child = parent.fork().unwrap();
        assert_eq!([kept, wiped, parked, shared].map(|at| peek(&child, at)), [5, 0, 5, 5]);
        assert!(child.find(hidden).is_none());
        assert_eq!(parent.futex_place(shared + 4), child.futex_place(shared + 4));
        assert_ne!(parent.futex_place(shared + 4), child.futex_place(shared + 8));
        assert!(matches!(parent.futex_place(shared), Ok(FutexPlace::Shared { offset: 0, .. })));
        assert_eq!(parent.futex_place(kept), Ok(FutexPlace::Private));
        assert_eq!(child.futex_place(hidden), Err(Errno::EFAULT));
        in_user(&child, move || store(shared, 6).unwrap());
        assert_eq!(peek(&parent, shared), 6);
        assert_eq!(child.mprotect(parked, PAGE, Prot::READ | Prot::WRITE), Ok(()));
        in_user(&child, move || store(parked, 8).unwrap());
        assert_eq!(peek(&parent, parked), 5);
    });
}

/// Every allocation on the way fails in turn: the error comes back, nothing is left, and the parent
/// is whole.
#[test]
fn fork_that_fails_leaves_nothing() {
    once(|| {
        let parent = Mm::new().unwrap();
        let at = parent.mmap(&anonymous(600)).unwrap();
        in_user(&parent, move || {
            (0..600).step_by(100).for_each(|page| store(at + page * PAGE, 4).unwrap());
        });
        drop(parent.fork().unwrap());
        let before = used();
        let mut failures = 0;
        for nth in 1.. {
            fault::arm(Plan { point: None, when: When::Nth(nth) });
            let outcome = parent.fork();
            if fault::disarm().failed == 0 {
                assert!(outcome.is_ok());
                break;
            }
            assert_eq!(outcome.err(), Some(Errno::ENOMEM));
            assert_eq!(used(), before);
            failures += 1;
        }
        assert!(failures >= 3, "only {failures} places to fail");
        in_user(&parent, move || {
            (0..600).step_by(100).for_each(|page| {
                assert_eq!(load(at + page * PAGE), Ok(4));
                store(at + page * PAGE, 5).unwrap();
            });
        });
    });
}

#[test]
fn a_store_without_memory_is_refused_and_can_be_tried_again() {
    once(|| {
        let parent = Mm::new().unwrap();
        let at = parent.mmap(&anonymous(2)).unwrap();
        in_user(&parent, move || {
            store(at, 1).unwrap();
            fault::arm(Plan { point: Some(Point::Page), when: When::Nth(1) });
            assert!(store(at + PAGE, 1).is_err());
            assert_eq!(fault::disarm().failed, 1);
            store(at + PAGE, 1).unwrap();
        });
        let child = parent.fork().unwrap();
        in_user(&child, move || {
            fault::arm(Plan { point: Some(Point::Page), when: When::Nth(1) });
            assert!(store(at, 2).is_err());
            assert_eq!(fault::disarm().failed, 1);
            assert_eq!(load(at), Ok(1));
            store(at, 2).unwrap();
        });
    });
}
