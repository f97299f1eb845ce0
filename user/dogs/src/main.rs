//! A watchdog and the devices around it, as programs see them. All of this holds on Linux 6.1 with `softdog` as well.
//!
//! - `dogs control`: every command of `/dev/watchdog`; stops it in the end.
//! - `dogs listen ACTION`: prints what is told of devices, up to something with this action.

use libc::{
    AF_NETLINK, EBUSY, EFAULT, EINVAL, ENOTTY, EOPNOTSUPP, ESPIPE, POLLIN, SOCK_DGRAM, c_int,
    c_ulong, pollfd, sockaddr, sockaddr_nl,
};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::mem::{size_of, zeroed};
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

const GETSUPPORT: c_ulong = 0x8028_5700;
const GETSTATUS: c_ulong = 0x8004_5701;
const GETBOOTSTATUS: c_ulong = 0x8004_5702;
const GETTEMP: c_ulong = 0x8004_5703;
const SETOPTIONS: c_ulong = 0x8004_5704;
const KEEPALIVE: c_ulong = 0x8004_5705;
const SETTIMEOUT: c_ulong = 0xc004_5706;
const GETTIMEOUT: c_ulong = 0x8004_5707;
const SETPRETIMEOUT: c_ulong = 0xc004_5708;
const GETPRETIMEOUT: c_ulong = 0x8004_5709;
const GETTIMELEFT: c_ulong = 0x8004_570a;

/// `NETLINK_KOBJECT_UEVENT`.
const UEVENTS: c_int = 15;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[1..] {
        ["control"] => control(),
        ["listen", last] => listen(last),
        _ => panic!("what is to be done?"),
    }
}

fn errno() -> c_int {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

fn error_of<T>(outcome: io::Result<T>) -> Option<c_int> {
    outcome.err().and_then(|error| error.raw_os_error())
}

/// A command with a number that goes in and comes out.
fn ioctl(file: &File, command: c_ulong, mut number: c_int) -> Result<c_int, c_int> {
    // SAFETY: the number lives until the call returns.
    match unsafe { libc::ioctl(file.as_raw_fd(), command, &raw mut number) } {
        0 => Ok(number),
        _ => Err(errno()),
    }
}

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

fn control() {
    let mut file = open("/dev/watchdog").unwrap();
    for path in ["/dev/watchdog", "/dev/watchdog0"] {
        assert_eq!(error_of(open(path)), Some(EBUSY), "{path} is open");
    }
    let mut info = [0_u8; 40];
    // SAFETY: `struct watchdog_info` has 40 bytes.
    let told = unsafe { libc::ioctl(file.as_raw_fd(), GETSUPPORT, &raw mut info) };
    let options = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
    assert_eq!((told, options, &info[4..8]), (0, 0x8180, &[0; 4][..]));
    assert!(info[8..].starts_with(b"Software Watchdog\0"));
    println!("support");

    let get = |command| ioctl(&file, command, -7);
    assert_eq!((get(GETSTATUS), get(GETSTATUS)), (Ok(0x8200), Ok(0x200)));
    assert_eq!(get(GETBOOTSTATUS), Ok(0));
    assert_eq!((get(GETTEMP), get(GETTIMELEFT)), (Err(ENOTTY), Err(EOPNOTSUPP)));
    assert_eq!((get(GETTIMEOUT), get(GETPRETIMEOUT)), (Ok(60), Ok(0)));
    println!("what there is");

    for good in [1, 65535, 60] {
        assert_eq!((ioctl(&file, SETTIMEOUT, good), get(GETTIMEOUT)), (Ok(good), Ok(good)));
    }
    for bad in [0, -1, 65536, i32::MAX] {
        assert_eq!((ioctl(&file, SETTIMEOUT, bad), get(GETTIMEOUT)), (Err(EINVAL), Ok(60)));
    }
    for good in [1, 59, 30] {
        assert_eq!((ioctl(&file, SETPRETIMEOUT, good), get(GETPRETIMEOUT)), (Ok(good), Ok(good)));
    }
    for bad in [-1, 60, 61] {
        assert_eq!((ioctl(&file, SETPRETIMEOUT, bad), get(GETPRETIMEOUT)), (Err(EINVAL), Ok(30)));
    }
    for (timeout, left) in [(31, 30), (30, 0), (60, 0)] {
        assert_eq!(ioctl(&file, SETTIMEOUT, timeout), Ok(timeout));
        assert_eq!(get(GETPRETIMEOUT), Ok(left));
    }
    println!("times");

    for none in [0, 4, 8] {
        assert_eq!(ioctl(&file, SETOPTIONS, none), Err(ENOTTY));
    }
    let state = || std::fs::read_to_string("/sys/class/watchdog/watchdog0/state").unwrap();
    for (options, seen) in [(1, "inactive\n"), (2, "active\n"), (3, "active\n")] {
        assert_eq!(ioctl(&file, SETOPTIONS, options), Ok(options));
        assert_eq!((ioctl(&file, KEEPALIVE, 0), state().as_str()), (Ok(0), seen));
    }
    println!("off and on");

    for command in [GETSUPPORT, GETSTATUS, GETBOOTSTATUS, SETOPTIONS, SETTIMEOUT, GETTIMEOUT] {
        // SAFETY: nothing is at address 0, and the kernel has to find out.
        let outcome = unsafe { libc::ioctl(file.as_raw_fd(), command, null_mut::<c_int>()) };
        assert_eq!((outcome, errno()), (-1, EFAULT));
    }
    // SAFETY: as above.
    assert_eq!(unsafe { libc::ioctl(file.as_raw_fd(), KEEPALIVE, null_mut::<c_int>()) }, 0);
    assert_eq!(ioctl(&file, 0x5763, 0), Err(ENOTTY));
    // SAFETY: as above.
    let written = unsafe { libc::write(file.as_raw_fd(), 8 as *const _, 4) };
    assert_eq!((written, errno()), (-1, EFAULT));
    assert_eq!(error_of(file.read(&mut [0; 4])), Some(EINVAL));
    assert_eq!(error_of(file.seek(SeekFrom::Start(0))), Some(ESPIPE));
    println!("errors");

    file.write_all(b"abV").unwrap();
    assert_eq!(ioctl(&file, GETSTATUS, 0).map(|status| status & 0x300), Ok(0x300));
    drop(file);
    assert_eq!(state(), "inactive\n");
    println!("stopped");
}

fn listen(last: &str) {
    // SAFETY: plain numbers.
    let socket = unsafe { libc::socket(AF_NETLINK, SOCK_DGRAM, UEVENTS) };
    assert!(socket >= 0, "{}", io::Error::last_os_error());
    // SAFETY: all zeros is an address.
    let mut address: sockaddr_nl = unsafe { zeroed() };
    (address.nl_family, address.nl_groups) = (AF_NETLINK as u16, 1);
    let length = size_of::<sockaddr_nl>() as u32;
    let place = (&raw const address).cast::<sockaddr>();
    // SAFETY: the address lives until the call returns.
    assert_eq!(unsafe { libc::bind(socket, place, length) }, 0);
    println!("ready");
    let mut bytes = [0_u8; 4096];
    loop {
        let mut ready = pollfd { fd: socket, events: POLLIN, revents: 0 };
        // SAFETY: one descriptor, as the call says.
        assert_eq!(unsafe { libc::poll(&raw mut ready, 1, -1) }, 1);
        let mut from = address;
        let mut size = length;
        let sender = (&raw mut from).cast::<sockaddr>();
        let place = bytes.as_mut_ptr().cast();
        // SAFETY: the buffer and the address live until the call returns, and are as long as it is told.
        let count = unsafe { libc::recvfrom(socket, place, 4096, 0, sender, &raw mut size) };
        assert!(count > 0, "{}", io::Error::last_os_error());
        assert_eq!((from.nl_pid, from.nl_groups), (0, 1), "it is the kernel that speaks");
        let text = String::from_utf8_lossy(&bytes[..count as usize]).into_owned();
        // The number depends on what has happened before.
        let lines: Vec<_> = text.split_terminator('\0').collect();
        let (number, told) = lines.split_last().expect("a message has lines");
        assert!(number.starts_with("SEQNUM="), "{number}");
        println!("{}", told.join(" "));
        if told[0].split('@').next() == Some(last) {
            return;
        }
    }
}
