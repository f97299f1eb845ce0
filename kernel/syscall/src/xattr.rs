//! Extended attributes: no file system here has any.

use errno::{Errno, Result};

use crate::current::{self, AT_FDCWD};
use crate::stat::{AT_SYMLINK_NOFOLLOW, look_up};
use crate::user::UserPtr;

/// `getxattr`, `setxattr`, `removexattr`: the file has to be there all the same.
pub(crate) fn of_path(path: UserPtr<u8>) -> Result<usize> {
    look_up(AT_FDCWD, path, 0)?;
    Err(Errno::EOPNOTSUPP)
}

/// `lgetxattr`, `lsetxattr`, `lremovexattr`.
pub(crate) fn of_link(path: UserPtr<u8>) -> Result<usize> {
    look_up(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW)?;
    Err(Errno::EOPNOTSUPP)
}

/// `fgetxattr`, `fsetxattr`, `fremovexattr`.
pub(crate) fn of_file(fd: i32) -> Result<usize> {
    current::file(fd)?;
    Err(Errno::EOPNOTSUPP)
}

/// `listxattr`: an empty list.
pub(crate) fn list(path: UserPtr<u8>) -> Result<usize> {
    look_up(AT_FDCWD, path, 0)?;
    Ok(0)
}

/// `llistxattr`.
pub(crate) fn list_of_link(path: UserPtr<u8>) -> Result<usize> {
    look_up(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW)?;
    Ok(0)
}

/// `flistxattr`.
pub(crate) fn list_of_file(fd: i32) -> Result<usize> {
    current::file(fd)?;
    Ok(0)
}
