//! Accesses to memory, and how they fail.

/// What an access to memory wanted to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Load data.
    Read,
    /// Store data.
    Write,
    /// Fetch an instruction.
    Execute,
}

/// A user address that could not be read or written: unmapped, of the wrong protection, or not a
/// user address at all. System calls answer EFAULT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;
