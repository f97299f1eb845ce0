//! Sessions, the foreground, and who is kept from the terminal.

use std::sync::Arc;

use errno::Errno;
use fs::{File, OpenFlags};
use process::{ChildEvent, Signal, WaitOptions, setpgid, setsid};
use tty::termios::LocalFlags;

use crate::harness::{call, fork, ioctl, open, over_seeds, pair, read, set, wait_for, write};

const TIOCSCTTY: u32 = 0x540e;
const TIOCGPGRP: u32 = 0x540f;
const TIOCSPGRP: u32 = 0x5410;
const TIOCGSID: u32 = 0x5429;

/// Starts a session on a terminal, in a child, and runs `body` there with the terminal open.
fn session(path: String, body: impl FnOnce(Arc<File>) -> u32 + Send + 'static) -> u32 {
    fork(move || {
        setsid().unwrap();
        body(open(&path, OpenFlags::RDWR).unwrap())
    })
}

fn number(file: &File, command: u32) -> errno::Result<u32> {
    ioctl(file, command, [0; 4]).map(u32::from_ne_bytes)
}

#[test]
fn a_leader_that_opens_a_terminal_has_it() {
    over_seeds(10, 2, || {
        let (_master, path) = pair();
        let child = session(path.clone(), |slave| {
            let me = process::tgid();
            assert_eq!(number(&slave, TIOCGPGRP), Ok(me));
            assert_eq!(number(&slave, TIOCGSID), Ok(me));
            assert!(open("/tty", OpenFlags::RDWR).is_ok());
            // One is enough.
            let (_other, path) = pair();
            let other = open(&path, OpenFlags::RDWR).unwrap();
            assert_eq!(number(&other, TIOCGPGRP), Err(Errno::ENOTTY));
            assert_eq!(other.ioctl(TIOCSCTTY, 0), Err(Errno::EPERM));
            0
        });
        let waited = wait_for(WaitOptions::EXITED);
        assert_eq!((waited.pid, waited.event), (child, ChildEvent::Ended(0)));
        // PID 1 leads a session, too, and has no terminal.
        assert_eq!(open("/tty", OpenFlags::RDWR).err(), Some(Errno::ENXIO));
    });
}

#[test]
fn an_interrupt_from_the_keyboard_ends_the_foreground() {
    over_seeds(100, 2, || {
        let (master, path) = pair();
        let child = session(path, |slave| match call(|| read(&slave, 10)) {
            Err(code) => code,
            Ok(outcome) => panic!("read gave {outcome:?}"),
        });
        // Typed before the session has the terminal, it is for nobody.
        while number(&master, TIOCGPGRP) != Ok(child) {
            sched::sleep_for(time::MILLISECOND);
        }
        sched::sleep_for(machine::sim::random(100_000));
        write(&master, b"\x03").unwrap();
        let waited = wait_for(WaitOptions::EXITED);
        assert_eq!(waited.event, ChildEvent::Ended(Signal::SIGINT.number()));
    });
}

/// In a session with a terminal: runs `body` in a child that is a background group of its own.
fn in_background(body: impl FnOnce() -> u32 + Send + 'static) -> u32 {
    let child = fork(|| {
        while process::getpgid(0) != Ok(process::tgid()) {
            sched::sleep_for(time::MILLISECOND);
        }
        body()
    });
    setpgid(child, child).unwrap();
    child
}

#[test]
fn a_background_reader_is_stopped_and_reads_in_the_foreground() {
    over_seeds(50, 2, || {
        let (master, path) = pair();
        session(path, |slave| {
            let reader = slave.clone();
            let child = in_background(move || match call(|| read(&reader, 10)) {
                Ok(line) => u32::from(line.unwrap() != b"hi\n") << 8,
                Err(code) => code,
            });
            let stopped = wait_for(WaitOptions::STOPPED);
            assert_eq!(stopped.event, ChildEvent::Stopped(Signal::SIGTTIN));
            ioctl(&slave, TIOCSPGRP, child.to_ne_bytes()).unwrap();
            process::kill(-(child as i32), Some(Signal::SIGCONT)).unwrap();
            let waited = wait_for(WaitOptions::EXITED);
            assert_eq!(waited.event, ChildEvent::Ended(0));
            0
        });
        write(&master, b"hi\n").unwrap();
        assert_eq!(wait_for(WaitOptions::EXITED).event, ChildEvent::Ended(0));
    });
}

#[test]
fn a_background_writer_is_stopped_if_the_terminal_says_so() {
    over_seeds(20, 2, || {
        let (master, path) = pair();
        session(path, |slave| {
            let writer = slave.clone();
            in_background(move || u32::from(call(|| write(&writer, b"free")).is_err()));
            assert_eq!(wait_for(WaitOptions::EXITED).event, ChildEvent::Ended(0));
            set(&slave, |termios| termios.local.insert(LocalFlags::TOSTOP));
            let writer = slave.clone();
            let child = in_background(move || match call(|| write(&writer, b"held")) {
                Ok(_) => 1 << 8,
                Err(code) => code,
            });
            let stopped = wait_for(WaitOptions::STOPPED);
            assert_eq!(stopped.event, ChildEvent::Stopped(Signal::SIGTTOU));
            process::kill(child as i32, Some(Signal::SIGKILL)).unwrap();
            wait_for(WaitOptions::EXITED);
            0
        });
        assert_eq!(wait_for(WaitOptions::EXITED).event, ChildEvent::Ended(0));
        assert_eq!(read(&master, 100).unwrap(), b"free");
    });
}

#[test]
fn an_orphaned_background_reader_gets_an_error() {
    over_seeds(20, 2, || {
        let (_master, path) = pair();
        session(path, |slave| {
            // The group in the middle ends, and nobody is left who could continue its child's.
            in_background(move || {
                let reader = slave.clone();
                fork(move || {
                    while process::ppid() != 1 {
                        sched::sleep_for(time::MILLISECOND);
                    }
                    let outcome = call(|| read(&reader, 1));
                    assert_eq!(outcome.unwrap(), Err(Errno::EIO));
                    0
                });
                0
            });
            wait_for(WaitOptions::EXITED);
            sched::sleep_for(time::SECOND);
            0
        });
        assert_eq!(wait_for(WaitOptions::EXITED).event, ChildEvent::Ended(0));
        assert_eq!(wait_for(WaitOptions::EXITED).event, ChildEvent::Ended(0));
    });
}

#[test]
fn a_session_that_ends_leaves_the_terminal() {
    over_seeds(50, 2, || {
        let (master, path) = pair();
        let first = session(path.clone(), |_slave| 0);
        assert_eq!(wait_for(WaitOptions::EXITED).pid, first);
        assert_eq!(number(&master, TIOCGPGRP), Ok(0));
        let second =
            session(path, |slave| u32::from(number(&slave, TIOCGPGRP) != Ok(process::tgid())));
        let waited = wait_for(WaitOptions::EXITED);
        assert_eq!((waited.pid, waited.event), (second, ChildEvent::Ended(0)));
    });
}

#[test]
fn a_hang_up_tells_the_leader() {
    over_seeds(50, 2, || {
        let (master, path) = pair();
        let child = session(path, |slave| {
            loop {
                match call(|| read(&slave, 10)) {
                    Err(code) => break code,
                    Ok(Ok(line)) if line.is_empty() => {}
                    Ok(other) => panic!("read gave {other:?}"),
                }
                sched::sleep_for(time::MILLISECOND);
            }
        });
        while number(&master, TIOCGPGRP) != Ok(child) {
            sched::sleep_for(time::MILLISECOND);
        }
        drop(master);
        let waited = wait_for(WaitOptions::EXITED);
        assert_eq!(waited.event, ChildEvent::Ended(Signal::SIGHUP.number()));
    });
}
