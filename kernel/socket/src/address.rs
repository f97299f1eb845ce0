//! Addresses as programs give and see them.

use errno::{Errno, Result};

/// The longest address of any family.
const RAW_ADDRESS_MAX: usize = 128;
/// `AF_UNSPEC`.
const UNSPECIFIED: u16 = 0;

/// An address of any family (`struct sockaddr_storage`). Each family reads its own.
#[derive(Clone, Copy, Debug)]
pub struct RawAddress {
    buffer: [u8; RAW_ADDRESS_MAX],
    length: usize,
}

impl RawAddress {
    /// No address, not even a family.
    pub const EMPTY: Self = Self { buffer: [0; RAW_ADDRESS_MAX], length: 0 };

    /// An address of so many bytes, which `fill` writes.
    ///
    /// # Errors
    /// EINVAL: longer than addresses are. Those of `fill`.
    pub fn with(length: usize, fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Self> {
        let mut address = Self { length, ..Self::EMPTY };
        fill(address.buffer.get_mut(..length).ok_or(Errno::EINVAL)?)?;
        Ok(address)
    }

    /// The address that a family and parts, one after the other, make. What is longer than addresses are is cut.
    pub fn from_parts(family: u16, parts: &[&[u8]]) -> Self {
        let mut address = Self::EMPTY;
        address.append(&family.to_ne_bytes());
        for part in parts {
            address.append(part);
        }
        address
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = &mut self.buffer[self.length..];
        let fits = bytes.len().min(room.len());
        room[..fits].copy_from_slice(&bytes[..fits]);
        self.length += fits;
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Whether it says: nowhere any more (`AF_UNSPEC`).
    pub fn is_unspecified(&self) -> bool {
        matches!(*self.bytes(), [low, high, ..] if u16::from_ne_bytes([low, high]) == UNSPECIFIED)
    }
}
