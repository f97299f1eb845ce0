//! Addresses (`struct sockaddr_nl`).

use ::socket::RawAddress;
use errno::{Errno, Result};

/// `AF_NETLINK`.
pub(crate) const FAMILY: u16 = 16;
/// Bytes of an address.
const SIZE: usize = 12;

/// A port and groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Address {
    /// Whom a message is for or from; 0 is the kernel.
    pub(crate) port: u32,
    /// A bit for each group.
    pub(crate) groups: u32,
}

impl Address {
    /// Reads an address as a program gives it.
    ///
    /// # Errors
    /// EINVAL: too short, or of another family.
    pub(crate) fn parse(address: &RawAddress) -> Result<Self> {
        let bytes = address.bytes().first_chunk::<SIZE>().ok_or(Errno::EINVAL)?;
        let [low, high, _, _, p0, p1, p2, p3, g0, g1, g2, g3] = *bytes;
        if u16::from_ne_bytes([low, high]) != FAMILY {
            return Err(Errno::EINVAL);
        }
        let port = u32::from_ne_bytes([p0, p1, p2, p3]);
        Ok(Self { port, groups: u32::from_ne_bytes([g0, g1, g2, g3]) })
    }

    /// The `sockaddr_nl` that shows it.
    pub(crate) fn to_raw(self) -> RawAddress {
        let parts: [&[u8]; 3] = [&[0; 2], &self.port.to_ne_bytes(), &self.groups.to_ne_bytes()];
        RawAddress::from_parts(FAMILY, &parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        let address = Address { port: 77, groups: 0x8000_0001 };
        let raw = address.to_raw();
        assert_eq!(Address::parse(&raw), Ok(address));
        assert_eq!(raw.bytes()[..4], [16, 0, 0, 0]);
        let short = RawAddress::from_parts(FAMILY, &[&raw.bytes()[2..11]]);
        assert_eq!(Address::parse(&short), Err(Errno::EINVAL));
        let other = RawAddress::from_parts(1, &[&raw.bytes()[2..]]);
        assert_eq!(Address::parse(&other), Err(Errno::EINVAL));
    }
}
