//! `eventfd`.

use errno::{Errno, Result};
use fs::OpenFlags;
use fs::eventfd::EventFdFlags;

use crate::current;

/// `eventfd`.
pub(crate) fn eventfd(value: u32) -> Result<usize> {
    eventfd2(value, 0)
}

/// `eventfd2`.
pub(crate) fn eventfd2(value: u32, flags: u32) -> Result<usize> {
    ::memory::require_free()?;
    let flags = EventFdFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    let file = fs::eventfd::create(value, flags, &current::credentials())?;
    let open_flags = OpenFlags::from_bits_truncate(flags.bits());
    current::install(file, open_flags & OpenFlags::CLOEXEC)
}
