//! What a family of sockets has to say, and what a socket of it does.

use alloc::sync::Arc;
use core::any::Any;

use errno::{Errno, Result};
use fs::{Caller, PollEvents, PollTable, Sink, Source};

use crate::address::RawAddress;
use crate::message::{Ancillary, Identity, Receive, Received};
use crate::options::Options;

/// What kinds of socket there are (`SOCK_*`). Which of them it has is a family's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `SOCK_STREAM`: a connection, bytes without bounds.
    Stream,
    /// `SOCK_DGRAM`: messages, to whom each says.
    Datagram,
    /// `SOCK_RAW`: messages of a lower layer.
    Raw,
    /// `SOCK_SEQPACKET`: a connection, messages.
    Sequenced,
}

impl Type {
    /// The type with Linux's number.
    ///
    /// # Errors
    /// ESOCKTNOSUPPORT: no family here has it.
    pub const fn from_number(number: u32) -> Result<Self> {
        match number {
            1 => Ok(Self::Stream),
            2 => Ok(Self::Datagram),
            3 => Ok(Self::Raw),
            5 => Ok(Self::Sequenced),
            _ => Err(Errno::ESOCKTNOSUPPORT),
        }
    }

    /// Linux's number.
    pub const fn number(self) -> u32 {
        match self {
            Self::Stream => 1,
            Self::Datagram => 2,
            Self::Raw => 3,
            Self::Sequenced => 5,
        }
    }
}

/// What is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// It reads nothing more.
    Receive,
    /// It sends nothing more.
    Send,
    /// Neither.
    Both,
}

/// Makes sockets (`struct net_proto_family`).
pub trait Family: Sync {
    /// Its number (`AF_*`).
    fn number(&self) -> i32;

    /// Makes a socket of a type (`SOCK_*`) and a protocol of the family's; 0: the usual one.
    ///
    /// # Errors
    /// ESOCKTNOSUPPORT, EPROTONOSUPPORT: it has none such.
    fn create(&self, kind: u32, protocol: i32) -> Result<Arc<dyn Socket>>;

    /// Makes two sockets that are each other's peers.
    ///
    /// # Errors
    /// As [`create`](Self::create). EOPNOTSUPP: its sockets have no peers.
    fn create_pair(&self, kind: u32, protocol: i32) -> Result<[Arc<dyn Socket>; 2]> {
        self.create(kind, protocol)?;
        Err(Errno::EOPNOTSUPP)
    }
}

/// A socket (`struct proto_ops`). Where not every family has an operation, the others answer EOPNOTSUPP.
pub trait Socket: Any + Send + Sync {
    /// The number of its family.
    fn family(&self) -> i32;

    /// Its type.
    fn kind(&self) -> Type;

    /// Its protocol within the family; 0: the only one.
    fn protocol(&self) -> i32 {
        0
    }

    /// What can be set on sockets of any family.
    fn options(&self) -> &Options;

    /// `SO_SNDBUF`.
    fn send_buffer(&self) -> usize;

    /// Sets [`send_buffer`](Self::send_buffer).
    fn set_send_buffer(&self, bytes: usize);

    /// The error that waits to be told, and tells it (`SO_ERROR`).
    fn take_error(&self) -> Option<Errno>;

    /// Sets an option of the family's own level.
    ///
    /// # Errors
    /// [`unknown_option`](Self::unknown_option). EINVAL, EPERM, EFAULT.
    fn set_option(&self, _level: i32, _option: i32, _value: &mut dyn Source) -> Result<()> {
        Err(self.unknown_option())
    }

    /// What is said of options of levels that it does not know.
    fn unknown_option(&self) -> Errno {
        Errno::EOPNOTSUPP
    }

    /// Gives it a name.
    ///
    /// # Errors
    /// EINVAL: no address of the family, or it has a name. EADDRINUSE, EPERM; of a path as `mknod`.
    fn bind(&self, address: &RawAddress, caller: &Caller<'_>) -> Result<()>;

    /// Ties it to the socket with a name; to none any more where that is unspecified.
    ///
    /// # Errors
    /// EINVAL, ECONNREFUSED, EPROTOTYPE, EISCONN, EPERM, EAGAIN; ERESTARTSYS, or EINTR with a time limit; of a path as `lookup`.
    fn connect(
        self: Arc<Self>,
        to: &RawAddress,
        caller: &Caller<'_>,
        nonblocking: bool,
    ) -> Result<()>;

    /// Takes connections from now on, of which `backlog` may wait to be accepted.
    ///
    /// # Errors
    /// EOPNOTSUPP. EINVAL: it has no name, or is connected.
    fn listen(&self, _backlog: i32) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Whether it takes connections.
    fn is_listening(&self) -> bool {
        false
    }

    /// Takes a connection that waits, or waits for one.
    ///
    /// # Errors
    /// EOPNOTSUPP. EINVAL: it does not listen, or is shut down. EAGAIN, ERESTARTSYS, EINTR.
    fn accept(&self, _nonblocking: bool) -> Result<Arc<dyn Socket>> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Ends one direction or both.
    ///
    /// # Errors
    /// EOPNOTSUPP, ENOTCONN.
    fn shutdown(&self, _how: Shutdown) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Its own name.
    fn name(&self) -> RawAddress;

    /// The name of its peer.
    ///
    /// # Errors
    /// ENOTCONN.
    fn peer_name(&self) -> Result<RawAddress>;

    /// Who is at the other end (`SO_PEERCRED`), where that is known.
    fn peer_identity(&self) -> Option<Identity> {
        None
    }

    /// Sends bytes and what comes with them: to the peer, or to the socket with a name. Of a stream a signal or an error
    /// may leave a part unsent, and the part that was sent is the answer.
    ///
    /// # Errors
    /// EPIPE: nobody will read it (of a stream the caller owes the task a SIGPIPE). EINVAL, ENOTCONN, EISCONN, EOPNOTSUPP,
    /// ECONNREFUSED, ECONNRESET, EPERM, ENODATA; EMSGSIZE: longer than a message can be; EAGAIN, ERESTARTSYS, EINTR, EFAULT,
    /// ENOMEM; ETOOMANYREFS: files within files within files.
    fn send(
        &self,
        from: &mut dyn Source,
        to: Option<(&RawAddress, &Caller<'_>)>,
        ancillary: Ancillary,
        nonblocking: bool,
    ) -> Result<usize>;

    /// Takes bytes of a stream, or one message, and where `from` asks for it the sender's name. 0 bytes: nothing more will
    /// come, or an empty message.
    ///
    /// # Errors
    /// ENOTCONN, EINVAL (a stream that is not connected), ECONNRESET, ENOBUFS (messages were lost), EAGAIN, ERESTARTSYS, EINTR,
    /// EFAULT, ENOMEM.
    fn receive(
        &self,
        to: &mut dyn Sink,
        how: Receive,
        from: Option<&mut RawAddress>,
    ) -> Result<Received>;

    /// What it is ready for.
    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents;

    /// `ioctl`.
    ///
    /// # Errors
    /// ENOTTY: it has no such command. EINVAL, EFAULT.
    fn ioctl(&self, _command: u32, _argument: usize) -> Result<usize> {
        Err(Errno::ENOTTY)
    }

    /// Its file is closed. May sleep.
    fn release(&self);
}
