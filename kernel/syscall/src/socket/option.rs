//! What can be set on a socket, and asked of it (`SO_*`).

use ::socket::{BUFFER_MAX, BUFFER_MIN, Socket};
use errno::{Errno, Result};
use fs::Capabilities;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{control, socket_of};
use crate::abi::socket::{Linger, UserCredentials};
use crate::abi::time::Timeval;
use crate::user::UserPtr;
use crate::{current, transfer};

const SOL_SOCKET: i32 = 1;

const SO_DEBUG: i32 = 1;
const SO_REUSEADDR: i32 = 2;
const SO_TYPE: i32 = 3;
const SO_ERROR: i32 = 4;
const SO_DONTROUTE: i32 = 5;
const SO_BROADCAST: i32 = 6;
const SO_SNDBUF: i32 = 7;
const SO_RCVBUF: i32 = 8;
const SO_KEEPALIVE: i32 = 9;
const SO_OOBINLINE: i32 = 10;
const SO_PRIORITY: i32 = 12;
const SO_LINGER: i32 = 13;
const SO_REUSEPORT: i32 = 15;
const SO_PASSCRED: i32 = 16;
const SO_PEERCRED: i32 = 17;
const SO_RCVLOWAT: i32 = 18;
const SO_SNDLOWAT: i32 = 19;
const SO_RCVTIMEO: i32 = 20;
const SO_SNDTIMEO: i32 = 21;
const SO_ACCEPTCONN: i32 = 30;
const SO_SNDBUFFORCE: i32 = 32;
const SO_RCVBUFFORCE: i32 = 33;
const SO_PROTOCOL: i32 = 38;
const SO_DOMAIN: i32 = 39;

/// Reads a value that may be given with more bytes than it has.
fn read<T: FromBytes + IntoBytes>(value: UserPtr<u8>, length: i32) -> Result<T> {
    if (length as isize) < size_of::<T>() as isize {
        return Err(Errno::EINVAL);
    }
    UserPtr::new(value.address()).read()
}

/// `setsockopt`.
pub(crate) fn setsockopt(
    fd: i32,
    level: i32,
    option: i32,
    value: UserPtr<u8>,
    length: i32,
) -> Result<usize> {
    let (_, socket) = socket_of(fd)?;
    if level != SOL_SOCKET {
        let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?;
        let mut value = transfer::buffer(value.address(), length)?;
        return socket.set_option(level, option, &mut value).map(|()| 0);
    }
    let options = socket.options();
    match option {
        SO_LINGER => drop(read::<Linger>(value, length)?),
        SO_RCVTIMEO => options.set_receive_timeout(timeout(read(value, length)?)?),
        SO_SNDTIMEO => options.set_send_timeout(timeout(read(value, length)?)?),
        SO_TYPE | SO_ERROR | SO_PEERCRED | SO_ACCEPTCONN | SO_PROTOCOL | SO_DOMAIN => {
            return Err(Errno::ENOPROTOOPT);
        }
        _ => set_number(&*socket, option, read(value, length)?)?,
    }
    Ok(0)
}

fn set_number(socket: &dyn Socket, option: i32, value: i32) -> Result<()> {
    let options = socket.options();
    match option {
        SO_PASSCRED => options.set_pass_credentials(value != 0),
        SO_RCVLOWAT => options.set_receive_low(u32::try_from(value).unwrap_or(i32::MAX as u32)),
        SO_SNDBUF => socket.set_send_buffer(buffer_size(value, false)?),
        SO_SNDBUFFORCE => socket.set_send_buffer(buffer_size(value, true)?),
        SO_RCVBUF => options.set_receive_buffer(buffer_size(value, false)?),
        SO_RCVBUFFORCE => options.set_receive_buffer(buffer_size(value, true)?),
        // What these ask for is so anyway, or means nothing between processes of one machine.
        SO_REUSEADDR | SO_DONTROUTE | SO_BROADCAST | SO_KEEPALIVE | SO_OOBINLINE | SO_PRIORITY
        | SO_REUSEPORT | SO_DEBUG => {}
        _ => return Err(Errno::ENOPROTOOPT),
    }
    Ok(())
}

/// A buffer's size as it will be: twice what is asked for, for what messages cost.
fn buffer_size(value: i32, force: bool) -> Result<usize> {
    let wanted = usize::try_from(value).unwrap_or(0).saturating_mul(2).max(BUFFER_MIN);
    if !force {
        return Ok(wanted.min(BUFFER_MAX));
    }
    current::credentials().require(Capabilities::NET_ADMIN)?;
    Ok(wanted.min(i32::MAX as usize))
}

/// A time limit in nanoseconds.
fn timeout(value: Timeval) -> Result<u64> {
    if !(0..1_000_000).contains(&value.microseconds) {
        return Err(Errno::EDOM);
    }
    let seconds = u64::try_from(value.seconds).unwrap_or(0);
    Ok(seconds
        .saturating_mul(time::SECOND)
        .saturating_add(value.microseconds as u64 * time::MICROSECOND))
}

fn timeval(nanoseconds: u64) -> Timeval {
    Timeval {
        seconds: (nanoseconds / time::SECOND) as i64,
        microseconds: (nanoseconds % time::SECOND / time::MICROSECOND) as i64,
    }
}

/// `getsockopt`. A value that does not fit is cut.
pub(crate) fn getsockopt(
    fd: i32,
    level: i32,
    option: i32,
    value: UserPtr<u8>,
    length: UserPtr<i32>,
) -> Result<usize> {
    let (_, socket) = socket_of(fd)?;
    if level != SOL_SOCKET {
        return Err(socket.unknown_option());
    }
    let room = usize::try_from(length.read()?).map_err(|_| Errno::EINVAL)?;
    let options = socket.options();
    match option {
        SO_LINGER => give(&Linger::default(), value, room, length),
        SO_RCVTIMEO => give(&timeval(options.receive_timeout()), value, room, length),
        SO_SNDTIMEO => give(&timeval(options.send_timeout()), value, room, length),
        SO_PEERCRED => {
            let nobody = UserCredentials { pid: 0, uid: u32::MAX, gid: u32::MAX };
            let peer = socket.peer_identity().as_ref().map_or(nobody, control::shown);
            give(&peer, value, room, length)
        }
        _ => give(&number(&*socket, option)?, value, room, length),
    }
}

fn number(socket: &dyn Socket, option: i32) -> Result<i32> {
    let options = socket.options();
    Ok(match option {
        SO_TYPE => socket.kind().number() as i32,
        SO_DOMAIN => socket.family(),
        SO_PROTOCOL => socket.protocol(),
        SO_ERROR => socket.take_error().map_or(0, Errno::number),
        SO_SNDBUF => socket.send_buffer() as i32,
        SO_RCVBUF => options.receive_buffer() as i32,
        SO_PASSCRED => i32::from(options.passes_credentials()),
        SO_RCVLOWAT => options.receive_low() as i32,
        SO_SNDLOWAT => 1,
        SO_ACCEPTCONN => i32::from(socket.is_listening()),
        SO_REUSEADDR | SO_DONTROUTE | SO_BROADCAST | SO_KEEPALIVE | SO_OOBINLINE | SO_PRIORITY
        | SO_REUSEPORT | SO_DEBUG => 0,
        _ => return Err(Errno::ENOPROTOOPT),
    })
}

fn give<T: IntoBytes + Immutable>(
    found: &T,
    value: UserPtr<u8>,
    room: usize,
    length: UserPtr<i32>,
) -> Result<usize> {
    let bytes = found.as_bytes();
    let fits = bytes.len().min(room);
    value.write_bytes(&bytes[..fits])?;
    length.write(&(fits as i32))?;
    Ok(0)
}
