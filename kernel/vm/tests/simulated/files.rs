//! Mappings of files.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use errno::Errno;
use memory::Page;
use sync::{LockClass, SpinLock};
use vm::{
    Advice, Backing, Force, MapFlags, MapRequest, MapSource, Mm, Prot, SharedMemory, SyncFlags,
};

use crate::harness::{
    Body, PAGE, borrow_another, in_user, load, once, over_seeds, store, together,
};

static FILE: LockClass = LockClass::new("test file");

/// A file of some pages, each filled with its number.
struct TestFile {
    pages: Vec<Page>,
    dirty: SpinLock<BTreeMap<u64, usize>>,
    full: bool,
}

impl TestFile {
    fn new(pages: u64) -> Arc<Self> {
        Self::build(pages, false)
    }

    fn build(pages: u64, full: bool) -> Arc<Self> {
        let make = |index| {
            let page = memory::alloc_page(None).unwrap();
            page.write(0, &[index as u8; PAGE]);
            page
        };
        let pages = (0..pages).map(make).collect();
        Arc::new(Self { pages, dirty: SpinLock::new(&FILE, BTreeMap::new()), full })
    }

    fn dirty(&self) -> Vec<u64> {
        self.dirty.lock().keys().copied().collect()
    }

    fn byte(&self, index: usize) -> u8 {
        let mut byte = [0];
        self.pages[index].read(0, &mut byte);
        byte[0]
    }
}

impl Backing for TestFile {
    fn page(&self, index: u64) -> Result<Page, Errno> {
        self.page_at_hand(index).ok_or(Errno::ENXIO)
    }

    fn page_at_hand(&self, index: u64) -> Option<Page> {
        self.pages.get(index as usize).cloned()
    }

    fn pages_at_hand(&self, range: Range<u64>, visit: &mut vm::Visit<'_>) {
        for (index, page) in (0..).zip(&self.pages) {
            if range.contains(&index) && visit(index, page.clone()).is_break() {
                return;
            }
        }
    }

    fn mark_dirty(&self, index: u64) -> Result<(), Errno> {
        if self.full {
            return Err(Errno::ENOSPC);
        }
        *self.dirty.lock().entry(index).or_default() += 1;
        Ok(())
    }

    fn write_back(&self, pages: Range<u64>) -> Result<(), Errno> {
        self.dirty.lock().retain(|index, _| !pages.contains(index));
        Ok(())
    }

    fn path(&self, out: &mut dyn Write) -> fmt::Result {
        out.write_str("/lib/test file")
    }

    fn inode(&self) -> u64 {
        42
    }

    fn device(&self) -> (u32, u32) {
        (8, 1)
    }
}

fn map(file: &Arc<TestFile>, pages: usize, first: u64, flags: MapFlags) -> MapRequest {
    MapRequest {
        address: 0,
        length: pages * PAGE,
        prot: Prot::READ | Prot::WRITE,
        flags,
        source: MapSource::File {
            backing: file.clone(),
            offset: first * PAGE as u64,
            may_write: true,
            may_execute: true,
        },
    }
}

#[test]
fn private_stores_stay_private() {
    once(|| {
        let file = TestFile::new(40);
        let mm = Mm::new().unwrap();
        let at = mm.mmap(&map(&file, 40, 0, MapFlags::PRIVATE)).unwrap();
        in_user(&mm, move || {
            assert_eq!(load(at + 20 * PAGE), Ok(20));
            store(at + 20 * PAGE, 99).unwrap();
            store(at + 39 * PAGE, 98).unwrap();
            assert_eq!(load(at + 20 * PAGE + 1), Ok(20));
            assert_eq!(load(at + 39 * PAGE + 1), Ok(39));
        });
        assert_eq!((file.byte(20), file.byte(39)), (20, 39));
        assert_eq!(file.dirty(), []);
        let statistics = mm.statistics();
        assert_eq!(statistics.anonymous, 2);
        // One load brought its neighbours along: pages 16 to 31.
        assert_eq!(statistics.file, 15);
        let child = mm.fork().unwrap();
        assert_eq!(child.statistics().resident, 2);
        in_user(&child, move || {
            assert_eq!(load(at + 20 * PAGE), Ok(99));
            assert_eq!(load(at + 21 * PAGE), Ok(21));
        });
    });
}

/// Several find the same neighbours at once, while others make copies of some and let go of some: each page is mapped, counted and
/// given back once.
#[test]
fn neighbours_are_found_by_many() {
    const PAGES: usize = 20;
    over_seeds(200, 3, || {
        let file = TestFile::new(PAGES as u64);
        let mm = Mm::new().unwrap();
        let at = mm.mmap(&map(&file, PAGES, 0, MapFlags::PRIVATE)).unwrap();
        let load_all = move |first: usize| {
            for page in (0..PAGES).map(|number| (first + 7 * number) % PAGES) {
                assert_eq!(load(at + page * PAGE), Ok(page as u8));
            }
        };
        let storing: Body = Box::new(move || {
            [3, 18, 5].into_iter().for_each(|page| store(at + page * PAGE + 1, 99).unwrap());
        });
        let letting_go: Body = {
            let mm = mm.clone();
            Box::new(move || mm.madvise(at + 4 * PAGE, 14 * PAGE, Advice::Discard).unwrap())
        };
        let reading = [0, 9].map(|first| -> Body { Box::new(move || load_all(first)) });
        together(&mm, reading.into_iter().chain([storing, letting_go]).collect());
        in_user(&mm, move || load_all(0));
        let statistics = mm.statistics();
        assert_eq!(statistics.file + statistics.anonymous, PAGES);
        drop(mm);
        borrow_another();
    });
}

#[test]
fn shared_stores_reach_the_file_and_are_noticed() {
    once(|| {
        let file = TestFile::new(4);
        let mm = Mm::new().unwrap();
        let at = mm.mmap(&map(&file, 4, 0, MapFlags::SHARED)).unwrap();
        in_user(&mm, move || {
            assert_eq!(load(at + PAGE), Ok(1));
            store(at + PAGE, 7).unwrap();
            store(at + PAGE + 1, 8).unwrap();
            store(at + 2 * PAGE, 9).unwrap();
        });
        assert_eq!((file.byte(1), file.byte(2)), (7, 9));
        assert_eq!(file.dirty(), [1, 2]);
        assert_eq!(file.dirty.lock()[&1], 1);
        let wait = SyncFlags { wait: true, invalidate: false };
        mm.msync(at + 2 * PAGE, PAGE, wait).unwrap();
        assert_eq!(file.dirty(), [1]);
        assert_eq!(mm.msync(at, 5 * PAGE, wait), Err(Errno::ENOMEM));
    });
}

#[test]
fn the_end_of_a_huge_mapping_takes_as_long_as_its_pages() {
    // Going through all its pages would take hours.
    const HUGE: usize = 1 << 33;
    once(|| {
        let file = TestFile::new(3);
        let wait = SyncFlags { wait: true, invalidate: false };
        let stored_into_behind_its_back = |mm: &Arc<Mm>| {
            let at = mm.mmap(&map(&file, HUGE, 0, MapFlags::SHARED)).unwrap();
            in_user(mm, move || store(at + PAGE, 7).unwrap());
            mm.msync(at, 3 * PAGE, wait).unwrap();
            assert_eq!(file.dirty(), []);
            // The permission to store is still there: nobody notices this one.
            in_user(mm, move || store(at + PAGE, 8).unwrap());
            assert_eq!(file.dirty(), []);
            at
        };
        let mm = Mm::new().unwrap();
        let at = stored_into_behind_its_back(&mm);
        mm.munmap(at, HUGE * PAGE).unwrap();
        assert_eq!(file.dirty(), [0, 1, 2]);
        stored_into_behind_its_back(&mm);
        drop(mm);
        assert_eq!(file.dirty(), [0, 1, 2]);

        let shared = Arc::new(SharedMemory::new(HUGE as u64));
        let mm = Mm::new().unwrap();
        let mut request = map(&file, HUGE, 0, MapFlags::SHARED);
        let MapSource::File { backing, .. } = &mut request.source else { return };
        *backing = shared.clone();
        let at = mm.mmap(&request).unwrap();
        in_user(&mm, move || store(at + (HUGE - 1) * PAGE, 8).unwrap());
        drop(mm);
        assert_eq!(shared.resident(), 1);
    });
}

#[test]
fn what_the_file_refuses_is_a_bus_error() {
    once(|| {
        let file = TestFile::new(2);
        let mm = Mm::new().unwrap();
        let at = mm.mmap(&map(&file, 4, 1, MapFlags::PRIVATE)).unwrap();
        assert_eq!(mm.handle_fault(at, contract::Access::Read), Ok(()));
        let beyond = mm.handle_fault(at + PAGE, contract::Access::Read);
        assert_eq!(beyond, Err(vm::FaultError::Bus));
        let full = TestFile::build(2, true);
        let at = mm.mmap(&map(&full, 2, 0, MapFlags::SHARED)).unwrap();
        assert_eq!(mm.handle_fault(at, contract::Access::Read), Ok(()));
        assert_eq!(mm.handle_fault(at, contract::Access::Write), Err(vm::FaultError::Bus));
        assert_eq!(mm.handle_fault(at + PAGE, contract::Access::Write), Err(vm::FaultError::Bus));
    });
}

#[test]
fn a_file_open_for_reading_is_not_stored_into() {
    once(|| {
        let file = TestFile::new(1);
        let mm = Mm::new().unwrap();
        let mut request = map(&file, 1, 0, MapFlags::SHARED);
        let MapSource::File { may_write, may_execute, .. } = &mut request.source else { return };
        (*may_write, *may_execute) = (false, false);
        assert_eq!(mm.mmap(&request), Err(Errno::EACCES));
        request.prot = Prot::READ;
        let at = mm.mmap(&request).unwrap();
        assert_eq!(mm.mprotect(at, PAGE, Prot::READ | Prot::WRITE), Err(Errno::EACCES));
        assert_eq!(mm.mprotect(at, PAGE, Prot::READ | Prot::EXEC), Err(Errno::EACCES));
        assert_eq!(mm.write_remote(at, b"x", Force::Yes), 0);
        request.flags = MapFlags::PRIVATE;
        let at = mm.mmap(&request).unwrap();
        assert_eq!(mm.mprotect(at, PAGE, Prot::READ | Prot::WRITE), Ok(()));
    });
}

#[test]
fn a_debugger_writes_into_a_copy_of_the_code() {
    once(|| {
        let file = TestFile::new(1);
        let mm = Mm::new().unwrap();
        let mut request = map(&file, 1, 0, MapFlags::PRIVATE);
        request.prot = Prot::READ | Prot::EXEC;
        let at = mm.mmap(&request).unwrap();
        assert_eq!(mm.handle_fault(at, contract::Access::Execute), Ok(()));
        assert_eq!(mm.write_remote(at, &[0xcc], Force::No), 0);
        assert_eq!(mm.write_remote(at, &[0xcc], Force::Yes), 1);
        assert_eq!(mm.write_remote(at + 1, &[0xcd], Force::Yes), 1);
        assert_eq!(file.byte(0), 0);
        in_user(&mm, move || {
            assert_eq!((load(at), load(at + 1)), (Ok(0xcc), Ok(0xcd)));
            assert!(store(at, 1).is_err());
        });
        assert_eq!(mm.statistics().anonymous, 1);
    });
}

#[test]
fn maps_reads_as_on_linux() {
    once(|| {
        let file = TestFile::new(3);
        let mm = Mm::new().unwrap();
        let mut request = map(&file, 2, 1, MapFlags::PRIVATE | MapFlags::FIXED);
        request.address = 0x40_0000;
        request.prot = Prot::READ | Prot::EXEC;
        mm.mmap(&request).unwrap();
        let start = 0x60_0000;
        mm.set_layout(vm::Layout { start_brk: start, brk: start, ..mm.layout() });
        mm.brk(start + 100);
        let mut text = String::new();
        mm.write_maps(&mut text).unwrap();
        let expected = "\
00400000-00402000 r-xp 00001000 08:01 42                                 /lib/test file
00600000-00601000 rw-p 00000000 00:00 0                                  [heap]
";
        assert_eq!(text, expected);
        text.clear();
        mm.handle_fault(start, contract::Access::Write).unwrap();
        mm.write_smaps(&mut text).unwrap();
        let heap = text.split("[heap]\n").nth(1).unwrap();
        assert!(
            heap.starts_with("Size:                  4 kB\nKernelPageSize:        4 kB\n"),
            "{heap}"
        );
        assert!(heap.contains("Private_Dirty:         4 kB\n"), "{heap}");
        assert!(heap.ends_with("VmFlags: rd wr mw me\n"), "{heap}");
        text.clear();
        mm.write_numa_maps(&mut text).unwrap();
        assert_eq!(
            text,
            "00400000 default file=/lib/test file kernelpagesize_kB=4\n\
             00600000 default heap anon=1 N0=1 kernelpagesize_kB=4\n"
        );
    });
}
