//! The family AF_UNIX as system calls and files see it.

use alloc::sync::Arc;

use ::socket::{
    Ancillary, Family, Identity, Options, RawAddress, Receive, Received, Shutdown, Type,
};
use errno::{Errno, Result};
use fs::{Caller, PollEvents, PollTable, Sink, Source};

use crate::address::{self, Address};
use crate::garbage;
use crate::socket::{Kind, Socket};

/// `FIONREAD`, which is also `SIOCINQ`.
const FIONREAD: u32 = 0x541b;
/// `SIOCOUTQ`.
const SIOCOUTQ: u32 = 0x5411;

const NUMBER: i32 = address::FAMILY as i32;

/// The family.
pub static FAMILY: &dyn Family = &Unix;

struct Unix;

fn kind(kind: u32, protocol: i32) -> Result<Kind> {
    if protocol != 0 && protocol != NUMBER {
        return Err(Errno::EPROTONOSUPPORT);
    }
    Type::from_number(kind).map(Kind::of)
}

impl Family for Unix {
    fn number(&self) -> i32 {
        NUMBER
    }

    fn create(&self, number: u32, protocol: i32) -> Result<Arc<dyn ::socket::Socket>> {
        Ok(Socket::new(kind(number, protocol)?))
    }

    fn create_pair(&self, number: u32, protocol: i32) -> Result<[Arc<dyn ::socket::Socket>; 2]> {
        let (one, other) = Socket::pair(kind(number, protocol)?);
        Ok([one, other])
    }
}

impl ::socket::Socket for Socket {
    fn family(&self) -> i32 {
        NUMBER
    }

    fn kind(&self) -> Type {
        self.kind().to_type()
    }

    fn options(&self) -> &Options {
        self.options()
    }

    fn send_buffer(&self) -> usize {
        self.account.limit()
    }

    fn set_send_buffer(&self, bytes: usize) {
        self.account.set_limit(bytes);
    }

    fn take_error(&self) -> Option<Errno> {
        self.take_error()
    }

    fn bind(&self, address: &RawAddress, caller: &Caller<'_>) -> Result<()> {
        self.bind(Address::parse(address)?, caller)
    }

    fn connect(
        self: Arc<Self>,
        to: &RawAddress,
        caller: &Caller<'_>,
        nonblocking: bool,
    ) -> Result<()> {
        let target = match to.is_unspecified() {
            true => None,
            false => Some(Address::parse(to)?),
        };
        Self::connect(&self, target.as_ref(), caller, nonblocking)
    }

    fn listen(&self, backlog: i32) -> Result<()> {
        self.listen(backlog)
    }

    fn is_listening(&self) -> bool {
        self.is_listening()
    }

    fn accept(&self, nonblocking: bool) -> Result<Arc<dyn ::socket::Socket>> {
        Ok(self.accept(nonblocking)?)
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        self.shutdown(how)
    }

    fn name(&self) -> RawAddress {
        self.name().to_raw()
    }

    fn peer_name(&self) -> Result<RawAddress> {
        Ok(self.peer().ok_or(Errno::ENOTCONN)?.name().to_raw())
    }

    fn peer_identity(&self) -> Option<Identity> {
        self.state.lock().peer.clone()
    }

    fn send(
        &self,
        from: &mut dyn Source,
        to: Option<(&RawAddress, &Caller<'_>)>,
        ancillary: Ancillary,
        nonblocking: bool,
    ) -> Result<usize> {
        match to {
            None => self.send(from, None, ancillary, nonblocking),
            Some((address, caller)) => {
                let address = Address::parse(address)?;
                self.send(from, Some((&address, caller)), ancillary, nonblocking)
            }
        }
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
        self.poll(table)
    }

    fn ioctl(&self, command: u32, argument: usize) -> Result<usize> {
        let bytes = match command {
            FIONREAD if self.is_listening() => return Err(Errno::EINVAL),
            FIONREAD => self.bytes_to_read(),
            SIOCOUTQ => self.account.used(),
            _ => return Err(Errno::ENOTTY),
        };
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        machine::user::copy_to(argument, &bytes.to_ne_bytes()).map_err(|_| Errno::EFAULT)?;
        Ok(0)
    }

    fn release(&self) {
        self.end(false);
        garbage::collect();
    }
}
