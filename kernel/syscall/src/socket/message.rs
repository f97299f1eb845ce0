//! Sending and receiving messages.

use alloc::sync::Arc;

use ::socket::{Ancillary, RawAddress, Receive, Received, Socket, Type};
use errno::{Errno, Result};
use fs::{File, OpenFlags, UserBuffer};

use super::{control, read_address, socket_of, write_address};
use crate::abi::file::IoVec;
use crate::abi::socket::{ManyMessageHeader, MessageHeader, UserCredentials};
use crate::abi::time::Timespec;
use crate::user::UserPtr;
use crate::{current, transfer};

const MSG_OOB: u32 = 0x1;
const MSG_DONTWAIT: u32 = 0x40;
const MSG_TRUNC: u32 = 0x20;
const MSG_ERRQUEUE: u32 = 0x2000;
const MSG_NOSIGNAL: u32 = 0x4000;
const MSG_WAITFORONE: u32 = 0x10000;
const MSG_CMSG_CLOEXEC: u32 = 0x4000_0000;

/// The most messages of one `sendmmsg` or `recvmmsg`.
const MESSAGES_MAX: u32 = 1024;

fn send(
    file: &Arc<File>,
    socket: &dyn Socket,
    mut from: UserBuffer,
    to: Option<&RawAddress>,
    ancillary: Ancillary,
    flags: u32,
) -> Result<usize> {
    if flags & MSG_OOB != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let nonblocking = file.is_nonblocking() || flags & MSG_DONTWAIT != 0;
    let sent = match to {
        None => socket.send(&mut from, None, ancillary, nonblocking),
        Some(address) => current::as_caller(|caller| {
            socket.send(&mut from, Some((address, caller)), ancillary, nonblocking)
        }),
    };
    sent.inspect_err(|error| {
        if socket.kind() == Type::Stream && flags & MSG_NOSIGNAL == 0 {
            transfer::signal_for(*error);
        }
    })
}

fn how_to_receive(file: &File, flags: u32) -> Result<Receive> {
    if flags & (MSG_OOB | MSG_ERRQUEUE) != 0 {
        return Err(if flags & MSG_OOB != 0 { Errno::EOPNOTSUPP } else { Errno::EAGAIN });
    }
    let mut how = Receive::from_bits_truncate(flags);
    if file.is_nonblocking() {
        how |= Receive::DONTWAIT;
    }
    Ok(how)
}

fn receive(
    file: &File,
    socket: &dyn Socket,
    to: &mut UserBuffer,
    flags: u32,
    from: Option<&mut RawAddress>,
) -> Result<Received> {
    socket.receive(to, how_to_receive(file, flags)?, from)
}

/// `sendto`.
pub(crate) fn sendto(
    fd: i32,
    buffer: usize,
    length: usize,
    flags: u32,
    address: UserPtr<u8>,
    address_length: i32,
) -> Result<usize> {
    let (file, socket) = socket_of(fd)?;
    let to = match address.is_null() {
        true => None,
        false => Some(read_address(address, address_length)?),
    };
    let from = transfer::buffer(buffer, length)?;
    send(&file, &*socket, from, to.as_ref(), Ancillary::default(), flags)
}

/// `recvfrom`.
pub(crate) fn recvfrom(
    fd: i32,
    buffer: usize,
    length: usize,
    flags: u32,
    address: UserPtr<u8>,
    address_length: UserPtr<i32>,
) -> Result<usize> {
    let (file, socket) = socket_of(fd)?;
    let mut to = transfer::buffer(buffer, length)?;
    if address.is_null() {
        return Ok(receive(&file, &*socket, &mut to, flags, None)?.length);
    }
    let mut from = RawAddress::EMPTY;
    let received = receive(&file, &*socket, &mut to, flags, Some(&mut from))?;
    write_address(&from, address, address_length)?;
    Ok(received.length)
}

/// `sendmsg`.
pub(crate) fn sendmsg(fd: i32, message: UserPtr<MessageHeader>, flags: u32) -> Result<usize> {
    let (file, socket) = socket_of(fd)?;
    send_message(&file, &*socket, &message.read()?, flags)
}

fn send_message(
    file: &Arc<File>,
    socket: &dyn Socket,
    header: &MessageHeader,
    flags: u32,
) -> Result<usize> {
    let to = match (header.name, header.name_length) {
        (0, _) | (_, 0) => None,
        (name, length) => {
            let length = i32::try_from(length).map_err(|_| Errno::EINVAL)?;
            Some(read_address(UserPtr::new(name), length)?)
        }
    };
    let from = segments(header)?;
    let ancillary = control::read(header)?;
    send(file, socket, from, to.as_ref(), ancillary, flags)
}

fn segments(header: &MessageHeader) -> Result<UserBuffer> {
    if header.segment_count > fs::io::MAX_SEGMENTS {
        return Err(Errno::EMSGSIZE);
    }
    transfer::segments(UserPtr::<IoVec>::new(header.segments), header.segment_count)
}

/// `recvmsg`.
pub(crate) fn recvmsg(fd: i32, message: UserPtr<MessageHeader>, flags: u32) -> Result<usize> {
    let (file, socket) = socket_of(fd)?;
    let mut header = message.read()?;
    let length = receive_message(&file, &*socket, &mut header, flags)?;
    message.write(&header)?;
    Ok(length)
}

fn receive_message(
    file: &Arc<File>,
    socket: &dyn Socket,
    header: &mut MessageHeader,
    flags: u32,
) -> Result<usize> {
    let mut to = segments(header)?;
    let mut from = RawAddress::EMPTY;
    let received = receive(file, socket, &mut to, flags, Some(&mut from))?;
    describe(socket, received, &from, header, flags)
}

/// Tells of a message what the header has room for; returns its length.
fn describe(
    socket: &dyn Socket,
    received: Received,
    from: &RawAddress,
    header: &mut MessageHeader,
    flags: u32,
) -> Result<usize> {
    let length = received.length;
    let mut outcome = if received.truncated { MSG_TRUNC } else { 0 };
    if header.name != 0 {
        let name = from.bytes();
        let fits = name.len().min(header.name_length as usize);
        UserPtr::<u8>::new(header.name).write_bytes(&name[..fits])?;
        header.name_length = name.len() as u32;
    }
    let mut writer = control::Writer::new(header);
    if socket.options().passes_credentials() {
        let nobody = UserCredentials { pid: 0, uid: 65534, gid: 65534 };
        writer.sender(&received.sender.as_ref().map_or(nobody, control::shown))?;
    }
    let descriptor_flags = match flags & MSG_CMSG_CLOEXEC {
        0 => OpenFlags::empty(),
        _ => OpenFlags::CLOEXEC,
    };
    writer.files(received.files, descriptor_flags)?;
    let (written, truncated) = writer.finish();
    outcome |= truncated | flags & MSG_CMSG_CLOEXEC;
    header.control_length = written;
    header.flags = outcome;
    Ok(length)
}

/// `sendmmsg`.
pub(crate) fn sendmmsg(
    fd: i32,
    messages: UserPtr<ManyMessageHeader>,
    count: u32,
    flags: u32,
) -> Result<usize> {
    let (file, socket) = socket_of(fd)?;
    for index in 0..count.min(MESSAGES_MAX) as usize {
        let sent = messages.at(index).and_then(|place| {
            let mut message = place.read()?;
            message.length = send_message(&file, &*socket, &message.header, flags)? as u32;
            place.write(&message)
        });
        match sent {
            Ok(()) => {}
            // Those that were sent count; the next call tells why no more.
            Err(_) if index > 0 => return Ok(index),
            Err(error) => return Err(error),
        }
    }
    Ok(count.min(MESSAGES_MAX) as usize)
}

/// `recvmmsg`. The time limit is looked at after each message, as on Linux.
pub(crate) fn recvmmsg(
    fd: i32,
    messages: UserPtr<ManyMessageHeader>,
    count: u32,
    flags: u32,
    timeout: UserPtr<Timespec>,
) -> Result<usize> {
    let (file, socket) = socket_of(fd)?;
    let deadline = crate::poll::deadline(timeout)?;
    let mut received = 0;
    let mut flags_now = flags & !MSG_WAITFORONE;
    while received < count.min(MESSAGES_MAX) as usize {
        let outcome = messages.at(received).and_then(|place| {
            let mut message = place.read()?;
            let length = receive_message(&file, &*socket, &mut message.header, flags_now)?;
            message.length = length as u32;
            place.write(&message)
        });
        match outcome {
            Ok(()) => received += 1,
            Err(_) if received > 0 => break,
            Err(error) => return Err(error),
        }
        if flags & MSG_WAITFORONE != 0 {
            flags_now |= MSG_DONTWAIT;
        }
        if deadline.is_some_and(|deadline| time::monotonic() >= deadline) {
            break;
        }
    }
    if let (Some(timeout), Some(deadline)) = (timeout.non_null(), deadline) {
        timeout.write(&Timespec::from_nanoseconds(deadline.saturating_sub(time::monotonic())))?;
    }
    Ok(received)
}
