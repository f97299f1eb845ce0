//! Errors of system calls.

/// An error number as Linux defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// No such file or directory.
    pub const ENOENT: Self = Self(2);
    /// Interrupted by a signal.
    pub const EINTR: Self = Self(4);
    /// No child processes.
    pub const ECHILD: Self = Self(10);
    /// A component of the path is not a directory.
    pub const ENOTDIR: Self = Self(20);
    /// Function not implemented.
    pub const ENOSYS: Self = Self(38);
}

/// What a system call gives.
pub type Result<T> = core::result::Result<T, Errno>;

/// Splits what the kernel returned into a value and an error.
pub fn check(returned: isize) -> Result<usize> {
    match returned {
        -4095..=-1 => Err(Errno(-returned as i32)),
        value => Ok(value as usize),
    }
}
