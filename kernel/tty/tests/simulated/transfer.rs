//! Bytes through a pair, waiting, and ends.

use errno::Errno;
use fs::{OpenFlags, PollEvents, PollTable};
use process::WaitOptions;
use tty::termios::{LocalFlags, OutputFlags, Special};

use crate::harness::{
    fork, open, open_pair, over_seeds, pair, read, read_exactly, set, wait_for, write,
};

#[test]
fn a_line_wakes_its_reader() {
    over_seeds(300, 2, || {
        let (master, slave) = open_pair();
        fork(move || {
            assert_eq!(read(&slave, 100).unwrap(), b"abd\n");
            assert_eq!(read(&slave, 100).unwrap(), b"");
            7
        });
        for piece in [&b"ab"[..], b"c\x7f", b"d\n", b"\x04"] {
            assert_eq!(write(&master, piece), Ok(piece.len()));
        }
        wait_for(WaitOptions::EXITED);
        assert_eq!(read_exactly(&master, 9), b"abc\x08 \x08d\r\n");
    });
}

#[test]
fn a_writer_waits_for_the_other_side_and_loses_nothing() {
    over_seeds(20, 2, || {
        let (master, slave) = open_pair();
        const LINES: usize = 900;
        fork(move || {
            for line in 0..LINES {
                let text = format!("line {line:04}\n");
                assert_eq!(write(&slave, text.as_bytes()), Ok(text.len()));
            }
            0
        });
        for line in 0..LINES {
            let expected = format!("line {line:04}\r\n");
            assert_eq!(read_exactly(&master, expected.len()), expected.as_bytes());
        }
        wait_for(WaitOptions::EXITED);
    });
}

#[test]
fn a_master_waits_for_a_reader_and_loses_nothing() {
    over_seeds(20, 2, || {
        let (master, slave) = open_pair();
        set(&slave, |termios| {
            termios.local.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        });
        let bytes: Vec<u8> = (0..9000_u32).map(|index| b'a' + (index % 26) as u8).collect();
        let expected = bytes.clone();
        fork(move || {
            assert_eq!(read_exactly(&slave, expected.len()), expected);
            0
        });
        assert_eq!(write(&master, &bytes), Ok(bytes.len()));
        wait_for(WaitOptions::EXITED);
    });
}

#[test]
fn nonblocking_files_do_not_wait() {
    over_seeds(1, 1, || {
        let (master, path) = pair();
        let flags = OpenFlags::RDWR | OpenFlags::NOCTTY | OpenFlags::NONBLOCK;
        let slave = open(&path, flags).unwrap();
        assert_eq!(read(&slave, 1), Err(Errno::EAGAIN));
        write(&master, b"half").unwrap();
        assert_eq!(read(&slave, 1), Err(Errno::EAGAIN));
        let long = [b'x'; 10_000];
        let taken = write(&slave, &long).unwrap();
        assert!((1000..long.len()).contains(&taken));
        assert_eq!(write(&slave, &long), Err(Errno::EAGAIN));
        master.set_flags(OpenFlags::NONBLOCK);
        while read(&master, 1000).is_ok() {}
        assert_eq!(read(&master, 1), Err(Errno::EAGAIN));
    });
}

#[test]
fn raw_reads_keep_time_and_minimum() {
    over_seeds(10, 2, || {
        let (master, slave) = open_pair();
        set(&slave, |termios| {
            termios.local.remove(LocalFlags::ICANON | LocalFlags::ECHO);
            termios.characters[Special::Minimum as usize] = 0;
            termios.characters[Special::Time as usize] = 3;
        });
        let before = time::monotonic();
        assert_eq!(read(&slave, 10).unwrap(), b"");
        let waited = time::monotonic() - before;
        assert!((300..320).contains(&(waited / time::MILLISECOND)), "{waited} ns");

        set(&slave, |termios| termios.characters[Special::Minimum as usize] = 3);
        let writer = master.clone();
        fork(move || {
            for byte in [b"a", b"b"] {
                sched::sleep_for(200 * time::MILLISECOND);
                write(&writer, byte).unwrap();
            }
            0
        });
        // Two bytes come, each in time; the third does not.
        assert_eq!(read(&slave, 10).unwrap(), b"ab");
        wait_for(WaitOptions::EXITED);
        set(&slave, |termios| termios.characters[Special::Time as usize] = 0);
        write(&master, b"xyz").unwrap();
        assert_eq!(read(&slave, 10).unwrap(), b"xyz");
    });
}

#[test]
fn echo_and_output_keep_their_order() {
    over_seeds(300, 2, || {
        let (master, slave) = open_pair();
        let writer = slave.clone();
        fork(move || {
            for _ in 0..20 {
                write(&writer, b"[out]").unwrap();
            }
            0
        });
        write(&master, b"\x13typed\x11").unwrap();
        wait_for(WaitOptions::EXITED);
        let all = read_exactly(&master, 105);
        let mut rest = String::from_utf8(all).unwrap();
        let place = rest.find("typed").expect("the echo is in one piece");
        rest.replace_range(place..place + 5, "");
        assert_eq!(rest, "[out]".repeat(20));
    });
}

#[test]
fn a_closed_master_hangs_the_slave_up() {
    over_seeds(300, 2, || {
        let (master, slave) = open_pair();
        let waiting = slave.clone();
        fork(move || {
            assert_eq!(read(&waiting, 10).unwrap(), b"");
            0
        });
        sched::sleep_for(machine::sim::random(200_000));
        drop(master);
        wait_for(WaitOptions::EXITED);
        assert_eq!(read(&slave, 10).unwrap(), b"");
        assert_eq!(write(&slave, b"x"), Err(Errno::EIO));
        let events = slave.poll(&mut PollTable::none());
        assert!(events.contains(PollEvents::HUP | PollEvents::ERR | PollEvents::READABLE));
        assert_eq!(slave.ioctl(0x5401, 0), Err(Errno::EIO));
    });
}

#[test]
fn a_closed_slave_leaves_its_last_words() {
    over_seeds(300, 2, || {
        let (master, path) = pair();
        fork(move || {
            let slave = open(&path, OpenFlags::RDWR | OpenFlags::NOCTTY).unwrap();
            write(&slave, b"last\n").unwrap();
            0
        });
        assert_eq!(read_exactly(&master, 6), b"last\r\n");
        assert_eq!(read(&master, 1), Err(Errno::EIO));
        wait_for(WaitOptions::EXITED);
        assert!(master.poll(&mut PollTable::none()).contains(PollEvents::HUP));
    });
}

#[test]
fn output_is_raw_without_processing() {
    over_seeds(1, 1, || {
        let (master, slave) = open_pair();
        set(&slave, |termios| termios.output.remove(OutputFlags::OPOST));
        write(&slave, b"a\n").unwrap();
        assert_eq!(read(&master, 10).unwrap(), b"a\n");
    });
}
