//! Sockets: there are none yet of any family.

use errno::{Errno, Result};

use crate::current;

/// `socket` and `socketpair`.
pub fn socket(_family: i32) -> Result<usize> {
    Err(Errno::EAFNOSUPPORT)
}

/// Everything that is done with a socket: no open file is one.
pub fn on_socket(fd: i32) -> Result<usize> {
    current::file(fd)?;
    Err(Errno::ENOTSOCK)
}
