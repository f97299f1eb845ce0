//! Opening files.

use errno::{Errno, Result};
use fs::{OpenFlags, OpenOptions};
use zerocopy::FromBytes;

use crate::abi::file::OpenHow;
use crate::current::{self, AT_FDCWD};
use crate::user::UserPtr;

/// What `open` knows; it ignores the rest, as Linux does.
const KNOWN: OpenFlags = OpenFlags::all();

/// `open`.
pub(crate) fn open(path: UserPtr<u8>, flags: u32, mode: u32) -> Result<usize> {
    openat(AT_FDCWD, path, flags, mode)
}

/// `creat`.
pub(crate) fn creat(path: UserPtr<u8>, mode: u32) -> Result<usize> {
    let flags = OpenFlags::CREAT | OpenFlags::WRONLY | OpenFlags::TRUNC;
    openat(AT_FDCWD, path, flags.bits(), mode)
}

/// `openat`.
pub(crate) fn openat(directory: i32, path: UserPtr<u8>, flags: u32, mode: u32) -> Result<usize> {
    ::memory::require_free()?;
    let path = path.read_path()?;
    let start = current::start(directory, &path)?;
    let flags = OpenFlags::from_bits_retain(flags & KNOWN.bits());
    let file =
        current::as_caller(|caller| caller.open(&start, &path, OpenOptions { flags, mode }))?;
    current::install(file, flags)
}

/// `openat2`. Bounds on the path walk (`resolve`) are not known here: EINVAL.
pub(crate) fn openat2(
    directory: i32,
    path: UserPtr<u8>,
    how: UserPtr<u8>,
    size: usize,
) -> Result<usize> {
    let mut bytes = [0; size_of::<OpenHow>()];
    how.read_structure(&mut bytes, size, Errno::EINVAL)?;
    let how = OpenHow::read_from_bytes(&bytes).map_err(|_| Errno::EINVAL)?;
    let flags = u32::try_from(how.flags).ok().and_then(OpenFlags::from_bits);
    let makes = OpenFlags::CREAT | OpenFlags::TMPFILE_ONLY;
    let flags = flags.ok_or(Errno::EINVAL)?;
    let mode_fits = how.mode & !0o7777 == 0 && (how.mode == 0 || flags.intersects(makes));
    if !mode_fits || how.resolve != 0 {
        return Err(Errno::EINVAL);
    }
    openat(directory, path, flags.bits(), how.mode as u32)
}
