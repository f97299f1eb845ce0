//! System V's message queues.

use crate::calls::{self, Outcome, outcome};
use libc::{
    E2BIG, EACCES, EAGAIN, EEXIST, EFAULT, EIDRM, EINTR, EINVAL, ENOENT, ENOMSG, ENOSPC, EPERM,
    IPC_CREAT, IPC_EXCL, IPC_NOWAIT, IPC_PRIVATE, IPC_RMID, IPC_SET, IPC_STAT, MSG_COPY,
    MSG_EXCEPT, MSG_NOERROR, SIGUSR1, c_int, c_long,
};
use std::mem::zeroed;

const KEY: c_int = 0x4ed1;
const TEXT_MAX: usize = 8192;

#[repr(C)]
struct Message {
    kind: c_long,
    text: [u8; TEXT_MAX],
}

fn get(key: c_int, flags: c_int) -> Outcome<c_int> {
    // SAFETY: numbers only.
    outcome(unsafe { libc::msgget(key, flags) })
}

fn send(queue: c_int, kind: c_long, text: &[u8], flags: c_int) -> Outcome<c_int> {
    let mut message = Message { kind, text: [0; TEXT_MAX] };
    let stored = text.len().min(TEXT_MAX);
    message.text[..stored].copy_from_slice(&text[..stored]);
    // SAFETY: what is longer is refused before it is read.
    outcome(unsafe { libc::msgsnd(queue, (&raw const message).cast(), text.len(), flags) })
}

fn receive(queue: c_int, kind: c_long, room: usize, flags: c_int) -> Outcome<(c_long, Vec<u8>)> {
    let mut message = Message { kind: 0, text: [0; TEXT_MAX] };
    // SAFETY: there is room for the longest message.
    let length = outcome(unsafe {
        libc::msgrcv(queue, (&raw mut message).cast(), room, kind, flags | IPC_NOWAIT)
    })?;
    Ok((message.kind, message.text[..length as usize].to_vec()))
}

fn status(queue: c_int) -> Outcome<libc::msqid_ds> {
    // SAFETY: writes to `status`, which is valid as zeros.
    let mut status = unsafe { zeroed() };
    // SAFETY: as above.
    outcome(unsafe { libc::msgctl(queue, IPC_STAT, &mut status) })?;
    Ok(status)
}

fn set(queue: c_int, change: impl FnOnce(&mut libc::msqid_ds)) -> Outcome<c_int> {
    let mut status = status(queue)?;
    change(&mut status);
    // SAFETY: reads `status`.
    outcome(unsafe { libc::msgctl(queue, IPC_SET, &mut status) })
}

fn remove(queue: c_int) -> Outcome<c_int> {
    // SAFETY: numbers only.
    outcome(unsafe { libc::msgctl(queue, IPC_RMID, std::ptr::null_mut()) })
}

/// By order, by type, by another type, by the lowest, by place.
pub(crate) fn types() {
    let queue = get(IPC_PRIVATE, 0o600).unwrap();
    for (kind, text) in [(5, "five"), (2, "two"), (9, "nine"), (2, "again"), (3, "")] {
        send(queue, kind, text.as_bytes(), IPC_NOWAIT).unwrap();
    }
    let now = status(queue).unwrap();
    assert_eq!((now.msg_qnum, now.__msg_cbytes), (5, 16));
    // SAFETY: no arguments.
    assert_eq!(now.msg_lspid, unsafe { libc::getpid() });
    let take = |kind, room, flags| {
        receive(queue, kind, room, flags)
            .map(|(kind, text)| (kind, String::from_utf8(text).unwrap()))
    };
    let is = |kind, text: &str| Ok((kind, text.to_owned()));
    assert_eq!(take(2, 100, MSG_COPY), is(9, "nine"), "a copy of the third");
    assert_eq!(take(5, 100, MSG_COPY), Err(ENOMSG));
    assert_eq!(take(2, 100, MSG_EXCEPT | MSG_COPY), Err(EINVAL));
    assert_eq!(take(-4, 100, 0), is(2, "two"));
    assert_eq!(take(2, 3, 0), Err(E2BIG));
    assert_eq!(take(2, 3, MSG_NOERROR), is(2, "aga"));
    assert_eq!(take(2, 100, 0), Err(ENOMSG));
    assert_eq!(take(5, 100, MSG_EXCEPT), is(9, "nine"));
    assert_eq!(take(c_long::MIN, 100, 0), is(3, ""));
    assert_eq!(take(0, 100, 0), is(5, "five"));
    assert_eq!(take(0, 100, 0), Err(ENOMSG));
    assert_eq!(send(queue, 0, b"x", 0), Err(EINVAL), "no type");
    assert_eq!(send(-1, 1, b"x", 0), Err(EINVAL));
    // SAFETY: refused.
    let refused = outcome(unsafe { libc::msgsnd(queue, std::ptr::null(), 1, 0) });
    assert_eq!(refused, Err(EFAULT));
    remove(queue).unwrap();
    assert_eq!(remove(queue), Err(EINVAL));
    assert_eq!(take(0, 100, 0), Err(EINVAL));
    println!("message types");
}

/// Of a message, a queue, and all.
pub(crate) fn limits() {
    let queue = get(KEY, IPC_CREAT | IPC_EXCL | 0o600).unwrap();
    assert_eq!(get(KEY, IPC_CREAT | IPC_EXCL | 0o600), Err(EEXIST));
    assert_eq!(get(KEY, 0), Ok(queue));
    assert_eq!(send(queue, 1, &[0; TEXT_MAX + 1], IPC_NOWAIT), Err(EINVAL));
    send(queue, 1, &[0; TEXT_MAX], IPC_NOWAIT).unwrap();
    send(queue, 1, &[0; TEXT_MAX], IPC_NOWAIT).unwrap();
    assert_eq!(send(queue, 1, b"x", IPC_NOWAIT), Err(EAGAIN));
    send(queue, 1, b"", IPC_NOWAIT).unwrap();
    set(queue, |status| status.msg_qbytes = 4).unwrap();
    assert_eq!(send(queue, 1, b"", IPC_NOWAIT), Err(EAGAIN));
    for _ in 0..3 {
        receive(queue, 0, TEXT_MAX, 0).unwrap();
    }
    for _ in 0..4 {
        send(queue, 1, b"", IPC_NOWAIT).unwrap();
    }
    assert_eq!(send(queue, 1, b"", IPC_NOWAIT), Err(EAGAIN), "as many as bytes");
    set(queue, |status| status.msg_qbytes = 20000).unwrap();
    let line = std::fs::read_to_string("/proc/sysvipc/msg").unwrap();
    let mine = line.lines().find(|line| line.split_whitespace().next() == Some("20177"));
    let words: Vec<_> = mine.unwrap().split_whitespace().map(str::to_owned).collect();
    assert_eq!([&words[1], &words[2], &words[4]], [&queue.to_string(), "600", "4"]);
    remove(queue).unwrap();
    assert_eq!(get(KEY, 0), Err(ENOENT));
    let before = calls::set("/proc/sys/kernel/msgmni", "1");
    let first = get(IPC_PRIVATE, 0o600).unwrap();
    assert_eq!(get(IPC_PRIVATE, 0o600), Err(ENOSPC));
    calls::set("/proc/sys/kernel/msgmni", &before);
    remove(first).unwrap();
    println!("message limits");
}

/// Whose it is and who may do what.
pub(crate) fn permissions() {
    let queue = get(KEY, IPC_CREAT | 0o640).unwrap();
    send(queue, 1, b"x", 0).unwrap();
    calls::as_somebody(move || {
        assert_eq!(get(KEY, 0o004), Err(EACCES));
        assert_eq!(get(KEY, 0), Ok(queue), "who wants nothing gets the number");
        assert_eq!(send(queue, 1, b"x", IPC_NOWAIT), Err(EACCES));
        assert_eq!(receive(queue, 0, 1, 0), Err(EACCES));
        assert_eq!(status(queue).err(), Some(EACCES));
        assert_eq!(remove(queue), Err(EPERM));
    });
    set(queue, |status| {
        (status.msg_perm.uid, status.msg_perm.mode) = (1000, 0o400);
        status.msg_qbytes = 100;
    })
    .unwrap();
    calls::as_somebody(move || {
        assert_eq!(receive(queue, 0, 1, 0), Ok((1, b"x".to_vec())));
        assert_eq!(send(queue, 1, b"x", IPC_NOWAIT), Err(EACCES));
        let more = |bytes| set(queue, move |status| status.msg_qbytes = bytes);
        assert_eq!(more(16385), Err(EPERM));
        more(16384).unwrap();
        remove(queue).unwrap();
    });
    println!("message permissions");
}

/// A wait ends with what is waited for, with a signal, and with the queue.
pub(crate) fn waiting() {
    calls::handle(SIGUSR1);
    let wait_to_receive = |queue, kind| {
        let mut message = Message { kind: 0, text: [0; TEXT_MAX] };
        // SAFETY: there is room for the longest message.
        let length = unsafe { libc::msgrcv(queue, (&raw mut message).cast(), TEXT_MAX, kind, 0) };
        outcome(length)
    };
    let queue = get(IPC_PRIVATE, 0o600).unwrap();
    let child = calls::fork(|| {
        assert_eq!(wait_to_receive(queue, 7), Ok(3));
        assert_eq!(wait_to_receive(queue, 0), Err(EINTR), "SA_RESTART does not count");
        assert_eq!(wait_to_receive(queue, 7), Err(EIDRM));
    });
    calls::until_it_waits(child);
    send(queue, 6, b"another", 0).unwrap();
    send(queue, 7, b"it!", 0).unwrap();
    receive(queue, 6, 10, 0).unwrap();
    calls::until_it_waits(child);
    calls::kill(child, SIGUSR1);
    calls::until_it_waits(child);
    remove(queue).unwrap();
    calls::wait(child);
    let queue = get(IPC_PRIVATE, 0o600).unwrap();
    send(queue, 1, &[0; TEXT_MAX], 0).unwrap();
    send(queue, 1, &[0; TEXT_MAX], 0).unwrap();
    let child = calls::fork(|| {
        assert_eq!(send(queue, 2, b"more", 0), Ok(0));
        assert_eq!(send(queue, 2, &[0; TEXT_MAX], 0), Err(EINTR));
        assert_eq!(send(queue, 2, &[0; TEXT_MAX], 0), Err(EIDRM));
    });
    calls::until_it_waits(child);
    receive(queue, 1, TEXT_MAX, 0).unwrap();
    calls::until_it_waits(child);
    // First: without it there would be room for what the child waits to send.
    send(queue, 1, b"fills it", 0).unwrap();
    assert_eq!(receive(queue, 2, 4, 0), Ok((2, b"more".to_vec())));
    calls::until_it_waits(child);
    calls::kill(child, SIGUSR1);
    calls::until_it_waits(child);
    remove(queue).unwrap();
    calls::wait(child);
    println!("message waits");
}
