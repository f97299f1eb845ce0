//! Sockets: there are none yet of any family.

use errno::{Errno, Result};

use crate::user::UserPtr;

/// `socket`.
pub fn socket(_family: i32, _kind: i32, _protocol: i32) -> Result<usize> {
    Err(Errno::EAFNOSUPPORT)
}

/// `socketpair`.
pub fn socketpair(
    _family: i32,
    _kind: i32,
    _protocol: i32,
    _ends: UserPtr<[i32; 2]>,
) -> Result<usize> {
    Err(Errno::EAFNOSUPPORT)
}
