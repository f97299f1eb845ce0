//! `splice`, `tee`, `vmsplice`.

use errno::{Errno, Result};
use fs::pipe::splice;
use fs::{File, OpenFlags};

use crate::abi::file::IoVec;
use crate::user::UserPtr;
use crate::{current, transfer};

const SPLICE_F_NONBLOCK: u32 = 2;
/// `SPLICE_F_MOVE`, `_MORE`, `_GIFT`: hints.
const SPLICE_F_ALL: u32 = 0xf;

fn is_nonblocking(flags: u32) -> Result<bool> {
    if flags & !SPLICE_F_ALL != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(flags & SPLICE_F_NONBLOCK != 0)
}

/// The position that a call brings for a file, which a pipe has none of.
fn position(file: &File, pointer: UserPtr<i64>) -> Result<Option<u64>> {
    let Some(pointer) = pointer.non_null() else { return Ok(None) };
    if !file.operations().is_seekable() {
        return Err(Errno::ESPIPE);
    }
    Ok(Some(u64::try_from(pointer.read()?).map_err(|_| Errno::EINVAL)?))
}

/// `splice`.
pub(crate) fn splice(
    input: i32,
    input_position: UserPtr<i64>,
    output: i32,
    output_position: UserPtr<i64>,
    length: usize,
    flags: u32,
) -> Result<usize> {
    // Nothing is asked for: Linux looks at neither the flags nor the descriptors then.
    if length == 0 {
        return Ok(0);
    }
    let nonblocking = is_nonblocking(flags)?;
    let length = length.min(fs::io::MAX_RW_COUNT);
    let (from, to) = (current::file(input)?, current::file(output)?);
    if !from.flags().readable() || !to.flags().writable() {
        return Err(Errno::EBADF);
    }
    let mut from_position = position(&from, input_position)?;
    let mut to_position = position(&to, output_position)?;
    if to.flags().contains(OpenFlags::APPEND) && !splice::is_pipe(&to) {
        return Err(Errno::EINVAL);
    }
    let moved = match (splice::is_pipe(&from), splice::is_pipe(&to)) {
        (true, true) => splice::between(&from, &to, length, nonblocking),
        (true, false) => {
            let limit = transfer::file_size_limit();
            splice::from_pipe(&from, &to, &mut to_position, length, nonblocking, limit)
        }
        (false, true) => splice::to_pipe(&from, &mut from_position, &to, length, nonblocking),
        (false, false) => Err(Errno::EINVAL),
    };
    let moved = moved.inspect_err(|error| transfer::signal_for(*error))?;
    for (pointer, position) in [(input_position, from_position), (output_position, to_position)] {
        if let Some(position) = position {
            pointer.write(&(position as i64))?;
        }
    }
    Ok(moved)
}

/// `tee`.
pub(crate) fn tee(input: i32, output: i32, length: usize, flags: u32) -> Result<usize> {
    let nonblocking = is_nonblocking(flags)?;
    // Nothing is asked for: Linux does not look at the descriptors either.
    if length == 0 {
        return Ok(0);
    }
    let (from, to) = (current::file(input)?, current::file(output)?);
    if !splice::is_pipe(&from) || !splice::is_pipe(&to) {
        return Err(Errno::EINVAL);
    }
    splice::tee(&from, &to, length.min(fs::io::MAX_RW_COUNT), nonblocking)
        .inspect_err(|error| transfer::signal_for(*error))
}

/// `vmsplice`: the pages are copied, so the program may use them again at once.
pub(crate) fn vmsplice(fd: i32, list: UserPtr<IoVec>, count: usize, flags: u32) -> Result<usize> {
    is_nonblocking(flags)?;
    let file = current::file(fd)?;
    if !splice::is_pipe(&file) {
        return Err(Errno::EBADF);
    }
    if file.flags().writable() {
        transfer::writev(fd, list, count)
    } else {
        transfer::readv(fd, list, count)
    }
}
