//! Names of sockets, and how user mode writes them (`struct sockaddr_un`).

use alloc::vec::Vec;

use ::socket::RawAddress;
use errno::{Errno, Result};

/// `AF_UNIX`.
pub(crate) const FAMILY: u16 = 1;
/// Bytes of `sun_family`.
const FAMILY_SIZE: usize = 2;
/// Bytes of `sun_path`.
const PATH_MAX: usize = 108;

/// A socket's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// None.
    Unnamed,
    /// A file's path, as it was given to `bind`.
    Path(Vec<u8>),
    /// A name that is in no file system; any bytes.
    Abstract(Vec<u8>),
}

impl Address {
    /// Reads a `sockaddr_un` as the user gave it.
    ///
    /// # Errors
    /// EINVAL: too short, too long, or of another family.
    pub(crate) fn parse(address: &RawAddress) -> Result<Self> {
        let (family, name) =
            address.bytes().split_first_chunk::<FAMILY_SIZE>().ok_or(Errno::EINVAL)?;
        if u16::from_ne_bytes(*family) != FAMILY || name.len() > PATH_MAX {
            return Err(Errno::EINVAL);
        }
        Ok(match name {
            [] => Self::Unnamed,
            [0, name @ ..] => Self::Abstract(name.to_vec()),
            _ => Self::Path(name.split(|&byte| byte == 0).next().unwrap_or_default().to_vec()),
        })
    }

    /// The `sockaddr_un` that shows it.
    pub(crate) fn to_raw(&self) -> RawAddress {
        match self {
            Self::Unnamed => RawAddress::from_parts(FAMILY, &[]),
            Self::Path(path) => RawAddress::from_parts(FAMILY, &[path, &[0]]),
            Self::Abstract(name) => RawAddress::from_parts(FAMILY, &[&[0], name]),
        }
    }
}
