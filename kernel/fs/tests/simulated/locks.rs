//! Locks on files.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use errno::Errno;
use fs::lock::{flock, posix};
use fs::{FileTable, OpenFlags};

use crate::harness::{Running, World, once, over_seeds, start};

#[test]
fn a_closed_file_unlocks() {
    once(|| {
        let world = World::new();
        world.write("/f", b"");
        let one = world.open("/f", OpenFlags::RDWR).unwrap();
        let other = world.open("/f", OpenFlags::RDWR).unwrap();
        flock::lock(&one, flock::Kind::Exclusive, false).unwrap();
        assert_eq!(flock::lock(&other, flock::Kind::Shared, false), Err(Errno::EAGAIN));
        drop(one);
        assert_eq!(flock::lock(&other, flock::Kind::Exclusive, false), Ok(()));
    });
}

#[test]
fn closing_any_descriptor_gives_up_record_locks() {
    once(|| {
        let world = World::new();
        world.write("/f", b"");
        let file = || world.open("/f", OpenFlags::RDWR).unwrap();
        let (mine, theirs) = (FileTable::new(), FileTable::new());
        let range = |table: &FileTable| posix::Range {
            start: 0,
            end: u64::MAX,
            kind: posix::Kind::Write,
            owner: table.id(),
            pid: 1,
        };
        let fd = mine.add(file(), false, 10).unwrap();
        let second = mine.add(file(), false, 10).unwrap();
        theirs.add(file(), false, 10).unwrap();
        let inode = mine.get(fd).unwrap().inode().clone();
        posix::lock(&inode, range(&mine), false).unwrap();
        assert_eq!(posix::lock(&inode, range(&theirs), false), Err(Errno::EAGAIN));
        assert_eq!(posix::conflict(&inode, &range(&theirs)), Some(range(&mine)));
        mine.close(second).unwrap();
        assert_eq!(posix::conflict(&inode, &range(&theirs)), None);
        assert_eq!(posix::lock(&inode, range(&theirs), false), Ok(()));
        theirs.close_all();
        assert_eq!(posix::conflict(&inode, &range(&mine)), None);
    });
}

#[test]
fn one_at_a_time() {
    over_seeds(100, 3, || {
        let world = World::new();
        world.write("/f", b"");
        let inside = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (world, inside) = (world.clone(), inside.clone());
                start(move || {
                    let file = world.open("/f", OpenFlags::RDWR).unwrap();
                    for _ in 0..3 {
                        flock::lock(&file, flock::Kind::Exclusive, true).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                        sched::yield_now();
                        inside.fetch_sub(1, Ordering::Relaxed);
                        flock::release(&file);
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(Running::join);
    });
}
