//! Sockets. There are two families, AF_UNIX and AF_NETLINK; the others give EAFNOSUPPORT.

mod control;
mod message;
mod option;

use alloc::sync::Arc;

use ::socket::{Family, RawAddress, Shutdown, Socket};
use errno::{Errno, Result};
use fs::{File, OpenFlags};

use crate::current;
use crate::user::UserPtr;

pub(crate) use message::{recvfrom, recvmmsg, recvmsg, sendmmsg, sendmsg, sendto};
pub(crate) use option::{getsockopt, setsockopt};

/// The families.
static FAMILIES: [&dyn Family; 2] = [unix::FAMILY, netlink::FAMILY];

/// The first number that is no family.
const AF_MAX: i32 = 46;
const SOCK_TYPE_MASK: u32 = 0xf;
/// The first number that is no type.
const SOCK_MAX: u32 = 11;
/// A descriptor's file and socket.
fn socket_of(fd: i32) -> Result<(Arc<File>, Arc<dyn Socket>)> {
    let file = current::file(fd)?;
    let socket = ::socket::of_file(&file)?;
    Ok((file, socket))
}

/// What kind of socket is asked for: its family and type, and how its descriptor is to be.
fn wanted(family: i32, kind: u32) -> Result<(&'static dyn Family, u32, OpenFlags)> {
    let flags = OpenFlags::from_bits_retain(kind & !SOCK_TYPE_MASK);
    if !(OpenFlags::NONBLOCK | OpenFlags::CLOEXEC).contains(flags) {
        return Err(Errno::EINVAL);
    }
    let kind = kind & SOCK_TYPE_MASK;
    if (0..AF_MAX).contains(&family) && kind >= SOCK_MAX {
        return Err(Errno::EINVAL);
    }
    let found = FAMILIES.into_iter().find(|known| known.number() == family);
    Ok((found.ok_or(Errno::EAFNOSUPPORT)?, kind, flags))
}

/// `socket`.
pub(crate) fn socket(family: i32, kind: u32, protocol: i32) -> Result<usize> {
    let (family, kind, flags) = wanted(family, kind)?;
    ::memory::require_free()?;
    let socket = family.create(kind, protocol)?;
    current::install(::socket::open(socket, flags, &current::credentials())?, flags)
}

/// `socketpair`.
pub(crate) fn socketpair(
    family: i32,
    kind: u32,
    protocol: i32,
    pair: UserPtr<[i32; 2]>,
) -> Result<usize> {
    let (family, kind, flags) = wanted(family, kind)?;
    ::memory::require_free()?;
    let sockets = family.create_pair(kind, protocol)?;
    let files = ::socket::open_pair(sockets, flags, &current::credentials())?;
    crate::descriptor::install_pair(files, pair, flags)
}

/// Copies an address in.
fn read_address(address: UserPtr<u8>, length: i32) -> Result<RawAddress> {
    let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?;
    RawAddress::with(length, |bytes| address.read_bytes(bytes))
}

/// Copies an address out, as much of it as there is room for, and how long it is.
fn write_address(name: &RawAddress, address: UserPtr<u8>, length: UserPtr<i32>) -> Result<()> {
    let bytes = name.bytes();
    let room = usize::try_from(length.read()?).map_err(|_| Errno::EINVAL)?;
    address.write_bytes(&bytes[..bytes.len().min(room)])?;
    length.write(&(bytes.len() as i32))
}

/// `bind`.
pub(crate) fn bind(fd: i32, address: UserPtr<u8>, length: i32) -> Result<usize> {
    let (_, socket) = socket_of(fd)?;
    let address = read_address(address, length)?;
    current::as_caller(|caller| socket.bind(&address, caller))?;
    Ok(0)
}

/// `listen`.
pub(crate) fn listen(fd: i32, backlog: i32) -> Result<usize> {
    socket_of(fd)?.1.listen(backlog)?;
    Ok(0)
}

/// `connect`.
pub(crate) fn connect(fd: i32, address: UserPtr<u8>, length: i32) -> Result<usize> {
    let (file, socket) = socket_of(fd)?;
    let address = read_address(address, length)?;
    current::as_caller(|caller| socket.connect(&address, caller, file.is_nonblocking()))?;
    Ok(0)
}

/// `accept`.
pub(crate) fn accept(fd: i32, address: UserPtr<u8>, length: UserPtr<i32>) -> Result<usize> {
    accept4(fd, address, length, 0)
}

/// `accept4`.
pub(crate) fn accept4(
    fd: i32,
    address: UserPtr<u8>,
    length: UserPtr<i32>,
    flags: u32,
) -> Result<usize> {
    let flags = OpenFlags::from_bits_retain(flags);
    if !(OpenFlags::NONBLOCK | OpenFlags::CLOEXEC).contains(flags) {
        return Err(Errno::EINVAL);
    }
    let (file, socket) = socket_of(fd)?;
    let connection = socket.accept(file.is_nonblocking())?;
    let (family, peer) = (connection.family(), connection.peer_name());
    let connection = ::socket::open(connection, flags, &current::credentials())?;
    if !address.is_null() {
        // The connection is gone with its file if this fails.
        let unnamed = |_| RawAddress::from_parts(family as u16, &[]);
        write_address(&peer.unwrap_or_else(unnamed), address, length)?;
    }
    current::install(connection, flags)
}

/// `shutdown`.
pub(crate) fn shutdown(fd: i32, how: u32) -> Result<usize> {
    let (_, socket) = socket_of(fd)?;
    socket.shutdown(match how {
        0 => Shutdown::Receive,
        1 => Shutdown::Send,
        2 => Shutdown::Both,
        _ => return Err(Errno::EINVAL),
    })?;
    Ok(0)
}

/// `getsockname`.
pub(crate) fn getsockname(fd: i32, address: UserPtr<u8>, length: UserPtr<i32>) -> Result<usize> {
    write_address(&socket_of(fd)?.1.name(), address, length)?;
    Ok(0)
}

/// `getpeername`.
pub(crate) fn getpeername(fd: i32, address: UserPtr<u8>, length: UserPtr<i32>) -> Result<usize> {
    write_address(&socket_of(fd)?.1.peer_name()?, address, length)?;
    Ok(0)
}
