//! POSIX message queues: `mq_open` and its kin.

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::{File, FileType, OpenFlags, OpenOptions};
use ipc::posix::{self, Attributes, Message, Notify, OpenQueue, PRIORITY_MAX, Wait};
use process::Signal;

use crate::abi::ipc::QueueAttributes;
use crate::abi::signal::{SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SigEvent};
use time::Moment;

use crate::abi::time::Timespec;
use crate::current;
use crate::user::UserPtr;

/// What the C library wants to have sent to its thread, of which the kernel knows only the size.
const COOKIE_SIZE: usize = 32;

/// `mq_open`. The name comes without the slash that it has for programs.
pub(crate) fn mq_open(
    name: UserPtr<u8>,
    flags: u32,
    mode: u32,
    attributes: UserPtr<QueueAttributes>,
) -> Result<usize> {
    ::memory::require_free()?;
    let given = attributes.non_null().map(UserPtr::read).transpose()?;
    let name = name.read_path()?;
    let flags = OpenFlags::from_bits_retain(flags);
    let me = current::credentials();
    // What does not make a queue does not look at them.
    let attributes = given
        .filter(|_| flags.contains(OpenFlags::CREAT))
        .map(|given| Attributes::wanted(given.messages_max, given.size_max, &me));
    let options = OpenOptions { flags, mode: mode & 0o777 };
    let file = current::as_caller(|caller| posix::open(caller, &name, options, attributes))?;
    current::install(file, OpenFlags::CLOEXEC)
}

/// `mq_unlink`.
pub(crate) fn mq_unlink(name: UserPtr<u8>) -> Result<usize> {
    let name = name.read_path()?;
    current::as_caller(|caller| posix::unlink(caller, &name))?;
    Ok(0)
}

/// How long a call on a queue waits: `deadline` is a date.
fn wait_of(file: &File, deadline: Option<Timespec>) -> Result<Wait> {
    let deadline = deadline.map(Timespec::to_nanoseconds).transpose()?;
    if file.is_nonblocking() {
        return Ok(Wait::No);
    }
    Ok(Wait::Until(deadline.map(Moment::Date)))
}

/// Reads a deadline and looks whether it is one, before anything else is looked at.
fn deadline_at(deadline: UserPtr<Timespec>) -> Result<Option<Timespec>> {
    let Some(deadline) = deadline.non_null() else { return Ok(None) };
    let deadline = deadline.read()?;
    deadline.to_nanoseconds()?;
    Ok(Some(deadline))
}

/// `mq_timedsend`.
pub(crate) fn mq_timedsend(
    queue: i32,
    message: UserPtr<u8>,
    length: usize,
    priority: u32,
    deadline: UserPtr<Timespec>,
) -> Result<usize> {
    ::memory::require_free()?;
    let deadline = deadline_at(deadline)?;
    if priority >= PRIORITY_MAX {
        return Err(Errno::EINVAL);
    }
    let file = current::file(queue)?;
    let open = OpenQueue::of(&file)?;
    if !file.flags().writable() {
        return Err(Errno::EBADF);
    }
    if length > open.queue().attributes().size {
        return Err(Errno::EMSGSIZE);
    }
    let mut text = Vec::new();
    text.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    text.resize(length, 0);
    message.read_bytes(&mut text)?;
    open.queue().send(Message { priority, text }, wait_of(&file, deadline)?)?;
    Ok(0)
}

/// `mq_timedreceive`.
pub(crate) fn mq_timedreceive(
    queue: i32,
    message: UserPtr<u8>,
    length: usize,
    priority: UserPtr<u32>,
    deadline: UserPtr<Timespec>,
) -> Result<usize> {
    let deadline = deadline_at(deadline)?;
    let file = current::file(queue)?;
    let open = OpenQueue::of(&file)?;
    if !file.flags().readable() {
        return Err(Errno::EBADF);
    }
    let received = open.queue().receive(length, wait_of(&file, deadline)?)?;
    // Where the program cannot have it, it is lost, as on Linux.
    priority.write_unless_null(&received.priority)?;
    message.write_bytes(&received.text)?;
    Ok(received.text.len())
}

/// `mq_notify`; a null pointer: no more.
pub(crate) fn mq_notify(queue: i32, event: UserPtr<SigEvent>) -> Result<usize> {
    let how = match event.non_null() {
        Some(event) => Some(how_to_notify(&event.read()?)?),
        None => None,
    };
    let file = current::file(queue)?;
    let open = OpenQueue::of(&file)?;
    match how {
        Some(how) => open.queue().notify(how)?,
        None => open.queue().forget_current(),
    }
    Ok(0)
}

fn how_to_notify(event: &SigEvent) -> Result<Notify> {
    match event.notify {
        SIGEV_NONE => Ok(Notify::Nothing),
        SIGEV_SIGNAL => {
            let number = u32::try_from(event.signal).map_err(|_| Errno::EINVAL)?;
            let signal = match number {
                0 => None,
                _ => Some(Signal::from_number(number).ok_or(Errno::EINVAL)?),
            };
            Ok(Notify::Signal(signal, event.value))
        }
        SIGEV_THREAD => refuse_thread(event),
        _ => Err(Errno::EINVAL),
    }
}

/// The C library's thread waits at a netlink socket of a protocol that is not there: what is given instead is refused as Linux refuses
/// a descriptor of anything else.
fn refuse_thread(event: &SigEvent) -> Result<Notify> {
    UserPtr::<u8>::new(event.value as usize).read_bytes(&mut [0; COOKIE_SIZE])?;
    let socket: Arc<File> = current::file(event.signal)?;
    Err(match socket.inode().file_type() {
        FileType::Socket => Errno::EINVAL,
        _ => Errno::ENOTSOCK,
    })
}

/// `mq_getsetattr`: only whether it waits can be changed.
pub(crate) fn mq_getsetattr(
    queue: i32,
    new: UserPtr<QueueAttributes>,
    old: UserPtr<QueueAttributes>,
) -> Result<usize> {
    let nonblock = i64::from(OpenFlags::NONBLOCK.bits());
    let new = new.non_null().map(UserPtr::read).transpose()?;
    if new.is_some_and(|new| new.flags & !nonblock != 0) {
        return Err(Errno::EINVAL);
    }
    let file = current::file(queue)?;
    let open = OpenQueue::of(&file)?;
    let Attributes { messages, size } = open.queue().attributes();
    let before = QueueAttributes {
        flags: if file.is_nonblocking() { nonblock } else { 0 },
        messages_max: messages as i64,
        size_max: size as i64,
        messages: open.queue().count() as i64,
        ..Default::default()
    };
    if let Some(new) = new {
        let mut flags = file.flags();
        flags.set(OpenFlags::NONBLOCK, new.flags != 0);
        file.set_flags(flags);
    }
    old.write_unless_null(&before)?;
    Ok(0)
}
