//! Addresses (`struct sockaddr_nl`).

use errno::{Errno, Result};

/// `AF_NETLINK`.
const FAMILY: u16 = 16;
/// Bytes of an address.
const SIZE: usize = 12;

/// A port and groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// Whom a message is for or from; 0 is the kernel.
    pub port: u32,
    /// A bit for each group.
    pub groups: u32,
}

impl Address {
    /// Reads an address as a program gives it.
    ///
    /// # Errors
    /// EINVAL: too short, or of another family.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let bytes = bytes.first_chunk::<SIZE>().ok_or(Errno::EINVAL)?;
        let [low, high, _, _, p0, p1, p2, p3, g0, g1, g2, g3] = *bytes;
        if u16::from_ne_bytes([low, high]) != FAMILY {
            return Err(Errno::EINVAL);
        }
        let port = u32::from_ne_bytes([p0, p1, p2, p3]);
        Ok(Self { port, groups: u32::from_ne_bytes([g0, g1, g2, g3]) })
    }

    /// The `sockaddr_nl` that shows it.
    pub fn to_bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[..2].copy_from_slice(&FAMILY.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.port.to_ne_bytes());
        bytes[8..].copy_from_slice(&self.groups.to_ne_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        let address = Address { port: 77, groups: 0x8000_0001 };
        assert_eq!(Address::parse(&address.to_bytes()), Ok(address));
        assert_eq!(address.to_bytes()[..4], [16, 0, 0, 0]);
        assert_eq!(Address::parse(&address.to_bytes()[..11]), Err(Errno::EINVAL));
        let mut other = address.to_bytes();
        other[0] = 1;
        assert_eq!(Address::parse(&other), Err(Errno::EINVAL));
    }
}
