//! Large pages as programs see them: that they come, that they go in parts, and that nobody can tell them from small ones by what is in
//! memory.
//!
//! It prints one line for each part that works, and panics at the first that does not. `large unwelcome` is for a machine where
//! they are welcome nowhere.

mod area;

use area::{Area, LARGE, PAGE, counter};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

const WELCOME: libc::c_int = libc::MADV_HUGEPAGE;
const UNWELCOME: libc::c_int = libc::MADV_NOHUGEPAGE;
/// KiB of a large page.
const KIB: usize = LARGE / 1024;

fn main() {
    if std::env::args().nth(1).is_some_and(|word| word == "unwelcome") {
        let area = Area::new(2, WELCOME);
        area.fill();
        assert_eq!(area.large(), 0);
        println!("unwelcome");
        return;
    }
    let parts: [(&str, fn()); 7] = [
        ("taken", taken),
        ("refused", refused),
        ("parts", parts),
        ("moved", moved),
        ("children", children),
        ("threads", threads),
        ("kernel", through_the_kernel),
    ];
    for (name, part) in parts {
        part();
        println!("{name}");
    }
}

fn taken() {
    let before = counter("thp_fault_alloc");
    let area = Area::new(3, WELCOME);
    for page in [100, 600] {
        area.store(page, 7);
        assert_eq!((area.load(page), area.load(page + 1)), (7, 0));
    }
    assert_eq!(area.large(), 2 * KIB);
    assert!(counter("thp_fault_alloc") >= before + 2);
    assert!(counter("nr_anon_transparent_hugepages") >= 2);
    // A new mapping in the same place has large pages again, whether the old one ended with large or with small ones.
    for round in 0..4 {
        let area = Area::new(2, WELCOME);
        area.fill();
        assert_eq!(area.large(), 2 * KIB);
        area.is_filled(0..area.pages());
        if round % 2 == 0 {
            // SAFETY: this value's own memory.
            unsafe { assert_eq!(libc::munmap(area.page(5), PAGE), 0) };
        }
    }
}

fn refused() {
    let area = Area::new(1, UNWELCOME);
    area.fill();
    assert_eq!(area.large(), 0);
    // SAFETY: numbers only.
    let set = |off: libc::c_ulong| unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, off, 0, 0, 0) };
    // SAFETY: numbers only.
    let get = || unsafe { libc::prctl(libc::PR_GET_THP_DISABLE, 0, 0, 0, 0) };
    assert_eq!((get(), set(1), get()), (0, 0, 1));
    let area = Area::new(1, WELCOME);
    area.fill();
    assert_eq!(area.large(), 0);
    in_child(|| {
        assert_eq!(get(), 1);
        // SAFETY: replaces the program with one that says what it has inherited.
        unsafe {
            let (name, script) = (c"/bin/sh", c"grep -q '^THP_enabled:.0$' /proc/self/status");
            libc::execl(
                name.as_ptr(),
                name.as_ptr(),
                c"-c".as_ptr(),
                script.as_ptr(),
                std::ptr::null::<u8>(),
            );
        }
        panic!("no shell");
    });
    assert_eq!((set(0), get()), (0, 0));
}

/// What is asked of a part leaves the rest as it was.
fn parts() {
    let splits = counter("thp_split_pmd");
    for part in 0..4 {
        let area = Area::new(2, WELCOME);
        area.fill();
        assert_eq!(area.large(), 2 * KIB);
        // SAFETY: this value's own memory, and nobody looks at what is gone.
        unsafe {
            match part {
                0 => assert_eq!(libc::munmap(area.page(100), 300 * PAGE), 0),
                1 => assert_eq!(libc::madvise(area.page(100), 300 * PAGE, libc::MADV_DONTNEED), 0),
                2 => assert_eq!(libc::mprotect(area.page(100), 300 * PAGE, libc::PROT_READ), 0),
                _ => assert_eq!(libc::mprotect(area.page(100), 300 * PAGE, libc::PROT_NONE), 0),
            }
        }
        area.is_filled(0..100);
        area.is_filled(400..area.pages());
        match part {
            1 => (100..400).for_each(|page| assert_eq!(area.load(page), 0)),
            2 => area.is_filled(100..400),
            3 => {
                let all = libc::PROT_READ | libc::PROT_WRITE;
                // SAFETY: as above.
                unsafe { assert_eq!(libc::mprotect(area.page(100), 300 * PAGE, all), 0) };
                area.is_filled(100..400);
                area.fill();
            }
            _ => {}
        }
        area.store(99, 1);
        area.store(400, 1);
        assert_eq!((area.load(99), area.load(400)), (1, 1));
    }
    assert!(counter("thp_split_pmd") >= splits + 4);
    // As a whole it stays large.
    let area = Area::new(2, WELCOME);
    area.fill();
    // SAFETY: as above.
    unsafe { assert_eq!(libc::mprotect(area.page(512), LARGE, libc::PROT_READ), 0) };
    area.is_filled(0..area.pages());
    assert_eq!(area.large(), KIB);
    // SAFETY: as above.
    unsafe { assert_eq!(libc::madvise(area.page(0), LARGE, libc::MADV_DONTNEED), 0) };
    area.store(3, 3);
    assert_eq!((area.load(3), area.load(2), area.large()), (3, 0, KIB));
}

fn moved() {
    for offset in [0, 5] {
        let area = Area::new(2, WELCOME);
        area.fill();
        let target = Area::new(3, WELCOME);
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: both are these values' own; what is moved away is not looked at.
        let to = unsafe { libc::mremap(area.page(0), LARGE, LARGE, flags, target.page(offset)) };
        assert_eq!(to, target.page(offset));
        (0..512).for_each(|page| assert_eq!(target.load(offset + page), page as u64));
        area.is_filled(512..1024);
    }
}

fn children() {
    let area = Area::new(2, WELCOME);
    area.fill();
    in_child(|| {
        area.is_filled(0..area.pages());
        (0..area.pages()).step_by(7).for_each(|page| area.store(page, 1));
        (0..area.pages()).for_each(|page| {
            let expected = if page % 7 == 0 { 1 } else { page as u64 };
            assert_eq!(area.load(page), expected);
        });
        // A grandchild sees the same.
        in_child(|| assert_eq!((area.load(7), area.load(8)), (1, 8)));
    });
    area.is_filled(0..area.pages());
    area.fill();
    area.is_filled(0..area.pages());
    // Both store at once.
    in_child_beside(
        || {
            (0..area.pages()).for_each(|page| area.store(page, 2));
            (0..area.pages()).for_each(|page| assert_eq!(area.load(page), 2));
        },
        || area.fill(),
    );
    area.is_filled(0..area.pages());
}

/// Threads that each have some pages of the same large ones, while parts in between are unmapped, thrown away and protected, and children
/// come and go.
fn threads() {
    const ROUNDS: u64 = 40;
    for _ in 0..4 {
        let area = Area::new(2, WELCOME);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for number in 0..3 {
                let (area, done) = (&area, &done);
                scope.spawn(move || {
                    let mut value = 0;
                    while !done.load(Relaxed) || value < ROUNDS {
                        value += 1;
                        for page in [number, 256 + number, 1020 + number] {
                            area.store(page, value);
                        }
                        for page in [number, 256 + number, 1020 + number] {
                            assert_eq!(area.load(page), value);
                        }
                    }
                });
            }
            for round in 0..8 {
                // SAFETY: pages that no thread looks at.
                unsafe {
                    let at = area.page(10 + 20 * round);
                    libc::madvise(at, 3 * PAGE, libc::MADV_DONTNEED);
                    libc::mprotect(area.page(512 + 20 * round), 5 * PAGE, libc::PROT_READ);
                    libc::munmap(area.page(300 + round), PAGE);
                }
                in_child(|| assert_eq!(area.load(10 + 20 * round), 0));
            }
            done.store(true, Relaxed);
        });
    }
}

/// What the kernel does to a program's memory it does to large pages, too.
fn through_the_kernel() {
    let area = Area::new(2, WELCOME);
    // The first store is the kernel's.
    let text = std::fs::File::open("/proc/self/exe").expect("this program");
    // SAFETY: within the area.
    let buffer = unsafe { std::slice::from_raw_parts_mut(area.page(500).cast::<u8>(), 30 * PAGE) };
    std::os::unix::fs::FileExt::read_exact_at(&text, buffer, 0).expect("a program is longer");
    assert_eq!(buffer[..4], *b"\x7fELF");
    assert_eq!(area.large(), 2 * KIB);
    let from = libc::iovec { iov_base: area.page(500), iov_len: 30 * PAGE };
    let mut copy = vec![0u8; 30 * PAGE];
    let to = libc::iovec { iov_base: copy.as_mut_ptr().cast(), iov_len: copy.len() };
    // SAFETY: both are valid.
    let count = unsafe { libc::process_vm_readv(libc::getpid(), &to, 1, &from, 1, 0) };
    assert_eq!((count, &copy[..]), (30 * PAGE as isize, &buffer[..]));
    let mut present = [0u8; 1024];
    // SAFETY: as many bytes as pages.
    unsafe {
        assert_eq!(libc::mincore(area.page(0), 2 * LARGE, present.as_mut_ptr()), 0);
        assert!(present.iter().all(|page| page & 1 == 1));
        assert_eq!(libc::mlock(area.page(0), 2 * LARGE), 0);
        assert_eq!(libc::munlock(area.page(0), LARGE), 0);
    }
    assert_eq!(buffer[..4], *b"\x7fELF");
}

/// Runs `body` in a child that ends as it should.
#[track_caller]
fn in_child(body: impl FnOnce()) {
    in_child_beside(body, || ());
}

/// The same, and `meanwhile` here.
#[track_caller]
fn in_child_beside(body: impl FnOnce(), meanwhile: impl FnOnce()) {
    // SAFETY: the child goes on as it is and takes no lock that another thread may have had.
    match unsafe { libc::fork() } {
        -1 => panic!("no child"),
        0 => {
            body();
            // SAFETY: ends the child; a panic has ended it before.
            unsafe { libc::_exit(0) }
        }
        pid => {
            meanwhile();
            let mut status = 0;
            // SAFETY: writes to `status`.
            assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
            assert_eq!(status, 0, "the child failed");
        }
    }
}
