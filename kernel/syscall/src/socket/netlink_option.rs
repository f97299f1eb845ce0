//! What can be set on a socket of AF_NETLINK, and asked of it.

use errno::{Errno, Result};
use netlink::Socket;

use super::option::{
    SO_DOMAIN, SO_ERROR, SO_PASSCRED, SO_PROTOCOL, SO_RCVBUF, SO_RCVBUFFORCE, SO_RCVTIMEO,
    SO_SNDBUF, SO_SNDBUFFORCE, SO_SNDTIMEO, SO_TYPE, SOL_SOCKET, buffer_size, give, read, timeout,
    timeval,
};
use crate::current;
use crate::user::UserPtr;

const SOL_NETLINK: i32 = 270;
const NETLINK_ADD_MEMBERSHIP: i32 = 1;
const NETLINK_DROP_MEMBERSHIP: i32 = 2;

/// `setsockopt`.
pub fn set(
    socket: &Socket,
    level: i32,
    option: i32,
    value: UserPtr<u8>,
    length: i32,
) -> Result<usize> {
    match (level, option) {
        (SOL_SOCKET, SO_RCVTIMEO) => socket.set_receive_timeout(timeout(read(value, length)?)?),
        (SOL_SOCKET, SO_SNDTIMEO) => socket.set_send_timeout(timeout(read(value, length)?)?),
        (SOL_SOCKET, SO_PASSCRED) => socket.set_pass_credentials(read::<i32>(value, length)? != 0),
        (SOL_SOCKET, SO_RCVBUF | SO_RCVBUFFORCE) => {
            let size = buffer_size(read(value, length)?, option == SO_RCVBUFFORCE)?;
            socket.set_receive_buffer(size);
        }
        (SOL_SOCKET, SO_SNDBUF | SO_SNDBUFFORCE) => {
            let size = buffer_size(read(value, length)?, option == SO_SNDBUFFORCE)?;
            socket.set_send_buffer(size);
        }
        (SOL_NETLINK, NETLINK_ADD_MEMBERSHIP | NETLINK_DROP_MEMBERSHIP) => {
            let joins = option == NETLINK_ADD_MEMBERSHIP;
            socket.set_membership(read(value, length)?, joins, &current::credentials())?;
        }
        _ => return Err(Errno::ENOPROTOOPT),
    }
    Ok(0)
}

/// `getsockopt`. A value that does not fit is cut.
pub fn get(
    socket: &Socket,
    level: i32,
    option: i32,
    value: UserPtr<u8>,
    length: UserPtr<i32>,
) -> Result<usize> {
    let room = usize::try_from(length.read()?).map_err(|_| Errno::EINVAL)?;
    let number = match (level, option) {
        (SOL_SOCKET, SO_RCVTIMEO) => {
            return give(&timeval(socket.receive_timeout()), value, room, length);
        }
        (SOL_SOCKET, SO_SNDTIMEO) => {
            return give(&timeval(socket.send_timeout()), value, room, length);
        }
        (SOL_SOCKET, SO_TYPE) => socket.kind().number() as i32,
        (SOL_SOCKET, SO_DOMAIN) => super::AF_NETLINK,
        (SOL_SOCKET, SO_PROTOCOL) => socket.protocol().number(),
        (SOL_SOCKET, SO_ERROR) => socket.take_error().map_or(0, Errno::number),
        (SOL_SOCKET, SO_SNDBUF) => socket.send_buffer() as i32,
        (SOL_SOCKET, SO_RCVBUF) => socket.receive_buffer() as i32,
        (SOL_SOCKET, SO_PASSCRED) => i32::from(socket.passes_credentials()),
        _ => return Err(Errno::ENOPROTOOPT),
    };
    give(&number, value, room, length)
}
