//! Contents, descriptors, devices.

use std::sync::Arc;

use errno::Errno;
use fs::{
    File, FileTable, OpenFlags, OpenOptions, SeekFrom, Start, UserBuffer, UserSegment, memfd,
};
use memory::PAGE_SIZE;
use vm::Backing;

use crate::harness::{World, in_user, once, over_seeds, read, read_all, start, write};

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7) as u8 ^ at as u8).collect()
}

#[test]
fn what_is_written_is_read() {
    once(|| {
        let world = World::new();
        let data = pattern(5 * PAGE_SIZE + 123);
        world.write("/f", &data);
        assert_eq!(world.read("/f"), Ok(data.clone()));
        let file = world.open("/f", OpenFlags::RDWR).unwrap();
        assert_eq!(file.seek(SeekFrom::End(-3)), Ok(data.len() as u64 - 3));
        assert_eq!(write(&file, b"abcdef"), Ok(6));
        assert_eq!(file.seek(SeekFrom::Current(-6)), Ok(data.len() as u64 - 3));
        assert_eq!(read_all(&file), Ok(b"abcdef".to_vec()));
        assert_eq!(file.seek(SeekFrom::Current(-i64::MAX)), Err(Errno::EINVAL));
        let mut buffer = [0; 4];
        assert_eq!(file.read_at(&mut &mut buffer[..], 1), Ok(4));
        assert_eq!(buffer, data[1..5]);
        assert_eq!(file.write_at(&mut &b"xy"[..], u64::MAX), Err(Errno::EINVAL));
        assert_eq!(file.write_at(&mut &b"xy"[..], i64::MAX as u64), Err(Errno::EFBIG));
    });
}

#[test]
fn holes_are_zeros_and_cost_nothing() {
    once(|| {
        let world = World::new();
        let file = world.open("/f", OpenFlags::RDWR | OpenFlags::CREAT).unwrap();
        let far = 1 << 40;
        file.write_at(&mut &b"end"[..], far).unwrap();
        let stat = world.stat("/f").unwrap();
        assert_eq!((stat.size, stat.blocks), (far + 3, 8));
        let mut buffer = [1; 5];
        file.read_at(&mut &mut buffer[..], far - 2).unwrap();
        assert_eq!(&buffer, b"\0\0end");
        file.truncate(far + 1, u64::MAX).unwrap();
        file.truncate(far + 3, u64::MAX).unwrap();
        file.read_at(&mut &mut buffer[..], far - 2).unwrap();
        assert_eq!(&buffer, b"\0\0e\0\0");
        file.truncate(0, u64::MAX).unwrap();
        assert_eq!(world.stat("/f").unwrap().blocks, 0);
        file.write_at(&mut &pattern(3 * PAGE_SIZE)[..], 0).unwrap();
        file.allocate(3, 10, 2 * PAGE_SIZE as u64, u64::MAX).unwrap();
        let mut expected = pattern(3 * PAGE_SIZE);
        expected[10..2 * PAGE_SIZE + 10].fill(0);
        assert_eq!(world.read("/f"), Ok(expected));
        assert_eq!(world.stat("/f").unwrap().blocks, 16);
        file.allocate(0, 0, 4 * PAGE_SIZE as u64, u64::MAX).unwrap();
        let stat = world.stat("/f").unwrap();
        assert_eq!((stat.size, stat.blocks), (4 * PAGE_SIZE as u64, 32));
    });
}

#[test]
fn a_limit_is_kept() {
    once(|| {
        let world = World::new();
        world.mkdir("/small").unwrap();
        world.caller().mount(b"", b"/small", b"tmpfs", 0, b"size=8k,nr_inodes=3").unwrap();
        let create = OpenFlags::CREAT | OpenFlags::RDWR;
        let file = world.open("/small/f", create).unwrap();
        assert_eq!(write(&file, &pattern(3 * PAGE_SIZE)), Ok(2 * PAGE_SIZE));
        assert_eq!(write(&file, b"more"), Err(Errno::ENOSPC));
        assert!(file.backing().unwrap().page(0).is_ok());
        file.truncate(3 * PAGE_SIZE as u64, u64::MAX).unwrap();
        assert_eq!(file.backing().unwrap().page(2), Err(Errno::ENOSPC));
        file.truncate(PAGE_SIZE as u64, u64::MAX).unwrap();
        let statfs = file.path().statfs().unwrap();
        assert_eq!((statfs.blocks, statfs.blocks_free), (2, 1));
        drop(world.open("/small/g", create).unwrap());
        assert_eq!(world.open("/small/h", create).err(), Some(Errno::ENOSPC));
        world.unlink("/small/g").unwrap();
        assert!(world.open("/small/h", create).is_ok());
    });
}

#[test]
fn a_mapping_and_the_file_are_one() {
    once(|| {
        let world = World::new();
        world.write("/f", b"hello");
        let file = world.open("/f", OpenFlags::RDWR).unwrap();
        let backing = file.backing().unwrap();
        let page = backing.page(0).unwrap();
        page.write(1, b"u");
        assert_eq!(world.read("/f"), Ok(b"hullo".to_vec()));
        file.write_at(&mut &b"H"[..], 0).unwrap();
        let mut byte = [0];
        page.read(0, &mut byte);
        assert_eq!(&byte, b"H");
        assert_eq!(backing.page(1), Err(Errno::ENXIO));
        let mut shown = String::new();
        backing.path(&mut shown).unwrap();
        assert_eq!(shown, "/f");
        let memory = memfd::create(b"name", &world.credentials).unwrap();
        let mut shown = String::new();
        Backing::path(&*memory, &mut shown).unwrap();
        assert_eq!(shown, "/memfd:name (deleted)");
    });
}

#[test]
fn bad_addresses_end_a_copy_where_they_are() {
    once(|| {
        in_user(2, |at, hole| {
            let world = World::new();
            let data = pattern(3 * PAGE_SIZE);
            world.write("/f", &data);
            let file = world.open("/f", OpenFlags::RDWR).unwrap();
            let mut buffer = UserBuffer::new(hole - 100, 200);
            assert_eq!(file.read(&mut buffer), Ok(100));
            assert_eq!(file.seek(SeekFrom::Current(0)), Ok(100));
            let mut copied = [0; 100];
            machine::user::copy_from(hole - 100, &mut copied).unwrap();
            assert_eq!(copied, data[..100]);
            assert_eq!(file.read(&mut UserBuffer::new(hole, 1)), Err(Errno::EFAULT));
            assert_eq!(file.seek(SeekFrom::Current(0)), Ok(100));
            assert_eq!(file.write_at(&mut UserBuffer::new(hole - 1, 2), 10), Ok(1));
            assert_eq!(file.write_at(&mut UserBuffer::new(hole, 2), 10), Err(Errno::EFAULT));
            let fresh = world.open("/g", OpenFlags::RDWR | OpenFlags::CREAT).unwrap();
            let too_far = 2 * PAGE_SIZE + 1;
            assert_eq!(fresh.write(&mut UserBuffer::new(at, too_far)), Ok(2 * PAGE_SIZE));
            assert_eq!(world.stat("/g").unwrap().size, 2 * PAGE_SIZE as u64);
            let segments = [(hole - 10, 10), (at, 5), (at, 0), (hole, 7)];
            let list = segments.map(|(address, length)| UserSegment { address, length });
            let mut vector = UserBuffer::vectored(list).unwrap();
            assert_eq!(file.read_at(&mut vector, 0), Ok(15));
        });
    });
}

#[test]
fn descriptors_are_the_lowest_free() {
    once(|| {
        let world = World::new();
        world.write("/f", b"");
        let table = FileTable::new();
        let file = || world.open("/f", OpenFlags::RDWR).unwrap();
        for expected in 0..5 {
            assert_eq!(table.add(file(), expected % 2 == 1, 5), Ok(expected));
        }
        assert_eq!(table.add(file(), false, 5), Err(Errno::EMFILE));
        table.close(3).unwrap();
        table.close(1).unwrap();
        assert_eq!(table.close(1), Err(Errno::EBADF));
        assert_eq!(table.add_from(2, file(), false, 100), Ok(3));
        assert_eq!(table.add_from(50, file(), false, 100), Ok(50));
        assert_eq!(table.add_from(100, file(), false, 100), Err(Errno::EINVAL));
        assert_eq!(table.add(file(), true, 100), Ok(1));
        assert_eq!(table.add(file(), true, 100), Ok(5));
        assert_eq!(table.replace(100, file(), false, 100), Err(Errno::EBADF));
        table.replace(0, table.get(1).unwrap(), false, 100).unwrap();
        assert!(Arc::ptr_eq(&table.get(0).unwrap(), &table.get(1).unwrap()));
        let copy = table.fork_copy();
        copy.close_on_exec();
        assert_eq!(copy.get(1).err(), Some(Errno::EBADF));
        assert_eq!(copy.get(5).err(), Some(Errno::EBADF));
        assert!(copy.get(0).is_ok() && table.get(1).is_ok());
        copy.close_range(2..=49);
        let mut open = Vec::new();
        while let Some((fd, _)) = copy.next_open(open.last().map_or(0, |last| last + 1)) {
            open.push(fd);
        }
        assert_eq!(open, [0, 50]);
        copy.close_all();
        assert_eq!(copy.add(file(), false, 100), Ok(0));
    });
}

#[test]
fn the_devices_behave() {
    once(|| {
        let world = World::new();
        world.mkdir("/dev").unwrap();
        world.caller().mount(b"dev", b"/dev", b"devtmpfs", 0, b"").unwrap();
        let keeper = fs::devtmpfs::Keeper::new().unwrap();
        for (name, device) in fs::devices::all() {
            let path = name.as_bytes();
            let node =
                fs::devtmpfs::DeviceNode { path, device, permissions: 0o666, uid: 0, gid: 0 };
            keeper.create(&node).unwrap();
        }
        let open = |name: &str| world.open(&format!("/dev/{name}"), OpenFlags::RDWR).unwrap();
        let mut buffer = [1; 3000];
        assert_eq!(read(&open("null"), &mut buffer), Ok(0));
        assert_eq!(write(&open("null"), &buffer), Ok(3000));
        assert_eq!(read(&open("zero"), &mut buffer), Ok(3000));
        assert_eq!(buffer, [0; 3000]);
        assert_eq!(write(&open("full"), b"x"), Err(Errno::ENOSPC));
        assert_eq!(read(&open("urandom"), &mut buffer), Ok(3000));
        assert!(buffer.chunks(300).all(|part| part.iter().any(|&byte| byte != 0)));
        let stat = world.stat("/dev/null").unwrap();
        assert_eq!((stat.mode(), stat.represents.encode()), (0o020666, 0x103));
        let options = OpenOptions { flags: OpenFlags::RDWR, mode: 0 };
        let node = fs::NodeKind::CharDevice(fs::DeviceNumber::new(99, 9));
        world.caller().make_node(&Start::Cwd, b"/none", node, 0o666).unwrap();
        let opened = world.caller().open(&Start::Cwd, b"/none", options);
        assert_eq!(opened.err(), Some(Errno::ENXIO));
        for (name, device) in fs::devices::all() {
            keeper.remove(name.as_bytes(), device).unwrap();
        }
    });
}

/// Appends by several tasks at once: no byte is lost or overwritten, and each write is in one
/// piece.
#[test]
fn appends_do_not_mix() {
    over_seeds(100, 3, || {
        let world = World::new();
        world.write("/log", b"");
        let tasks: Vec<_> = (0..3u8)
            .map(|number| {
                let world = world.clone();
                start(move || {
                    let file = world.open("/log", OpenFlags::WRONLY | OpenFlags::APPEND).unwrap();
                    for _ in 0..3 {
                        assert_eq!(write(&file, &[b'a' + number; 3000]), Ok(3000));
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(crate::harness::Running::join);
        let log = world.read("/log").unwrap();
        assert_eq!(log.len(), 27_000);
        assert!(log.chunks(3000).all(|record| record.iter().all(|&byte| byte == record[0])));
    });
}

/// Readers that share an open file divide its bytes between them.
#[test]
fn a_shared_position_moves_once() {
    over_seeds(100, 3, || {
        let world = World::new();
        world.write("/f", &pattern(64));
        let file: Arc<File> = world.open("/f", OpenFlags::empty()).unwrap();
        let found = Arc::new(std::sync::Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (file, found) = (file.clone(), found.clone());
                start(move || {
                    let mut byte = [0; 4];
                    while read(&file, &mut byte).unwrap() > 0 {
                        found.lock().unwrap().push(byte);
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(crate::harness::Running::join);
        let mut found = core::mem::take(&mut *found.lock().unwrap());
        let mut expected: Vec<[u8; 4]> =
            pattern(64).chunks(4).map(|it| it.try_into().unwrap()).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    });
}

/// Without memory, with too many files: an error, and nothing lost.
#[test]
fn shortage_is_an_error() {
    once(|| {
        let world = World::new();
        world.write("/f", b"data");
        let file = world.open("/f", OpenFlags::RDWR).unwrap();
        let always = |point| fault::Plan { point: Some(point), when: fault::When::From(1) };
        fault::arm(always(fault::Point::Page));
        assert_eq!(file.write_at(&mut &[1; 10][..], PAGE_SIZE as u64), Err(Errno::ENOMEM));
        assert_eq!(file.allocate(0, 0, 3 * PAGE_SIZE as u64, u64::MAX), Err(Errno::ENOMEM));
        assert_eq!(file.write_at(&mut &b"D"[..], 0), Ok(1));
        fault::disarm();
        assert_eq!(world.read("/f"), Ok(b"Data".to_vec()));
        assert_eq!(file.inode().stat().unwrap().blocks, 8);
        fault::arm(always(fault::Point::File));
        assert_eq!(world.open("/f", OpenFlags::RDWR).err(), Some(Errno::ENFILE));
        fault::disarm();
        assert!(world.open("/f", OpenFlags::RDWR).is_ok());
    });
}
