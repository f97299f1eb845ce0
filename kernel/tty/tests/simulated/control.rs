//! The commands of terminals that are about neither bytes nor jobs.

use errno::Errno;
use fs::OpenFlags;

use crate::harness::{ioctl, open, open_pair, over_seeds, pair, read, write};

const TCFLSH: u32 = 0x540b;
const TCXONC: u32 = 0x540a;
const TIOCGWINSZ: u32 = 0x5413;
const TIOCSWINSZ: u32 = 0x5414;
const FIONREAD: u32 = 0x541b;
const TIOCSPTLCK: u32 = 0x4004_5431;
const TIOCGETD: u32 = 0x5424;

#[test]
fn both_sides_see_one_window() {
    over_seeds(1, 1, || {
        let (master, slave) = open_pair();
        let window = [24, 0, 80, 0, 1, 0, 2, 0];
        ioctl(&master, TIOCSWINSZ, window).unwrap();
        assert_eq!(ioctl(&slave, TIOCGWINSZ, [0; 8]), Ok(window));
    });
}

#[test]
fn a_locked_slave_cannot_be_opened() {
    over_seeds(1, 1, || {
        let (master, path) = pair();
        ioctl(&master, TIOCSPTLCK, [1, 0, 0, 0]).unwrap();
        let flags = OpenFlags::RDWR | OpenFlags::NOCTTY;
        assert_eq!(open(&path, flags).err(), Some(Errno::EIO));
        ioctl(&master, TIOCSPTLCK, [0; 4]).unwrap();
        assert!(open(&path, flags).is_ok());
        drop(master);
        assert_eq!(open(&path, flags).err(), Some(Errno::ENOENT));
    });
}

#[test]
fn waiting_bytes_are_counted_and_flushed() {
    over_seeds(1, 1, || {
        let (master, slave) = open_pair();
        write(&master, b"one\ntwo").unwrap();
        assert_eq!(ioctl(&slave, FIONREAD, [0; 4]), Ok(4_i32.to_ne_bytes()));
        assert_eq!(ioctl(&master, FIONREAD, [0; 4]), Ok(8_i32.to_ne_bytes()));
        slave.ioctl(TCFLSH, 0).unwrap();
        assert_eq!(ioctl(&slave, FIONREAD, [0; 4]), Ok([0; 4]));
        write(&master, b"three\n").unwrap();
        assert_eq!(read(&slave, 100).unwrap(), b"three\n");
        assert_eq!(slave.ioctl(TCFLSH, 3), Err(Errno::EINVAL));
    });
}

#[test]
fn output_can_be_held_by_command() {
    over_seeds(1, 1, || {
        let (master, slave) = open_pair();
        slave.set_flags(OpenFlags::NONBLOCK);
        slave.ioctl(TCXONC, 0).unwrap();
        assert_eq!(write(&slave, b"x"), Err(Errno::EAGAIN));
        slave.ioctl(TCXONC, 1).unwrap();
        assert_eq!(write(&slave, b"x"), Ok(1));
        assert_eq!(read(&master, 10).unwrap(), b"x");
    });
}

#[test]
fn bad_addresses_and_commands_are_refused() {
    over_seeds(1, 1, || {
        let (master, slave) = open_pair();
        for file in [&master, &slave] {
            assert_eq!(file.ioctl(TIOCGETD, usize::MAX), Err(Errno::EFAULT));
            assert_eq!(file.ioctl(TIOCSWINSZ, 1), Err(Errno::EFAULT));
            assert_eq!(file.ioctl(0x1234, 0), Err(Errno::ENOTTY));
        }
    });
}
