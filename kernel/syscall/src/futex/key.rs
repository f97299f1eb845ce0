//! When two addresses are the same futex.

use errno::{Errno, Result};
use process::Thread;
use vm::FutexPlace;

use crate::current;

/// Who may use a futex, as the caller says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Threads of one address space only: the address itself is the name.
    Private,
    /// Whoever maps the same memory: what is mapped at the address decides.
    AsMapped,
}

/// A futex's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// An address in an address space, by the latter's own address. Whoever waits keeps the address
    /// space alive.
    Private {
        /// Which address space.
        space: usize,
        /// Which address.
        address: usize,
    },
    /// A place in a file or in shared memory.
    Shared {
        /// The number of the file or memory.
        object: u64,
        /// How far from its start, in bytes.
        offset: u64,
    },
}

impl Key {
    /// The name of the futex at a user address of the running task. May sleep.
    ///
    /// # Errors
    /// EINVAL: not aligned. EFAULT: nothing is mapped there.
    #[inline]
    pub(super) fn new(address: usize, sharing: Sharing) -> Result<Self> {
        if !address.is_multiple_of(size_of::<u32>()) {
            return Err(Errno::EINVAL);
        }
        if address >= machine::user::USER_END {
            return Err(Errno::EFAULT);
        }
        if sharing == Sharing::AsMapped {
            return Self::as_mapped(address);
        }
        Self::private(address)
    }

    #[inline]
    fn private(address: usize) -> Result<Self> {
        let space = Thread::of(&sched::current()).mm_identity().ok_or(Errno::EFAULT)?;
        Ok(Self::Private { space: space.get(), address })
    }

    fn as_mapped(address: usize) -> Result<Self> {
        match current::mm()?.futex_place(address)? {
            FutexPlace::Shared { object, offset } => Ok(Self::Shared { object, offset }),
            _ => Self::private(address),
        }
    }

    /// A word that depends on all of it.
    pub(super) fn hash_word(&self) -> u64 {
        match *self {
            Self::Private { space, address } => (space as u64).rotate_left(20) ^ address as u64,
            Self::Shared { object, offset } => object.rotate_left(40) ^ offset,
        }
    }
}
