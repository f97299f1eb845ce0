//! Why an access to user memory cannot be.

use errno::Errno;

/// Why a page fault was not resolved. What becomes of it is the caller's: a signal for the program,
/// EFAULT for a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// Nothing is mapped there: SIGSEGV, `SEGV_MAPERR`.
    SegvMaperr,
    /// What is mapped there must not be used so: SIGSEGV, `SEGV_ACCERR`.
    SegvAccerr,
    /// The file has no such page: SIGBUS, `BUS_ADRERR`.
    Bus,
    /// There is no memory: the program is killed, or the out-of-memory killer finds another.
    Oom,
}

impl FaultError {
    /// For a file that did not give a page, or did not let it be written.
    pub(crate) fn from_backing(error: Errno) -> Self {
        match error {
            Errno::ENOMEM => Self::Oom,
            _ => Self::Bus,
        }
    }

    /// As a system call reports it.
    pub fn errno(self) -> Errno {
        match self {
            Self::SegvMaperr | Self::SegvAccerr | Self::Bus => Errno::EFAULT,
            Self::Oom => Errno::ENOMEM,
        }
    }
}
