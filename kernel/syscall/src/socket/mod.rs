//! Sockets. There are two families, AF_UNIX and AF_NETLINK; the others give EAFNOSUPPORT.

mod control;
mod message;
mod netlink_option;
mod option;

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{File, OpenFlags};
use unix::{Address, Kind, Shutdown, Socket, Target};

use crate::current;
use crate::user::UserPtr;

pub use message::{recvfrom, recvmmsg, recvmsg, sendmmsg, sendmsg, sendto};
pub use option::{getsockopt, setsockopt};

const AF_UNSPEC: u16 = 0;
const AF_UNIX: i32 = 1;
const AF_NETLINK: i32 = 16;
/// The first number that is no family.
const AF_MAX: i32 = 46;
const SOCK_TYPE_MASK: u32 = 0xf;
const SOCK_RAW: u32 = 3;
/// The first number that is no type.
const SOCK_MAX: u32 = 11;
/// The longest address of any family (`struct sockaddr_storage`).
const ADDRESS_MAX: usize = 128;

/// A socket of any family.
enum AnySocket {
    Unix(Arc<Socket>),
    Netlink(Arc<netlink::Socket>),
}

/// A descriptor's file and socket.
fn socket_of(fd: i32) -> Result<(Arc<File>, AnySocket)> {
    let file = current::file(fd)?;
    let socket = match netlink::of_file(&file) {
        Ok(socket) => AnySocket::Netlink(socket),
        Err(_) => AnySocket::Unix(unix::of_file(&file)?),
    };
    Ok((file, socket))
}

/// A descriptor's file and socket, for what only AF_UNIX has.
fn unix_socket_of(fd: i32) -> Result<(Arc<File>, Arc<Socket>)> {
    match socket_of(fd)? {
        (file, AnySocket::Unix(socket)) => Ok((file, socket)),
        (_, AnySocket::Netlink(_)) => Err(Errno::EOPNOTSUPP),
    }
}

/// What kind of socket is asked for.
enum Wanted {
    Unix(Kind),
    Netlink(netlink::Kind, netlink::Protocol),
}

/// What kind of socket is asked for, and how its descriptor is to be.
fn wanted(family: i32, kind: u32, protocol: i32) -> Result<(Wanted, OpenFlags)> {
    let flags = OpenFlags::from_bits_retain(kind & !SOCK_TYPE_MASK);
    if !(OpenFlags::NONBLOCK | OpenFlags::CLOEXEC).contains(flags) {
        return Err(Errno::EINVAL);
    }
    let kind = kind & SOCK_TYPE_MASK;
    if !(0..AF_MAX).contains(&family) {
        return Err(Errno::EAFNOSUPPORT);
    }
    if kind >= SOCK_MAX {
        return Err(Errno::EINVAL);
    }
    let wanted = match family {
        AF_UNIX if protocol != 0 && protocol != AF_UNIX => return Err(Errno::EPROTONOSUPPORT),
        AF_UNIX => {
            // A raw one is a datagram socket by another name.
            let kind = if kind == SOCK_RAW { Kind::Datagram.number() } else { kind };
            Wanted::Unix(Kind::from_number(kind).ok_or(Errno::ESOCKTNOSUPPORT)?)
        }
        AF_NETLINK => {
            let kind = netlink::Kind::from_number(kind).ok_or(Errno::ESOCKTNOSUPPORT)?;
            let protocol = netlink::Protocol::from_number(protocol);
            Wanted::Netlink(kind, protocol.ok_or(Errno::EPROTONOSUPPORT)?)
        }
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    Ok((wanted, flags))
}

/// `socket`.
pub fn socket(family: i32, kind: u32, protocol: i32) -> Result<usize> {
    let (wanted, flags) = wanted(family, kind, protocol)?;
    ::memory::require_free()?;
    let credentials = current::credentials();
    let file = match wanted {
        Wanted::Unix(kind) => unix::open(Socket::new(kind), flags, &credentials)?,
        Wanted::Netlink(kind, protocol) => {
            netlink::open(netlink::Socket::new(kind, protocol), flags, &credentials)?
        }
    };
    current::install(file, flags)
}

/// `socketpair`.
pub fn socketpair(family: i32, kind: u32, protocol: i32, pair: UserPtr<[i32; 2]>) -> Result<usize> {
    let (Wanted::Unix(kind), flags) = wanted(family, kind, protocol)? else {
        return Err(Errno::EOPNOTSUPP);
    };
    ::memory::require_free()?;
    let (one, other) = unix::open_pair(kind, flags, &current::credentials())?;
    crate::descriptor::install_pair([one, other], pair, flags)
}

/// Copies an address in.
fn address_bytes(address: UserPtr<u8>, length: i32, buffer: &mut [u8]) -> Result<usize> {
    let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?;
    if length > ADDRESS_MAX {
        return Err(Errno::EINVAL);
    }
    address.read_bytes(&mut buffer[..length])?;
    Ok(length)
}

/// An address as a program gave it; each family reads its own.
struct GivenAddress {
    buffer: [u8; ADDRESS_MAX],
    length: usize,
}

impl GivenAddress {
    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Whether it says: nowhere any more.
    fn is_unspecified(&self) -> bool {
        matches!(*self.bytes(), [low, high, ..] if u16::from_ne_bytes([low, high]) == AF_UNSPEC)
    }
}

fn read_address(address: UserPtr<u8>, length: i32) -> Result<GivenAddress> {
    let mut buffer = [0; ADDRESS_MAX];
    let length = address_bytes(address, length, &mut buffer)?;
    Ok(GivenAddress { buffer, length })
}

/// Copies an address out, as much of it as there is room for, and how long it is.
fn write_address(bytes: &[u8], address: UserPtr<u8>, length: UserPtr<i32>) -> Result<()> {
    let room = usize::try_from(length.read()?).map_err(|_| Errno::EINVAL)?;
    address.write_bytes(&bytes[..bytes.len().min(room)])?;
    length.write(&(bytes.len() as i32))
}

/// `bind`.
pub fn bind(fd: i32, address: UserPtr<u8>, length: i32) -> Result<usize> {
    let (_, socket) = socket_of(fd)?;
    let address = read_address(address, length)?;
    match socket {
        AnySocket::Unix(socket) => {
            let address = Address::parse(address.bytes())?;
            current::as_caller(|caller| socket.bind(address, caller))?;
        }
        AnySocket::Netlink(socket) => {
            let address = netlink::Address::parse(address.bytes())?;
            socket.bind(address, &current::credentials())?;
        }
    }
    Ok(0)
}

/// `listen`.
pub fn listen(fd: i32, backlog: i32) -> Result<usize> {
    unix_socket_of(fd)?.1.listen(backlog)?;
    Ok(0)
}

/// `connect`.
pub fn connect(fd: i32, address: UserPtr<u8>, length: i32) -> Result<usize> {
    let (file, socket) = socket_of(fd)?;
    let address = read_address(address, length)?;
    let unspecified = address.is_unspecified();
    match socket {
        AnySocket::Unix(socket) => {
            let target = match unspecified {
                true => Target::Nothing,
                false => Target::Address(Address::parse(address.bytes())?),
            };
            current::as_caller(|caller| socket.connect(&target, caller, file.is_nonblocking()))?;
        }
        AnySocket::Netlink(socket) => {
            let peer = match unspecified {
                true => None,
                false => Some(netlink::Address::parse(address.bytes())?),
            };
            socket.connect(peer, &current::credentials())?;
        }
    }
    Ok(0)
}

/// `accept`.
pub fn accept(fd: i32, address: UserPtr<u8>, length: UserPtr<i32>) -> Result<usize> {
    accept4(fd, address, length, 0)
}

/// `accept4`.
pub fn accept4(fd: i32, address: UserPtr<u8>, length: UserPtr<i32>, flags: u32) -> Result<usize> {
    let flags = OpenFlags::from_bits_retain(flags);
    if !(OpenFlags::NONBLOCK | OpenFlags::CLOEXEC).contains(flags) {
        return Err(Errno::EINVAL);
    }
    let (file, socket) = unix_socket_of(fd)?;
    let connection = socket.accept(file.is_nonblocking())?;
    let peer = connection.peer_name();
    let connection = unix::open(connection, flags, &current::credentials())?;
    if !address.is_null() {
        // The connection is gone with its file if this fails.
        let peer = peer.unwrap_or_else(|_| Arc::new(Address::Unnamed));
        write_address(&peer.to_bytes(), address, length)?;
    }
    current::install(connection, flags)
}

/// `shutdown`.
pub fn shutdown(fd: i32, how: u32) -> Result<usize> {
    let (_, socket) = unix_socket_of(fd)?;
    socket.shutdown(match how {
        0 => Shutdown::Receive,
        1 => Shutdown::Send,
        2 => Shutdown::Both,
        _ => return Err(Errno::EINVAL),
    })?;
    Ok(0)
}

/// `getsockname`.
pub fn getsockname(fd: i32, address: UserPtr<u8>, length: UserPtr<i32>) -> Result<usize> {
    match socket_of(fd)?.1 {
        AnySocket::Unix(socket) => write_address(&socket.name().to_bytes(), address, length)?,
        AnySocket::Netlink(socket) => write_address(&socket.name().to_bytes(), address, length)?,
    }
    Ok(0)
}

/// `getpeername`.
pub fn getpeername(fd: i32, address: UserPtr<u8>, length: UserPtr<i32>) -> Result<usize> {
    match socket_of(fd)?.1 {
        AnySocket::Unix(socket) => write_address(&socket.peer_name()?.to_bytes(), address, length)?,
        AnySocket::Netlink(socket) => write_address(&socket.peer().to_bytes(), address, length)?,
    }
    Ok(0)
}
