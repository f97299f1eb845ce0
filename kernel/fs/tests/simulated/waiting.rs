//! poll, epoll, eventfd.

use std::sync::Arc;

use errno::Errno;
use fs::epoll::{self, Control, Event, EventFlags};
use fs::eventfd::{self, EventFdFlags};
use fs::{File, OpenFlags, PollEntry, PollEvents, pipe, poll_files};

use crate::harness::{Running, World, once, over_seeds, read, start, write};

fn entry(file: &Arc<File>, events: PollEvents) -> PollEntry {
    PollEntry { file: Some(file.clone()), events, found: PollEvents::empty() }
}

fn new_pipe() -> (Arc<File>, Arc<File>) {
    pipe::create(OpenFlags::NONBLOCK, &World::new().credentials).unwrap()
}

fn new_event(flags: EventFdFlags) -> Arc<File> {
    eventfd::create(0, flags, &World::new().credentials).unwrap()
}

fn add(file: &Arc<File>, value: u64) {
    assert_eq!(write(file, &value.to_ne_bytes()), Ok(8));
}

fn take(file: &Arc<File>) -> Result<u64, Errno> {
    let mut bytes = [0; 8];
    read(file, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

#[test]
fn counters_count() {
    once(|| {
        let event = new_event(EventFdFlags::NONBLOCK);
        assert_eq!(take(&event), Err(Errno::EAGAIN));
        add(&event, 3);
        add(&event, 4);
        assert_eq!(take(&event), Ok(7));
        add(&event, u64::MAX - 1);
        assert_eq!(write(&event, &1u64.to_ne_bytes()), Err(Errno::EAGAIN));
        assert_eq!(write(&event, &u64::MAX.to_ne_bytes()), Err(Errno::EINVAL));
        assert_eq!(write(&event, &[0; 7]), Err(Errno::EINVAL));
        let semaphore = new_event(EventFdFlags::NONBLOCK | EventFdFlags::SEMAPHORE);
        add(&semaphore, 2);
        assert_eq!((take(&semaphore), take(&semaphore)), (Ok(1), Ok(1)));
        assert_eq!(take(&semaphore), Err(Errno::EAGAIN));
    });
}

#[test]
fn poll_finds_what_is_there() {
    once(|| {
        let (reader, writer) = new_pipe();
        let mut entries = [
            entry(&reader, PollEvents::IN),
            entry(&writer, PollEvents::OUT),
            PollEntry { file: None, events: PollEvents::IN, found: PollEvents::empty() },
        ];
        assert_eq!(poll_files(&mut entries, Some(0)), Ok(2));
        assert_eq!(entries[0].found, PollEvents::empty());
        assert_eq!(entries[1].found, PollEvents::OUT);
        assert_eq!(entries[2].found, PollEvents::NVAL);
        let before = time::monotonic();
        let deadline = before + time::MILLISECOND;
        assert_eq!(poll_files(&mut entries[..1], Some(deadline)), Ok(0));
        assert!(time::monotonic() >= deadline);
    });
}

/// Whatever the order of asking and writing, the write is seen.
#[test]
fn poll_misses_nothing() {
    over_seeds(200, 2, || {
        let (reader, writer) = new_pipe();
        let (quiet, _quiet_writer) = new_pipe();
        let writing = start(move || {
            write(&writer, b"x").unwrap();
        });
        let mut entries = [entry(&quiet, PollEvents::IN), entry(&reader, PollEvents::IN)];
        assert_eq!(poll_files(&mut entries, None), Ok(1));
        assert!(entries[1].found.contains(PollEvents::IN));
        writing.join();
    });
}

#[test]
fn a_signal_ends_a_poll() {
    over_seeds(50, 2, || {
        let (reader, _writer) = new_pipe();
        let polling = start(move || {
            let mut entries = [entry(&reader, PollEvents::IN)];
            assert_eq!(poll_files(&mut entries, None), Err(Errno::EINTR));
        });
        polling.signal();
        polling.join();
    });
}

fn new_epoll() -> Arc<File> {
    epoll::create(&World::new().credentials).unwrap()
}

fn event(flags: EventFlags, data: u64) -> Event {
    Event { flags, data }
}

const IN: EventFlags = EventFlags::from_bits_retain(1);

fn now(epoll: &File) -> Vec<u64> {
    epoll::wait(epoll, 10, Some(0)).unwrap().iter().map(|event| event.data).collect()
}

#[test]
fn levels_edges_and_single_shots() {
    once(|| {
        let epoll = new_epoll();
        let events: Vec<_> = (0..3).map(|_| new_event(EventFdFlags::NONBLOCK)).collect();
        let kinds = [IN, IN | EventFlags::EDGE, IN | EventFlags::ONESHOT];
        for (at, file) in events.iter().enumerate() {
            let control = Control::Add(event(kinds[at], at as u64));
            assert_eq!(epoll::control(&epoll, at as u32, file, control), Ok(()));
            assert_eq!(epoll::control(&epoll, at as u32, file, control), Err(Errno::EEXIST));
        }
        assert!(now(&epoll).is_empty());
        events.iter().for_each(|file| add(file, 1));
        assert_eq!(now(&epoll), [0, 1, 2]);
        assert_eq!(now(&epoll), [0]);
        events.iter().for_each(|file| add(file, 1));
        assert_eq!(now(&epoll), [0, 1]);
        events.iter().for_each(|file| assert!(take(file).is_ok()));
        assert!(now(&epoll).is_empty());
        add(&events[2], 1);
        assert!(now(&epoll).is_empty());
        let again = Control::Modify(event(IN, 7));
        assert_eq!(epoll::control(&epoll, 2, &events[2], again), Ok(()));
        assert_eq!(now(&epoll), [7]);
        assert_eq!(epoll::control(&epoll, 2, &events[2], Control::Delete), Ok(()));
        assert_eq!(epoll::control(&epoll, 2, &events[2], Control::Delete), Err(Errno::ENOENT));
        assert!(now(&epoll).is_empty());
        let (reader, writer) = new_pipe();
        epoll::control(&epoll, 9, &reader, Control::Add(event(IN, 9))).unwrap();
        drop(writer);
        let found = epoll::wait(&epoll, 10, None).unwrap();
        assert_eq!(found, [event(EventFlags::from_bits_retain(0x10), 9)]);
        drop(reader);
        assert!(now(&epoll).is_empty());
    });
}

#[test]
fn what_cannot_be_watched_is_refused() {
    once(|| {
        let world = World::new();
        world.write("/f", b"");
        let file = world.open("/f", OpenFlags::RDWR).unwrap();
        let epoll = new_epoll();
        let watch = Control::Add(event(IN, 0));
        assert_eq!(epoll::control(&epoll, 0, &file, watch), Err(Errno::EPERM));
        assert_eq!(epoll::control(&file, 0, &epoll, watch), Err(Errno::EINVAL));
        assert_eq!(epoll::control(&epoll, 0, &epoll, watch), Err(Errno::EINVAL));
        assert_eq!(epoll::wait(&epoll, 0, None), Err(Errno::EINVAL));
        let inner = new_epoll();
        assert_eq!(epoll::control(&epoll, 1, &inner, watch), Ok(()));
        assert_eq!(epoll::control(&inner, 2, &epoll, watch), Err(Errno::ELOOP));
        epoll::control(&epoll, 1, &inner, Control::Delete).unwrap();
    });
}

/// An epoll that watches an epoll that watches a counter: both wake.
#[test]
fn epolls_watch_epolls() {
    over_seeds(100, 2, || {
        let (outer, inner) = (new_epoll(), new_epoll());
        let counter = new_event(EventFdFlags::NONBLOCK);
        epoll::control(&outer, 1, &inner, Control::Add(event(IN, 1))).unwrap();
        epoll::control(&inner, 2, &counter, Control::Add(event(IN, 2))).unwrap();
        let there = counter.clone();
        let adding = start(move || add(&there, 1));
        assert_eq!(epoll::wait(&outer, 1, None).unwrap(), [event(IN, 1)]);
        assert_eq!(now(&inner), [2]);
        adding.join();
        take(&counter).unwrap();
        assert!(now(&outer).is_empty());
    });
}

/// Edges from one task to another through two waiting tasks: none is lost.
#[test]
fn no_edge_is_lost() {
    over_seeds(200, 3, || {
        let epoll = new_epoll();
        let counter = new_event(EventFdFlags::NONBLOCK);
        let edge = event(IN | EventFlags::EDGE, 1);
        epoll::control(&epoll, 0, &counter, Control::Add(edge)).unwrap();
        let adders: Vec<_> = (0..2)
            .map(|_| {
                let counter = counter.clone();
                start(move || (0..3).for_each(|_| add(&counter, 1)))
            })
            .collect();
        let mut total = 0;
        while total < 6 {
            assert_eq!(epoll::wait(&epoll, 1, None).unwrap().len(), 1);
            total += take(&counter).unwrap_or(0);
        }
        adders.into_iter().for_each(Running::join);
    });
}
