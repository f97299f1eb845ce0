//! The socket itself.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use ::socket::{BUFFER_DEFAULT, Options, Type};
use errno::{Errno, Result};
use fs::{Capabilities, Credentials};
use sched::WaitQueue;

use crate::address::Address;
use crate::inbox::{Inbox, Message};
use crate::ports;

/// The most groups that a protocol here has.
const GROUPS_MAX: u32 = 32;

/// Whom a socket speaks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    /// `NETLINK_CONNECTOR`: what happens to processes.
    Connector,
    /// `NETLINK_KOBJECT_UEVENT`: devices that come and go.
    Uevent,
    /// `NETLINK_GENERIC`: families that are found by name.
    Generic,
}

impl Protocol {
    /// The protocol with Linux's number.
    pub(crate) const fn from_number(number: i32) -> Option<Self> {
        match number {
            11 => Some(Self::Connector),
            15 => Some(Self::Uevent),
            16 => Some(Self::Generic),
            _ => None,
        }
    }

    /// Linux's number.
    pub(crate) const fn number(self) -> i32 {
        match self {
            Self::Connector => 11,
            Self::Uevent => 15,
            Self::Generic => 16,
        }
    }

    /// Groups may be joined by some only.
    fn check_may_join(self, credentials: &Credentials) -> Result<()> {
        match self {
            Self::Connector => credentials.require(Capabilities::NET_ADMIN),
            Self::Generic | Self::Uevent => Ok(()),
        }
    }
}

/// A socket.
///
/// Each number in it stands alone and is read without a lock; the port changes with `netlink.ports` held.
pub(crate) struct Socket {
    /// Itself, for its port.
    pub(crate) me: Weak<Self>,
    /// SOCK_DGRAM or SOCK_RAW, which differ in name only.
    kind: Type,
    protocol: Protocol,
    port: AtomicU32,
    groups: AtomicU32,
    peer_port: AtomicU32,
    peer_groups: AtomicU32,
    /// It has asked for process events.
    pub(crate) listens: AtomicBool,
    options: Options,
    send_buffer: AtomicUsize,
    pub(crate) inbox: Inbox,
    /// Woken when there is something to read.
    pub(crate) readable: Arc<WaitQueue>,
}

impl Socket {
    /// A socket without a port.
    pub(crate) fn new(kind: Type, protocol: Protocol) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            kind,
            protocol,
            port: AtomicU32::new(0),
            groups: AtomicU32::new(0),
            peer_port: AtomicU32::new(0),
            peer_groups: AtomicU32::new(0),
            listens: AtomicBool::new(false),
            options: Options::default(),
            send_buffer: AtomicUsize::new(BUFFER_DEFAULT),
            inbox: Inbox::new(),
            readable: Arc::new(WaitQueue::new()),
        })
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> Type {
        self.kind
    }

    /// Its protocol.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Its port; 0: none yet.
    pub(crate) fn port(&self) -> u32 {
        self.port.load(Ordering::Relaxed)
    }

    pub(crate) fn set_port(&self, port: u32) {
        self.port.store(port, Ordering::Relaxed);
    }

    /// The groups that it is in, a bit for each.
    pub(crate) fn groups(&self) -> u32 {
        self.groups.load(Ordering::Relaxed)
    }

    /// Its port and groups.
    pub(crate) fn name(&self) -> Address {
        Address { port: self.port(), groups: self.groups() }
    }

    /// Where it sends what says nothing else.
    pub(crate) fn peer(&self) -> Address {
        let groups = self.peer_groups.load(Ordering::Relaxed);
        Address { port: self.peer_port.load(Ordering::Relaxed), groups }
    }

    /// Takes a port (0: the kernel chooses) and joins groups, and leaves those that are not named.
    ///
    /// # Errors
    /// EADDRINUSE; EINVAL: it has another port; EPERM: the groups need CAP_NET_ADMIN.
    pub(crate) fn bind(&self, address: Address, credentials: &Credentials) -> Result<()> {
        if address.groups != 0 {
            self.protocol.check_may_join(credentials)?;
        }
        match (self.port(), address.port) {
            (0, 0) => self.require_port(),
            (0, port) => ports::insert(self, port)?,
            (mine, port) if mine != port => return Err(Errno::EINVAL),
            _ => {}
        }
        self.groups.store(address.groups, Ordering::Relaxed);
        Ok(())
    }

    /// Sees to it that it has a port.
    pub(crate) fn require_port(&self) {
        if self.port() == 0 {
            ports::choose(self, process::tgid());
        }
    }

    /// Says where to send; nowhere in particular: to the kernel.
    ///
    /// # Errors
    /// EPERM: anything but the kernel needs CAP_NET_ADMIN.
    pub(crate) fn connect(&self, peer: Option<Address>, credentials: &Credentials) -> Result<()> {
        let address = peer.unwrap_or_default();
        check_may_send(&address, credentials)?;
        if peer.is_some() {
            self.require_port();
        }
        self.peer_port.store(address.port, Ordering::Relaxed);
        // Of several groups the first one counts.
        let first = address.groups & address.groups.wrapping_neg();
        self.peer_groups.store(first, Ordering::Relaxed);
        Ok(())
    }

    /// Joins or leaves a group (`NETLINK_ADD_MEMBERSHIP`, `NETLINK_DROP_MEMBERSHIP`).
    ///
    /// # Errors
    /// EINVAL: there is no such group. EPERM: it needs CAP_NET_ADMIN.
    pub(crate) fn set_membership(
        &self,
        group: u32,
        joins: bool,
        credentials: &Credentials,
    ) -> Result<()> {
        self.protocol.check_may_join(credentials)?;
        if !(1..=GROUPS_MAX).contains(&group) {
            return Err(Errno::EINVAL);
        }
        let bit = 1 << (group - 1);
        match joins {
            true => self.groups.fetch_or(bit, Ordering::Relaxed),
            false => self.groups.fetch_and(!bit, Ordering::Relaxed),
        };
        Ok(())
    }

    /// Puts a message into its inbox, or loses it.
    pub(crate) fn deliver(&self, message: Message) {
        self.inbox.push(message, self.options.receive_buffer());
        self.readable.wake_all();
    }

    /// Notes that it should have got a message.
    pub(crate) fn note_loss(&self) {
        self.inbox.lose();
    }

    /// What can be set on it.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// `SO_SNDBUF`: no message may be longer.
    pub(crate) fn send_buffer(&self) -> usize {
        self.send_buffer.load(Ordering::Relaxed)
    }

    /// Sets [`send_buffer`](Self::send_buffer).
    pub(crate) fn set_send_buffer(&self, bytes: usize) {
        self.send_buffer.store(bytes, Ordering::Relaxed);
    }

    /// Its file is closed.
    pub(crate) fn release(&self) {
        if self.listens.swap(false, Ordering::Relaxed) {
            process::events::unwatch();
        }
        ports::remove(self);
    }
}

/// Others than the kernel may be sent to by some only.
pub(crate) fn check_may_send(address: &Address, credentials: &Credentials) -> Result<()> {
    if address.port == 0 && address.groups == 0 {
        return Ok(());
    }
    credentials.require(Capabilities::NET_ADMIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> Arc<Socket> {
        Socket::new(Type::Raw, Protocol::Generic)
    }

    #[test]
    fn a_port_has_one_socket_of_a_protocol() {
        let (one, other) = (socket(), socket());
        let connector = Socket::new(Type::Raw, Protocol::Connector);
        let root = Credentials::root();
        let address = Address { port: 4711, groups: 0 };
        assert_eq!(one.bind(address, &root), Ok(()));
        assert_eq!(one.bind(Address { port: 4712, groups: 0 }, &root), Err(Errno::EINVAL));
        assert_eq!(one.bind(Address { port: 4711, groups: 2 }, &root), Ok(()));
        assert_eq!(one.name(), Address { port: 4711, groups: 2 });
        assert_eq!(other.bind(address, &root), Err(Errno::EADDRINUSE));
        assert_eq!(connector.bind(address, &root), Ok(()));
        ports::choose(&other, 4711);
        assert_eq!(other.port(), -4096_i32 as u32);
        for socket in [&one, &other, &connector] {
            socket.release();
        }
        assert_eq!(other.bind(address, &root), Err(Errno::EINVAL), "it keeps the port it had");
        let third = socket();
        assert_eq!(third.bind(address, &root), Ok(()));
        third.release();
    }

    #[test]
    fn process_events_are_for_the_privileged() {
        let nobody =
            Credentials { effective: Capabilities::empty(), ..(*Credentials::root()).clone() };
        let group = Address { port: 815, groups: 1 };
        let connector = Socket::new(Type::Datagram, Protocol::Connector);
        assert_eq!(connector.bind(group, &nobody), Err(Errno::EPERM));
        assert_eq!(connector.set_membership(1, true, &nobody), Err(Errno::EPERM));
        assert_eq!(connector.connect(Some(group), &nobody), Err(Errno::EPERM));
        assert_eq!(connector.port(), 0);
        let generic = socket();
        assert_eq!(generic.bind(group, &nobody), Ok(()));
        assert_eq!(generic.set_membership(33, true, &nobody), Err(Errno::EINVAL));
        generic.release();
    }
}
