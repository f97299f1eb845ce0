//! A program's file: finding it, and reading it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::{Access, Caller, File, FileType, LookupFlags, OpenFlags, Start};

/// Opens a file that the caller may execute.
///
/// # Errors
/// Those of the path walk. EACCES: it may not be executed, or is no regular file.
pub(crate) fn open(
    caller: &Caller<'_>,
    start: &Start,
    path: &[u8],
    flags: LookupFlags,
) -> Result<Arc<File>> {
    let place = caller.lookup(start, path, flags)?;
    match place.inode().file_type() {
        FileType::Regular => {}
        FileType::Symlink => return Err(Errno::ELOOP),
        _ => return Err(Errno::EACCES),
    }
    caller.check(&place, Access::EXECUTE)?;
    File::open(place, OpenFlags::empty(), caller.credentials)
}

/// Reads from `offset` until the buffer is full or the file ends; returns how much there was.
///
/// # Errors
/// Those of the file.
pub(crate) fn read_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> Result<usize> {
    let wanted = buffer.len();
    while !buffer.is_empty() {
        // The sink moves the slice on as it is filled.
        let count = file.read_at(&mut buffer, offset)?;
        if count == 0 {
            break;
        }
        offset += count as u64;
    }
    Ok(wanted - buffer.len())
}

/// Reads exactly `length` bytes, of which the caller knows that they are not too many.
///
/// # Errors
/// ENOEXEC: the file has not so many. ENOMEM, and those of the file.
pub(crate) fn read_exactly(file: &File, length: usize, offset: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(length, 0);
    if read_at(file, &mut bytes, offset)? < length {
        return Err(Errno::ENOEXEC);
    }
    Ok(bytes)
}
