//! Mounting.

use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::UnmountFlags;
use machine::PAGE_SIZE;

use crate::current;
use crate::user::UserPtr;

/// `mount`. No flag that means anything is in the upper half of the word.
pub(crate) fn mount(
    source: UserPtr<u8>,
    target: UserPtr<u8>,
    kind: UserPtr<u8>,
    flags: u64,
    data: UserPtr<u8>,
) -> Result<usize> {
    let optional = |pointer: UserPtr<u8>, limit, error| match pointer.non_null() {
        None => Ok(Vec::new()),
        Some(pointer) => pointer.read_string(limit, error),
    };
    let kind = optional(kind, PAGE_SIZE, Errno::EINVAL)?;
    let source = optional(source, fs::PATH_MAX, Errno::ENAMETOOLONG)?;
    let options = optional(data, PAGE_SIZE, Errno::EINVAL)?;
    let target = target.read_path()?;
    current::as_caller(|caller| caller.mount(&source, &target, &kind, flags as u32, &options))?;
    Ok(0)
}

/// `umount2`.
pub(crate) fn umount2(target: UserPtr<u8>, flags: u32) -> Result<usize> {
    let flags = UnmountFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    let target = target.read_path()?;
    current::as_caller(|caller| caller.unmount(&target, flags))?;
    Ok(0)
}
