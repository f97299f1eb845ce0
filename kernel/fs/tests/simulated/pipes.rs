//! Pipes and FIFOs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use errno::Errno;
use fs::{File, NodeKind, OpenFlags, PollEvents, PollTable, Start, UserBuffer, pipe};

use crate::harness::{Running, World, in_user, once, over_seeds, read, read_all, start, write};

fn new(flags: OpenFlags) -> (Arc<File>, Arc<File>) {
    pipe::create(flags, &World::new().credentials).unwrap()
}

fn events(file: &File) -> PollEvents {
    file.poll(&mut PollTable::none())
}

#[test]
fn bytes_come_out_as_they_went_in() {
    once(|| {
        let (reader, writer) = new(OpenFlags::NONBLOCK);
        let mut buffer = [0; 10];
        assert_eq!(read(&reader, &mut buffer), Err(Errno::EAGAIN));
        assert_eq!(events(&writer), PollEvents::WRITABLE);
        assert_eq!(write(&writer, b"hello "), Ok(6));
        assert_eq!(write(&writer, b"world"), Ok(5));
        assert_eq!(events(&reader), PollEvents::READABLE);
        assert_eq!(read(&reader, &mut buffer), Ok(10));
        assert_eq!(&buffer, b"hello worl");
        assert_eq!(write(&reader, b"x"), Err(Errno::EBADF));
        assert_eq!(read(&writer, &mut buffer), Err(Errno::EBADF));
        assert_eq!(reader.read_at(&mut &mut buffer[..], 0), Err(Errno::ESPIPE));
        drop(writer);
        assert_eq!(events(&reader), PollEvents::READABLE | PollEvents::HUP);
        assert_eq!(read_all(&reader), Ok(b"d".to_vec()));
        assert_eq!(events(&reader), PollEvents::HUP);
        let (reader, writer) = new(OpenFlags::empty());
        drop(reader);
        assert_eq!(events(&writer), PollEvents::WRITABLE | PollEvents::ERR);
        assert_eq!(write(&writer, b"x"), Err(Errno::EPIPE));
    });
}

#[test]
fn a_pipe_holds_what_it_says() {
    once(|| {
        let (reader, writer) = new(OpenFlags::NONBLOCK);
        assert_eq!(pipe::size(&reader), Ok(65536));
        assert_eq!(write(&writer, &[1; 70_000]), Ok(65536));
        assert_eq!(write(&writer, &[1; 1]), Err(Errno::EAGAIN));
        assert_eq!(events(&writer), PollEvents::empty());
        let root = World::new();
        assert_eq!(pipe::set_size(&writer, 4096, &root.credentials), Err(Errno::EBUSY));
        assert_eq!(pipe::set_size(&writer, 66_000, &root.credentials), Ok(131_072));
        let user = root.user(1).credentials;
        assert_eq!(pipe::set_size(&writer, 1 << 21, &user), Err(Errno::EPERM));
        assert_eq!(write(&writer, &[1; 1]), Ok(1));
        let mut buffer = vec![0; 100_000];
        assert_eq!(read(&reader, &mut buffer), Ok(65537));
        assert_eq!(pipe::set_size(&writer, 1, &user), Ok(4096));
        // A page is full but for ten bytes: a small write must not be split.
        assert_eq!(write(&writer, &[1; 4086]), Ok(4086));
        assert_eq!(write(&writer, &[2; 11]), Err(Errno::EAGAIN));
        assert_eq!(write(&writer, &[2; 10]), Ok(10));
        assert_eq!(write(&writer, &[2; 5000]), Err(Errno::EAGAIN));
    });
}

#[test]
fn packets_stay_apart() {
    once(|| {
        let (reader, writer) = new(OpenFlags::DIRECT | OpenFlags::NONBLOCK);
        assert_eq!(write(&writer, b"first"), Ok(5));
        assert_eq!(write(&writer, b"second"), Ok(6));
        let mut buffer = [0; 3];
        assert_eq!(read(&reader, &mut buffer), Ok(3));
        let mut buffer = [0; 100];
        assert_eq!(read(&reader, &mut buffer), Ok(6));
        assert_eq!(&buffer[..6], b"second");
        assert_eq!(read(&reader, &mut buffer), Err(Errno::EAGAIN));
    });
}

#[test]
fn bad_addresses_lose_nothing() {
    once(|| {
        in_user(1, |_, hole| {
            let (reader, writer) = new(OpenFlags::NONBLOCK);
            assert_eq!(writer.write(&mut UserBuffer::new(hole - 10, 20)), Ok(10));
            assert_eq!(writer.write(&mut UserBuffer::new(hole, 20)), Err(Errno::EFAULT));
            assert_eq!(reader.read(&mut UserBuffer::new(hole, 20)), Err(Errno::EFAULT));
            assert_eq!(reader.read(&mut UserBuffer::new(hole - 4, 20)), Ok(4));
            assert_eq!(read(&reader, &mut [0; 20]), Ok(6));
            assert_eq!(writer.write(&mut UserBuffer::new(hole, 20)), Err(Errno::EFAULT));
            assert_eq!(read(&reader, &mut [0; 20]), Err(Errno::EAGAIN));
        });
    });
}

/// Writers and readers at once, with a pipe so small that all of them wait: every byte arrives
/// once, and no small write is torn apart.
#[test]
fn many_writers_and_readers() {
    const RECORD: usize = 1500;
    over_seeds(100, 3, || {
        let (reader, writer) = new(OpenFlags::empty());
        pipe::set_size(&writer, 4096, &World::new().credentials).unwrap();
        let writers: Vec<_> = (0..3u8)
            .map(|number| {
                let writer = writer.clone();
                start(move || {
                    for _ in 0..3 {
                        assert_eq!(write(&writer, &[number; RECORD]), Ok(RECORD));
                    }
                })
            })
            .collect();
        drop(writer);
        let all = read_all(&reader).unwrap();
        assert_eq!(all.len(), 9 * RECORD);
        assert!(all.chunks(RECORD).all(|record| record.iter().all(|&byte| byte == record[0])));
        writers.into_iter().for_each(Running::join);
    });
}

#[test]
fn several_readers_share_what_comes() {
    over_seeds(100, 3, || {
        let (reader, writer) = new(OpenFlags::empty());
        let total = Arc::new(AtomicUsize::new(0));
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let (reader, total) = (reader.clone(), total.clone());
                start(move || {
                    let count = read_all(&reader).unwrap().len();
                    total.fetch_add(count, Ordering::Relaxed);
                })
            })
            .collect();
        for _ in 0..5 {
            write(&writer, &[0; 1000]).unwrap();
        }
        drop(writer);
        readers.into_iter().for_each(Running::join);
        assert_eq!(total.load(Ordering::Relaxed), 5000);
    });
}

#[test]
fn a_signal_ends_a_wait() {
    over_seeds(50, 2, || {
        let (reader, writer) = new(OpenFlags::empty());
        let waiting = start(move || {
            assert_eq!(read(&reader, &mut [0; 1]), Err(Errno::ERESTARTSYS));
        });
        waiting.signal();
        waiting.join();
        drop(writer);
    });
}

#[test]
fn a_fifo_brings_both_ends_together() {
    over_seeds(100, 3, || {
        let world = World::new();
        world.caller().make_node(&Start::Cwd, b"/fifo", NodeKind::Fifo, 0o666).unwrap();
        let nonblocking = OpenFlags::WRONLY | OpenFlags::NONBLOCK;
        assert_eq!(world.open("/fifo", nonblocking).err(), Some(Errno::ENXIO));
        let there = world.clone();
        let writing = start(move || {
            let writer = there.open("/fifo", OpenFlags::WRONLY).unwrap();
            write(&writer, b"through").unwrap();
        });
        let reader = world.open("/fifo", OpenFlags::empty()).unwrap();
        assert_eq!(read_all(&reader), Ok(b"through".to_vec()));
        writing.join();
        assert_eq!(events(&reader), PollEvents::HUP);
        drop(reader);
        // Nobody has written since this one was opened: that is no hang-up.
        let reader = world.open("/fifo", OpenFlags::NONBLOCK).unwrap();
        assert_eq!(events(&reader), PollEvents::empty());
        assert_eq!(read(&reader, &mut [0; 1]), Ok(0));
    });
}
