//! The family AF_NETLINK as system calls and files see it.

use alloc::sync::Arc;

use ::socket::{Ancillary, Family, Options, RawAddress, Receive, Received, Type};
use errno::{Errno, Result};
use fs::{Caller, PollEvents, PollTable, Sink, Source};

use crate::address::{self, Address};
use crate::socket::{Protocol, Socket};

const SOL_NETLINK: i32 = 270;
const NETLINK_ADD_MEMBERSHIP: i32 = 1;
const NETLINK_DROP_MEMBERSHIP: i32 = 2;

const NUMBER: i32 = address::FAMILY as i32;

/// The family.
pub static FAMILY: &dyn Family = &Netlink;

struct Netlink;

impl Family for Netlink {
    fn number(&self) -> i32 {
        NUMBER
    }

    fn create(&self, kind: u32, protocol: i32) -> Result<Arc<dyn ::socket::Socket>> {
        let kind = match Type::from_number(kind)? {
            kind @ (Type::Datagram | Type::Raw) => kind,
            Type::Stream | Type::Sequenced => return Err(Errno::ESOCKTNOSUPPORT),
        };
        let protocol = Protocol::from_number(protocol).ok_or(Errno::EPROTONOSUPPORT)?;
        Ok(Socket::new(kind, protocol))
    }
}

impl ::socket::Socket for Socket {
    fn family(&self) -> i32 {
        NUMBER
    }

    fn kind(&self) -> Type {
        self.kind()
    }

    fn protocol(&self) -> i32 {
        self.protocol().number()
    }

    fn options(&self) -> &Options {
        self.options()
    }

    fn send_buffer(&self) -> usize {
        self.send_buffer()
    }

    fn set_send_buffer(&self, bytes: usize) {
        self.set_send_buffer(bytes);
    }

    fn take_error(&self) -> Option<Errno> {
        self.inbox.take_error()
    }

    fn set_option(&self, level: i32, option: i32, value: &mut dyn Source) -> Result<()> {
        let joins = match (level, option) {
            (SOL_NETLINK, NETLINK_ADD_MEMBERSHIP) => true,
            (SOL_NETLINK, NETLINK_DROP_MEMBERSHIP) => false,
            _ => return Err(self.unknown_option()),
        };
        let mut group = [0; 4];
        if value.remaining() < group.len() {
            return Err(Errno::EINVAL);
        }
        if value.take(&mut group)? < group.len() {
            return Err(Errno::EFAULT);
        }
        self.set_membership(u32::from_ne_bytes(group), joins, &process::credentials())
    }

    fn unknown_option(&self) -> Errno {
        Errno::ENOPROTOOPT
    }

    fn bind(&self, address: &RawAddress, caller: &Caller<'_>) -> Result<()> {
        self.bind(Address::parse(address)?, caller.credentials)
    }

    fn connect(
        self: Arc<Self>,
        to: &RawAddress,
        caller: &Caller<'_>,
        _nonblocking: bool,
    ) -> Result<()> {
        let peer = match to.is_unspecified() {
            true => None,
            false => Some(Address::parse(to)?),
        };
        Self::connect(&self, peer, caller.credentials)
    }

    fn name(&self) -> RawAddress {
        self.name().to_raw()
    }

    fn peer_name(&self) -> Result<RawAddress> {
        Ok(self.peer().to_raw())
    }

    fn send(
        &self,
        from: &mut dyn Source,
        to: Option<(&RawAddress, &Caller<'_>)>,
        _ancillary: Ancillary,
        _nonblocking: bool,
    ) -> Result<usize> {
        let to = to.map(|(address, _)| Address::parse(address)).transpose()?;
        self.send(from, to, &process::credentials())
    }

    fn receive(
        &self,
        to: &mut dyn Sink,
        how: Receive,
        from: Option<&mut RawAddress>,
    ) -> Result<Received> {
        self.receive(to, how, from)
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.add(&self.readable);
        let (has_message, has_error) = self.inbox.state();
        let mut events = PollEvents::WRITABLE;
        if has_message {
            events |= PollEvents::READABLE;
        }
        if has_error {
            events |= PollEvents::ERR;
        }
        events
    }

    fn release(&self) {
        self.release();
    }
}
