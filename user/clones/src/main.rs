//! `clone3` into a control group, in every way that works and that does not; on any kernel with cgroup v2 mounted on
//! `/sys/fs/cgroup`, as root. Prints a line for each thing that is as it should be.

mod clone3;

use clone3::{Into, clone_into, wait};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const TOP: &str = "/sys/fs/cgroup/groups";

fn main() {
    fs::create_dir(TOP).expect("a group");
    born_in_it();
    refusals();
    events_are_polled();
    fs::remove_dir(TOP).expect("nobody is left in the group");
    println!("nobody is left");
}

fn group_of_me() -> String {
    fs::read_to_string("/proc/self/cgroup").expect("/proc")
}

/// A descriptor that only names the directory is enough.
fn born_in_it() {
    let directory = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(TOP).unwrap();
    let child = clone_into(Into::fork(directory.as_raw_fd()), || {
        i32::from(group_of_me() != "0::/groups\n")
    });
    assert_eq!(wait(child.unwrap()), 0, "the child is elsewhere");
    assert_eq!(group_of_me(), "0::/\n");
    println!("a child is born in the group");
}

fn refusals() {
    let refused = |into: Into| clone_into(into, || 0).unwrap_err().raw_os_error().unwrap();
    let open = |path: &str| File::open(path).unwrap();
    let group = open(TOP);
    assert_eq!(refused(Into::fork(-1)), libc::EINVAL);
    assert_eq!(refused(Into::fork(999)), libc::EBADF);
    assert_eq!(refused(Into::fork(open("/tmp").as_raw_fd())), libc::EBADF);
    let file = open(&format!("{TOP}/cgroup.procs"));
    assert_eq!(refused(Into::fork(file.as_raw_fd())), libc::EBADF);
    // The structure's versions before that with a group.
    assert_eq!(refused(Into::fork(group.as_raw_fd()).with_size(80)), libc::EINVAL);
    let removed = format!("{TOP}/removed");
    fs::create_dir(&removed).unwrap();
    let gone = open(&removed);
    let mut procs = OpenOptions::new()
        .read(true)
        .write(true)
        .open(Path::new(&removed).join("cgroup.procs"))
        .unwrap();
    fs::remove_dir(&removed).unwrap();
    assert_eq!(refused(Into::fork(gone.as_raw_fd())), libc::ENOENT);
    let written = procs.write(b"0").unwrap_err();
    assert_eq!(written.raw_os_error(), Some(libc::ENODEV));
    let read = procs.read(&mut [0; 16]).unwrap_err();
    assert_eq!(read.raw_os_error(), Some(libc::ENODEV));
    // A user to whom the group was given, but not that which both are below.
    std::os::unix::fs::chown(format!("{TOP}/cgroup.procs"), Some(1000), Some(1000)).unwrap();
    let fd = group.as_raw_fd();
    let user = clone_into(Into::plain(), || {
        clone3::become_user(1000);
        let error = clone_into(Into::fork(fd), || 0).unwrap_err();
        i32::from(error.raw_os_error() != Some(libc::EACCES))
    });
    assert_eq!(wait(user.unwrap()), 0, "a user may do what it should not");
    println!("what Linux refuses is refused");
}

/// `cgroup.events` has news when the last process has gone, until it is read.
fn events_are_polled() {
    let mut events = File::open(format!("{TOP}/cgroup.events")).unwrap();
    let mut text = String::new();
    events.read_to_string(&mut text).unwrap();
    assert_eq!(text, "populated 0\nfrozen 0\n");
    assert!(!clone3::has_news(events.as_raw_fd(), 0), "news before anything happened");
    let group = File::open(TOP).unwrap();
    let child = clone_into(Into::fork(group.as_raw_fd()), || 0).unwrap();
    assert!(clone3::has_news(events.as_raw_fd(), 100_000), "nothing was told");
    wait(child);
    println!("an empty group is told of");
}
