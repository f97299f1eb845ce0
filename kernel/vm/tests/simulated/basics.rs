//! Mapping, unmapping, protecting, growing.

use errno::Errno;
use vm::{Advice, FaultError, Force, Limits, MapFlags, Mm, Prot, RemapFlags};

use contract::Access;

use crate::harness::{PAGE, anonymous, borrow_another, in_user, load, once, store, used};

#[test]
fn pages_appear_when_touched_and_go_when_unmapped() {
    once(|| {
        let mm = Mm::new().unwrap();
        let at = mm.mmap(&anonymous(100)).unwrap();
        assert_eq!(mm.statistics().resident, 0);
        in_user(&mm, move || {
            assert_eq!(load(at + 5 * PAGE), Ok(0));
            store(at + 7 * PAGE + 3, 9).unwrap();
            assert_eq!(load(at + 7 * PAGE + 3), Ok(9));
            assert!(store(at + 100 * PAGE, 1).is_err());
        });
        assert_eq!(mm.statistics().resident, 2);
        assert_eq!(mm.statistics().size, 100);
        mm.munmap(at + 7 * PAGE, PAGE).unwrap();
        assert_eq!(mm.statistics().resident, 1);
        assert_eq!(mm.mappings().unwrap().len(), 2);
        assert_eq!(mm.handle_fault(at + 7 * PAGE, Access::Read), Err(FaultError::SegvMaperr));
        assert_eq!(mm.statistics().anonymous, 1);
    });
}

#[test]
fn protection_is_kept_and_pages_outlive_no_access() {
    once(|| {
        let mm = Mm::new().unwrap();
        let at = mm.mmap(&anonymous(4)).unwrap();
        let with = mm.clone();
        in_user(&mm, move || {
            (0..4).for_each(|page| store(at + page * PAGE, page as u8 + 1).unwrap());
            with.mprotect(at + PAGE, 2 * PAGE, Prot::empty()).unwrap();
            assert!(load(at + PAGE).is_err());
            assert_eq!(load(at), Ok(1));
            assert_eq!(with.statistics().resident, 4);
            with.mprotect(at + PAGE, PAGE, Prot::READ).unwrap();
            assert_eq!(load(at + PAGE), Ok(2));
            assert!(store(at + PAGE, 1).is_err());
            with.mprotect(at, 4 * PAGE, Prot::READ | Prot::WRITE).unwrap();
            assert_eq!(load(at + 2 * PAGE), Ok(3));
            store(at + 2 * PAGE, 7).unwrap();
            assert_eq!(with.mappings().unwrap().len(), 1);
            assert_eq!(with.statistics().resident, 4);
        });
        assert_eq!(mm.handle_fault(at, Access::Execute), Err(FaultError::SegvAccerr));
        assert_eq!(mm.mprotect(at, 5 * PAGE, Prot::READ), Err(Errno::ENOMEM));
    });
}

#[test]
fn placement_follows_flags() {
    once(|| {
        let mm = Mm::new().unwrap();
        let high = mm.mmap(&anonymous(2)).unwrap();
        let below = mm.mmap(&anonymous(3)).unwrap();
        assert_eq!(below + 3 * PAGE, high);
        let mut fixed = anonymous(1);
        fixed.address = high;
        fixed.flags |= MapFlags::FIXED_NOREPLACE;
        assert_eq!(mm.mmap(&fixed), Err(Errno::EEXIST));
        fixed.flags = MapFlags::PRIVATE | MapFlags::FIXED;
        fixed.prot = Prot::READ;
        assert_eq!(mm.mmap(&fixed), Ok(high));
        assert_eq!(mm.statistics().size, 5);
        fixed.address = high + 1;
        assert_eq!(mm.mmap(&fixed), Err(Errno::EINVAL));
        fixed.address = 0;
        assert_eq!(mm.mmap(&fixed), Err(Errno::EPERM));
        fixed.address = usize::MAX & !(PAGE - 1);
        assert_eq!(mm.mmap(&fixed), Err(Errno::ENOMEM));
        let mut wish = anonymous(1);
        wish.address = 0x1234_5000;
        assert_eq!(mm.mmap(&wish), Ok(0x1234_5000));
        assert_ne!(mm.mmap(&wish), Ok(0x1234_5000));
        wish.length = 0;
        assert_eq!(mm.mmap(&wish), Err(Errno::EINVAL));
        wish.length = usize::MAX;
        assert_eq!(mm.mmap(&wish), Err(Errno::ENOMEM));
        wish.length = PAGE;
        wish.flags = MapFlags::empty();
        assert_eq!(mm.mmap(&wish), Err(Errno::EINVAL));
        let size = mm.statistics().size;
        assert_eq!(mm.find_room(Some(high - PAGE), 2 * PAGE), Err(Errno::EEXIST));
        assert_eq!(mm.find_room(Some(high + 2 * PAGE), 2 * PAGE), Ok(high + 2 * PAGE));
        let room = mm.find_room(None, 7 * PAGE).unwrap();
        let mut there = anonymous(7);
        (there.address, there.flags) = (room, MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE);
        assert_eq!(mm.statistics().size, size);
        assert_eq!(mm.mmap(&there), Ok(room));
        assert_eq!(mm.munmap(high, usize::MAX), Err(Errno::EINVAL));
        assert_eq!(mm.munmap(high, 0), Err(Errno::EINVAL));
    });
}

#[test]
fn limits_hold() {
    once(|| {
        let mm = Mm::new().unwrap();
        let limits =
            Limits { address_space: 10 * PAGE as u64, data: 6 * PAGE as u64, ..Limits::default() };
        mm.set_limits(limits);
        let at = mm.mmap(&anonymous(4)).unwrap();
        assert_eq!(mm.mmap(&anonymous(3)), Err(Errno::ENOMEM));
        let mut readable = anonymous(6);
        readable.prot = Prot::READ;
        let other = mm.mmap(&readable).unwrap();
        readable.length = PAGE;
        assert_eq!(mm.mmap(&readable), Err(Errno::ENOMEM));
        assert_eq!(mm.mprotect(other, 6 * PAGE, Prot::READ | Prot::WRITE), Err(Errno::ENOMEM));
        readable.address = at;
        readable.flags |= MapFlags::FIXED;
        assert_eq!(mm.mmap(&readable), Ok(at));
    });
}

#[test]
fn the_stack_grows_as_far_as_it_may() {
    once(|| {
        let mm = Mm::new().unwrap();
        let mut stack = anonymous(2);
        stack.flags |= MapFlags::GROWSDOWN;
        let at = mm.mmap(&stack).unwrap();
        mm.set_limits(Limits { stack: 20 * PAGE as u64, ..Limits::default() });
        in_user(&mm, move || {
            store(at - 1, 1).unwrap();
            store(at - 18 * PAGE, 2).unwrap();
            assert!(store(at - 18 * PAGE - 1, 3).is_err());
        });
        assert_eq!(mm.statistics().stack, 20);
        // What lies within the guard gap stops it.
        mm.set_limits(Limits::default());
        let mut near = anonymous(1);
        near.flags |= MapFlags::FIXED;
        near.address = at - 300 * PAGE;
        mm.mmap(&near).unwrap();
        assert_eq!(mm.handle_fault(at - 43 * PAGE, Access::Write), Ok(()));
        assert_eq!(mm.handle_fault(at - 44 * PAGE, Access::Write), Err(FaultError::SegvMaperr));
    });
}

#[test]
fn brk_moves_the_heap_end() {
    once(|| {
        let mm = Mm::new().unwrap();
        let start = 0x40_0000;
        let layout = vm::Layout { start_brk: start, brk: start, ..mm.layout() };
        mm.set_layout(layout);
        assert_eq!(mm.brk(0), start);
        assert_eq!(mm.brk(start + 10), start + 10);
        let with = mm.clone();
        in_user(&mm, move || {
            store(start + PAGE - 1, 1).unwrap();
            assert!(store(start + PAGE, 1).is_err());
            assert_eq!(with.brk(start + 3 * PAGE), start + 3 * PAGE);
            store(start + 3 * PAGE - 1, 2).unwrap();
            assert_eq!(load(start + PAGE - 1), Ok(1));
            assert_eq!(with.brk(start), start);
            assert!(load(start).is_err());
            assert_eq!(with.brk(start + PAGE), start + PAGE);
            assert_eq!(load(start + PAGE - 1), Ok(0));
        });
        assert_eq!(mm.brk(start - 1), start + PAGE);
        assert_eq!(mm.brk(usize::MAX), start + PAGE);
    });
}

#[test]
fn mremap_takes_the_pages_along() {
    once(|| {
        let mm = Mm::new().unwrap();
        let blocker = mm.mmap(&anonymous(1)).unwrap();
        let at = mm.mmap(&anonymous(3)).unwrap();
        assert_eq!(at + 3 * PAGE, blocker);
        let with = mm.clone();
        in_user(&mm, move || {
            (0..3).for_each(|page| store(at + page * PAGE, 10 + page as u8).unwrap());
            with.mprotect(at + PAGE, PAGE, Prot::empty()).unwrap();
            with.mprotect(at + PAGE, PAGE, Prot::READ | Prot::WRITE).unwrap();
            let none = RemapFlags::empty();
            assert_eq!(with.mremap(at, 3 * PAGE, 5 * PAGE, none, 0), Err(Errno::ENOMEM));
            let new = with.mremap(at, 3 * PAGE, 5 * PAGE, RemapFlags::MAYMOVE, 0).unwrap();
            assert_ne!(new, at);
            assert!(load(at).is_err());
            (0..3).for_each(|page| assert_eq!(load(new + page * PAGE), Ok(10 + page as u8)));
            assert_eq!(load(new + 4 * PAGE), Ok(0));
            assert_eq!(with.statistics().resident, 4);
            assert_eq!(with.mremap(new, 5 * PAGE, PAGE, none, 0), Ok(new));
            assert_eq!(with.statistics().resident, 1);
            // Room behind it now: it grows where it is.
            assert_eq!(with.mremap(new, PAGE, 2 * PAGE, none, 0), Ok(new));
            assert_eq!(load(new), Ok(10));
            let flags = RemapFlags::MAYMOVE | RemapFlags::FIXED;
            assert_eq!(with.mremap(new, 2 * PAGE, 2 * PAGE, flags, new + PAGE), Err(Errno::EINVAL));
            assert_eq!(with.mremap(new, 2 * PAGE, 2 * PAGE, flags, at), Ok(at));
            assert_eq!(load(at), Ok(10));
            assert_eq!(with.mremap(new, PAGE, PAGE, none, 0), Err(Errno::EFAULT));
        });
    });
}

#[test]
fn discarded_pages_are_zeros_again() {
    once(|| {
        let mm = Mm::new().unwrap();
        let at = mm.mmap(&anonymous(4)).unwrap();
        let with = mm.clone();
        in_user(&mm, move || {
            (0..4).for_each(|page| store(at + page * PAGE, 1).unwrap());
            with.madvise(at + PAGE, 2 * PAGE, Advice::Discard).unwrap();
            let mut there = Vec::new();
            with.mincore(at, 4 * PAGE, |here| there.push(here)).unwrap();
            assert_eq!(there, [true, false, false, true]);
            assert_eq!(load(at + PAGE), Ok(0));
            assert_eq!(load(at), Ok(1));
        });
        assert_eq!(mm.madvise(at, 5 * PAGE, Advice::Usage), Err(Errno::ENOMEM));
        assert_eq!(mm.madvise(at + 1, PAGE, Advice::Usage), Err(Errno::EINVAL));
        assert_eq!(Advice::from_number(77), Err(Errno::EINVAL));
    });
}

/// A CPU that goes on with a kernel thread still has the page tables loaded; the pages are free
/// nevertheless.
#[test]
fn the_last_user_frees_the_pages_and_the_last_borrower_the_tables() {
    once(|| {
        let before = used();
        let mm = Mm::new().unwrap();
        let at = mm.mmap(&anonymous(50)).unwrap();
        in_user(&mm, move || (0..50).for_each(|page| store(at + page * PAGE, 1).unwrap()));
        let space = std::sync::Arc::downgrade(mm.address_space());
        assert!(used() >= before + 50 * PAGE);
        drop(mm);
        assert_eq!(space.strong_count(), 1, "this CPU borrows it");
        let tables = 5;
        assert!(used() <= before + tables * PAGE, "{} to {}", before, used());
        borrow_another();
        assert_eq!(space.strong_count(), 0);
    });
}

#[test]
fn populate_fills_in_and_remote_access_needs_no_cpu() {
    once(|| {
        let mm = Mm::new().unwrap();
        let mut request = anonymous(8);
        request.flags |= MapFlags::POPULATE;
        let at = mm.mmap(&request).unwrap();
        assert_eq!(mm.statistics().resident, 8);
        let text = b"across the boundary";
        let place = at + PAGE - 7;
        assert_eq!(mm.write_remote(place, text, Force::No), text.len());
        let mut back = [0; 19];
        assert_eq!(mm.read_remote(place, &mut back, Force::No), 19);
        assert_eq!(&back, text);
        // It stops where the mapping does.
        assert_eq!(mm.write_remote(at + 8 * PAGE - 3, text, Force::No), 3);
        mm.mprotect(at, PAGE, Prot::READ).unwrap();
        assert_eq!(mm.write_remote(at, text, Force::No), 0);
        assert_eq!(mm.write_remote(at, text, Force::Yes), text.len());
        mm.mprotect(at, PAGE, Prot::empty()).unwrap();
        assert_eq!(mm.read_remote(at, &mut back, Force::No), 0);
        assert_eq!(mm.read_remote(at, &mut back, Force::Yes), 19);
        assert_eq!(&back, text);
    });
}
