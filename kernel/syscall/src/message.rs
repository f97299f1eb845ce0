//! System V's message queues: `msgget`, `msgsnd`, `msgrcv`, `msgctl`.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use errno::{Errno, Result};
use ipc::message::{self, BYTES_MAX, MESSAGE_MAX, Message, QUEUES_MAX, Queue, Selection};

use crate::abi::ipc::{MessageLimits, MessageQueue};
use crate::current;
use crate::sysv::{self, IPC_64, IPC_INFO, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT, READ};
use crate::user::UserPtr;

/// Cut a message that is too long.
const MSG_NOERROR: u32 = 0o10000;
/// Any type but this one.
const MSG_EXCEPT: u32 = 0o20000;
/// Copy a message, by its place.
const MSG_COPY: u32 = 0o40000;

const MSG_STAT: i32 = 11;
const MSG_INFO: i32 = 12;
const MSG_STAT_ANY: i32 = 13;

/// Numbers that Linux shows and nobody goes by.
const SEGMENT_SIZE: i32 = 16;
const SEGMENTS: u16 = u16::MAX;

/// `msgget`.
pub(crate) fn msgget(key: i32, flags: u32) -> Result<usize> {
    ::memory::require_free()?;
    Ok(message::get(key, sysv::create(flags), &current::credentials())?.number() as usize)
}

/// `msgsnd`. A message begins with its type.
pub(crate) fn msgsnd(
    queue: i32,
    message: UserPtr<i64>,
    length: usize,
    flags: u32,
) -> Result<usize> {
    ::memory::require_free()?;
    let kind = message.read()?;
    if length > longest() || queue < 0 || kind < 1 {
        return Err(Errno::EINVAL);
    }
    let mut text = Vec::new();
    text.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    text.resize(length, 0);
    UserPtr::<u8>::new(message.at(1)?.address()).read_bytes(&mut text)?;
    let wait = flags & IPC_NOWAIT == 0;
    let process = current::process();
    let message = Message { kind, text };
    message::find(queue)?.send(message, wait, &current::credentials(), process.pid())?;
    Ok(0)
}

fn longest() -> usize {
    usize::try_from(MESSAGE_MAX.load(Ordering::Relaxed)).unwrap_or(0)
}

/// `msgrcv`.
pub(crate) fn msgrcv(
    queue: i32,
    message: UserPtr<i64>,
    length: usize,
    kind: i64,
    flags: u32,
) -> Result<usize> {
    if queue < 0 || length > isize::MAX as usize {
        return Err(Errno::EINVAL);
    }
    let (cut, wait) = (flags & MSG_NOERROR != 0, flags & IPC_NOWAIT == 0);
    let except = flags & MSG_EXCEPT != 0;
    let me = current::credentials();
    let received = if flags & MSG_COPY != 0 {
        if except || wait {
            return Err(Errno::EINVAL);
        }
        ::memory::require_free()?;
        message::find(queue)?.copy(kind, length, cut, &me)?
    } else {
        let selection = Selection::from_type(kind, except);
        let process = current::process();
        message::find(queue)?.receive(selection, length, cut, wait, &me, process.pid())?
    };
    // Where the program cannot have it, it is lost, as on Linux.
    message.write(&received.kind)?;
    let moved = received.text.len().min(length);
    UserPtr::<u8>::new(message.at(1)?.address()).write_bytes(&received.text[..moved])?;
    Ok(moved)
}

/// `msgctl`.
pub(crate) fn msgctl(number: i32, command: i32, argument: usize) -> Result<usize> {
    let command = command & !IPC_64;
    let me = current::credentials();
    match command {
        _ if number < 0 => Err(Errno::EINVAL),
        IPC_INFO | MSG_INFO => show_limits(command == MSG_INFO, argument),
        MSG_STAT | MSG_STAT_ANY | IPC_STAT => {
            let by_place = command != IPC_STAT;
            let queue = if by_place { message::at(number) } else { message::find(number) }?;
            if command != MSG_STAT_ANY {
                queue.status().permissions.check(&me, READ)?;
            }
            show(&queue, argument)?;
            Ok(if by_place { queue.number() as usize } else { 0 })
        }
        IPC_SET => {
            let given = UserPtr::<MessageQueue>::new(argument).read()?;
            let owner = sysv::new_owner(&given.permissions)?;
            message::find(number)?.set(&owner, given.bytes_max, &me)?;
            Ok(0)
        }
        IPC_RMID => message::remove(number, &me).map(|()| 0),
        _ => Err(Errno::EINVAL),
    }
}

fn show(queue: &Queue, argument: usize) -> Result<()> {
    let status = queue.status();
    UserPtr::new(argument).write(&MessageQueue {
        permissions: sysv::shown(queue.number(), queue.key(), &status.permissions),
        sent: sysv::seconds(status.sent.0),
        received: sysv::seconds(status.received.0),
        changed: sysv::seconds(status.changed),
        bytes: status.bytes,
        messages: status.messages,
        bytes_max: status.bytes_max,
        sender: sysv::number_of(status.sent.1.as_ref()),
        receiver: sysv::number_of(status.received.1.as_ref()),
        ..Default::default()
    })
}

/// The limits, or with those how much is in use; returns the highest index that `MSG_STAT` takes.
fn show_limits(with_usage: bool, argument: usize) -> Result<usize> {
    let limit = |value: i64| i32::try_from(value).unwrap_or(i32::MAX);
    let message = limit(MESSAGE_MAX.load(Ordering::Relaxed));
    let queue = limit(BYTES_MAX.load(Ordering::Relaxed));
    let queues = limit(QUEUES_MAX.load(Ordering::Relaxed));
    let (pool, map, headers) = if with_usage {
        let usage = message::usage();
        (usage.queues as i32, usage.messages as i32, usage.bytes as i32)
    } else {
        (512_000, 16384, 16384)
    };
    UserPtr::new(argument).write(&MessageLimits {
        pool,
        map,
        message,
        queue,
        queues,
        segment_size: SEGMENT_SIZE,
        headers,
        segments: SEGMENTS,
        pad: 0,
    })?;
    Ok(message::highest_place())
}
