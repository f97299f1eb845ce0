//! POSIX message queues.

use crate::calls::{self, Outcome, outcome};
use libc::{
    EACCES, EAGAIN, EBADF, EBUSY, EEXIST, EINVAL, EMFILE, EMSGSIZE, ENOENT, ENOSYS, EPERM,
    ETIMEDOUT, O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, POLLIN, POLLOUT, SIGRTMIN,
    SIGUSR1, SIGUSR2, c_int, c_long, c_uint, mq_attr, timespec,
};
use std::ffi::CString;
use std::fs::{self, FileTimes};
use std::mem::zeroed;
use std::os::unix::fs::MetadataExt;
use std::ptr;
use std::time::{Duration, UNIX_EPOCH};

const MOUNT: &str = "/tmp/queues";

/// An open queue; closed when dropped.
struct Queue(c_int);

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: nobody else closes it.
        unsafe { libc::mq_close(self.0) };
    }
}

fn attributes(messages: c_long, size: c_long) -> mq_attr {
    // SAFETY: valid as zeros.
    let mut attributes: mq_attr = unsafe { zeroed() };
    (attributes.mq_maxmsg, attributes.mq_msgsize) = (messages, size);
    attributes
}

fn open_with(
    name: &str,
    flags: c_int,
    mode: c_uint,
    size: Option<(c_long, c_long)>,
) -> Outcome<Queue> {
    let name = CString::new(name).unwrap();
    let attributes = size.map(|(messages, size)| attributes(messages, size));
    let pointer = attributes.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the pointers are good.
    outcome(unsafe { libc::mq_open(name.as_ptr(), flags, mode, pointer) }).map(Queue)
}

fn open(name: &str, flags: c_int) -> Outcome<Queue> {
    open_with(name, flags, 0o600, None)
}

fn unlink(name: &str) -> Outcome<c_int> {
    let name = CString::new(name).unwrap();
    // SAFETY: the pointer is good.
    outcome(unsafe { libc::mq_unlink(name.as_ptr()) })
}

/// So many milliseconds from now.
fn soon(milliseconds: c_long) -> timespec {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to `time`.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut time) }, 0);
    let nanoseconds = time.tv_nsec + milliseconds * 1_000_000;
    timespec {
        tv_sec: time.tv_sec + nanoseconds / 1_000_000_000,
        tv_nsec: nanoseconds % 1_000_000_000,
    }
}

impl Queue {
    fn send(&self, text: &[u8], priority: c_uint, deadline: Option<timespec>) -> Outcome<c_int> {
        let deadline = deadline.as_ref().map_or(ptr::null(), ptr::from_ref);
        let (text, length) = (text.as_ptr().cast(), text.len());
        // SAFETY: the pointers are good.
        outcome(unsafe { libc::mq_timedsend(self.0, text, length, priority, deadline) })
    }

    fn receive(&self, room: usize, deadline: Option<timespec>) -> Outcome<(c_uint, String)> {
        let deadline = deadline.as_ref().map_or(ptr::null(), ptr::from_ref);
        let mut text = vec![0; room];
        let mut priority = 0;
        let (start, length) = (text.as_mut_ptr(), text.len());
        // SAFETY: the pointers are good.
        let length = outcome(unsafe {
            libc::mq_timedreceive(self.0, start.cast(), length, &mut priority, deadline)
        })?;
        text.truncate(length as usize);
        Ok((priority, String::from_utf8(text).unwrap()))
    }

    fn status(&self) -> mq_attr {
        // SAFETY: valid as zeros.
        let mut status = unsafe { zeroed() };
        // SAFETY: writes to `status`.
        outcome(unsafe { libc::mq_getattr(self.0, &mut status) }).unwrap();
        status
    }

    fn ready(&self) -> i16 {
        let mut entry = libc::pollfd { fd: self.0, events: POLLIN | POLLOUT, revents: 0 };
        // SAFETY: one entry.
        outcome(unsafe { libc::poll(&mut entry, 1, 0) }).unwrap();
        entry.revents
    }

    fn notify(&self, how: c_int, signal: c_int, value: usize) -> Outcome<c_int> {
        // SAFETY: valid as zeros.
        let mut event: libc::sigevent = unsafe { zeroed() };
        event.sigev_notify = how;
        event.sigev_signo = signal;
        event.sigev_value.sival_ptr = value as *mut _;
        // SAFETY: the pointer is good.
        outcome(unsafe { libc::mq_notify(self.0, &event) })
    }

    fn forget(&self) -> Outcome<c_int> {
        // SAFETY: no pointer.
        outcome(unsafe { libc::mq_notify(self.0, ptr::null()) })
    }
}

/// The highest first; how many and how long they may be.
pub(crate) fn priorities() {
    let queue = open_with("/ordered", O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0o600, Some((4, 10)));
    let queue = queue.unwrap();
    assert_eq!(queue.ready(), POLLOUT);
    for (text, priority) in [("low", 1), ("high", 32767), ("", 5), ("after", 5)] {
        queue.send(text.as_bytes(), priority, None).unwrap();
    }
    assert_eq!(queue.ready(), POLLIN);
    let status = queue.status();
    assert_eq!((status.mq_maxmsg, status.mq_msgsize, status.mq_curmsgs), (4, 10, 4));
    assert_eq!(status.mq_flags, O_NONBLOCK.into());
    assert_eq!(queue.send(b"", 0, None), Err(EAGAIN));
    assert_eq!(queue.send(&[0; 11], 0, None), Err(EMSGSIZE));
    assert_eq!(queue.send(b"", 32768, None), Err(EINVAL));
    assert_eq!(queue.receive(9, None), Err(EMSGSIZE));
    for expected in [(32767, "high"), (5, ""), (5, "after"), (1, "low")] {
        let (priority, text) = queue.receive(10, None).unwrap();
        assert_eq!((priority, &*text), expected);
    }
    assert_eq!(queue.receive(10, None), Err(EAGAIN));
    unlink("/ordered").unwrap();
    println!("queue priorities");
}

/// Names, permissions, and how much there may be.
pub(crate) fn names() {
    assert_eq!(open("/none", O_RDWR).err(), Some(ENOENT));
    assert_eq!(open("/a/b", O_RDWR | O_CREAT).err(), Some(EACCES));
    assert_eq!(open("/..", O_RDWR | O_CREAT).err(), Some(EACCES));
    assert_eq!(unlink("/none"), Err(ENOENT));
    let queue = open_with("/mine", O_RDONLY | O_CREAT, 0o644, None).unwrap();
    assert_eq!(open("/mine", O_RDWR | O_CREAT | O_EXCL).err(), Some(EEXIST));
    assert_eq!(queue.send(b"", 0, None), Err(EBADF));
    // SAFETY: a number only.
    let flags = unsafe { libc::fcntl(queue.0, libc::F_GETFD) };
    assert_eq!(flags, libc::FD_CLOEXEC);
    let status = queue.status();
    assert_eq!((status.mq_maxmsg, status.mq_msgsize), (10, 8192));
    calls::as_somebody(|| {
        let queue = open("/mine", O_RDONLY | O_NONBLOCK).unwrap();
        assert_eq!(queue.receive(8192, None), Err(EAGAIN));
        assert_eq!(open("/mine", O_RDWR).err(), Some(EACCES));
        // The C library makes EACCES of EPERM, as POSIX has it.
        assert_eq!(unlink("/mine"), Err(EACCES));
        let large = |messages, size| {
            open_with("/theirs", O_WRONLY | O_CREAT, 0o600, Some((messages, size)))
        };
        assert_eq!(large(11, 10).err(), Some(EINVAL));
        assert_eq!(large(10, 8193).err(), Some(EINVAL));
        assert_eq!(large(0, 10).err(), Some(EINVAL));
        // 819200 bytes are nine queues of the usual size, with what else counts.
        let name = |number| format!("/theirs{number}");
        let many: Vec<_> =
            (0..9).map(|number| open(&name(number), O_WRONLY | O_CREAT).unwrap()).collect();
        assert_eq!(open(&name(9), O_WRONLY | O_CREAT).err(), Some(EMFILE));
        unlink(&name(0)).unwrap();
        assert_eq!(open(&name(9), O_WRONLY | O_CREAT).err(), Some(EMFILE), "it is still open");
        drop(many);
        drop(open(&name(9), O_WRONLY | O_CREAT).unwrap());
        assert!((1..10).all(|number| unlink(&name(number)).is_ok()));
    });
    unlink("/mine").unwrap();
    assert_eq!(open("/mine", O_RDONLY).err(), Some(ENOENT));
    println!("queue names");
}

/// A wait ends with what is waited for and with its time; after a signal's handler it goes on.
pub(crate) fn waiting() {
    let queue = open_with("/waited", O_RDWR | O_CREAT, 0o600, Some((1, 10))).unwrap();
    assert_eq!(queue.receive(10, Some(soon(20))), Err(ETIMEDOUT));
    assert_eq!(queue.receive(10, Some(soon(-20))), Err(ETIMEDOUT));
    let wrong = timespec { tv_sec: 0, tv_nsec: 1_000_000_000 };
    assert_eq!(queue.receive(10, Some(wrong)), Err(EINVAL));
    queue.send(b"first", 1, Some(soon(-20))).unwrap();
    assert_eq!(queue.send(b"second", 1, Some(soon(20))), Err(ETIMEDOUT));
    let sender = calls::fork(|| {
        open("/waited", O_WRONLY).unwrap().send(b"second", 3, None).unwrap();
    });
    calls::until_it_waits(sender);
    calls::kill(sender, SIGUSR1);
    calls::until_it_waits(sender);
    assert_eq!(queue.receive(10, None), Ok((1, "first".into())));
    assert_eq!(queue.receive(10, None), Ok((3, "second".into())));
    calls::wait(sender);
    let receiver = calls::fork(|| {
        let queue = open("/waited", O_RDONLY).unwrap();
        assert_eq!(queue.receive(10, Some(soon(1_000_000))), Ok((9, "straight".into())));
    });
    calls::until_it_waits(receiver);
    calls::kill(receiver, SIGUSR1);
    calls::until_it_waits(receiver);
    queue.send(b"straight", 9, None).unwrap();
    calls::wait(receiver);
    assert_eq!(queue.status().mq_curmsgs, 0);
    unlink("/waited").unwrap();
    println!("queue waits");
}

/// A signal for the first message in the empty queue, once.
pub(crate) fn notification() {
    let queue = open("/told", O_RDWR | O_CREAT | O_NONBLOCK).unwrap();
    let signal = SIGRTMIN();
    // SAFETY: valid as zeros; the set is written, then read.
    unsafe {
        let mut set = zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        libc::sigprocmask(libc::SIG_BLOCK, &set, ptr::null_mut());
    }
    let taken = || {
        // SAFETY: valid as zeros; the pointers are good.
        unsafe {
            let (mut set, mut info): (_, libc::siginfo_t) = (zeroed(), zeroed());
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, signal);
            let none = timespec { tv_sec: 0, tv_nsec: 0 };
            outcome(libc::sigtimedwait(&set, &mut info, &none)).map(|_| {
                (info.si_code, info.si_value().sival_ptr as usize, info.si_pid(), info.si_uid())
            })
        }
    };
    assert_eq!(queue.notify(libc::SIGEV_SIGNAL, 65, 0), Err(EINVAL));
    assert_eq!(queue.notify(7, 0, 0), Err(EINVAL));
    // The C library needs a netlink socket for its threads, and says so.
    if let Err(error) = queue.notify(libc::SIGEV_THREAD, 0, 0) {
        assert_eq!(error, ENOSYS);
    } else {
        queue.forget().unwrap();
    }
    queue.notify(libc::SIGEV_SIGNAL, signal, 0x1234_5678_9abc).unwrap();
    assert_eq!(queue.notify(libc::SIGEV_NONE, 0, 0), Err(EBUSY));
    let sender = calls::fork(|| {
        let queue = open("/told", O_WRONLY).unwrap();
        assert_eq!(queue.notify(libc::SIGEV_NONE, 0, 0), Err(EBUSY));
        queue.forget().unwrap();
        queue.send(b"x", 0, None).unwrap();
        queue.send(b"y", 0, None).unwrap();
    });
    calls::wait(sender);
    assert_eq!(taken(), Ok((libc::SI_MESGQ, 0x1234_5678_9abc, sender, 0)));
    assert_eq!(taken(), Err(EAGAIN), "once");
    queue.notify(libc::SIGEV_SIGNAL, signal, 0).unwrap();
    queue.send(b"z", 0, None).unwrap();
    assert_eq!(taken(), Err(EAGAIN), "the queue was not empty");
    queue.forget().unwrap();
    queue.notify(libc::SIGEV_NONE, SIGUSR2, 0).unwrap();
    // The process's descriptor goes, and with it the wish.
    drop(open("/told", O_RDONLY).unwrap());
    queue.notify(libc::SIGEV_NONE, 0, 0).unwrap();
    unlink("/told").unwrap();
    println!("queue notification");
}

/// Queues as files.
pub(crate) fn files() {
    fs::create_dir(MOUNT).unwrap();
    let path = CString::new(MOUNT).unwrap();
    // SAFETY: the pointers are good.
    let mounted =
        unsafe { libc::mount(c"none".as_ptr(), path.as_ptr(), c"mqueue".as_ptr(), 0, ptr::null()) };
    assert_eq!(mounted, 0);
    let queue = open_with("/shown", O_RDWR | O_CREAT, 0o640, None).unwrap();
    queue.send(b"twelve bytes", 1, None).unwrap();
    let file = format!("{MOUNT}/shown");
    let line = |signal, pid| {
        format!("QSIZE:{:<10} NOTIFY:{:<5} SIGNO:{signal:<5} NOTIFY_PID:{pid:<6}\n", 12, 0)
    };
    assert_eq!(fs::read_to_string(&file).unwrap(), line(0, 0));
    // SAFETY: no arguments.
    let me = unsafe { libc::getpid() };
    queue.notify(libc::SIGEV_SIGNAL, SIGUSR1, 0).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), line(SIGUSR1, me));
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!((metadata.mode(), metadata.size()), (0o100_640, 80));
    assert_eq!(fs::metadata(MOUNT).unwrap().mode(), 0o041_777);
    // The directory's times can be set; what happens in it sets them, too.
    let moment = UNIX_EPOCH + Duration::from_secs(1_000_000);
    let times = FileTimes::new().set_accessed(moment).set_modified(moment);
    fs::File::open(MOUNT).unwrap().set_times(times).unwrap();
    let root = fs::metadata(MOUNT).unwrap();
    assert_eq!((root.atime(), root.mtime()), (1_000_000, 1_000_000));
    // A file that is made is a queue, and one that is removed is gone as one.
    fs::write(format!("{MOUNT}/made"), "").unwrap();
    assert_eq!(open("/made", O_RDONLY).unwrap().status().mq_maxmsg, 10);
    assert!(fs::metadata(MOUNT).unwrap().mtime() > 1_000_000);
    let names: Vec<_> =
        fs::read_dir(MOUNT).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2);
    let error = |result: std::io::Result<()>| result.err().and_then(|error| error.raw_os_error());
    assert_eq!(error(fs::write(&file, "text")), Some(EINVAL));
    assert_eq!(error(fs::create_dir(format!("{MOUNT}/directory"))), Some(EPERM));
    assert_eq!(error(fs::rename(&file, format!("{MOUNT}/other"))), Some(EPERM));
    fs::remove_file(&file).unwrap();
    assert_eq!(open("/shown", O_RDONLY).err(), Some(ENOENT));
    assert_eq!(queue.receive(8192, None), Ok((1, "twelve bytes".into())), "it is open");
    unlink("/made").unwrap();
    // SAFETY: the pointer is good.
    assert_eq!(unsafe { libc::umount(path.as_ptr()) }, 0);
    fs::remove_dir(MOUNT).unwrap();
    println!("queue files");
}
