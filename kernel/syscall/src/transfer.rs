//! Reading, writing, and where in a file that happens.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{File, FileType, OpenFlags, SeekFrom, Source, UserBuffer, UserSegment};
use memory::Page;
use process::{Resource, SigInfo, Signal};

use crate::abi::file::IoVec;
use crate::current;
use crate::user::UserPtr;

const RWF_NOWAIT: u32 = 0x8;
const RWF_APPEND: u32 = 0x10;
/// What `preadv2` and `pwritev2` may be asked for: RWF_HIPRI, RWF_DSYNC and RWF_SYNC ask for what
/// is so anyway.
const RWF_KNOWN: u32 = 0x7 | RWF_NOWAIT | RWF_APPEND;

/// Where to read or write.
#[derive(Clone, Copy)]
enum At {
    /// At the file's own position.
    Position,
    /// At an offset, which is nobody's position.
    Offset(u64),
}

impl At {
    fn offset(offset: i64) -> Result<Self> {
        u64::try_from(offset).map(Self::Offset).map_err(|_| Errno::EINVAL)
    }

    /// `preadv2`: -1 is the position.
    fn offset_or_position(offset: i64) -> Result<Self> {
        if offset == -1 { Ok(Self::Position) } else { Self::offset(offset) }
    }

    fn read(self, file: &File, mut to: UserBuffer) -> Result<usize> {
        match self {
            Self::Position => file.read(&mut to),
            Self::Offset(offset) => file.read_at(&mut to, offset),
        }
    }

    fn write(self, file: &File, from: UserBuffer) -> Result<usize> {
        let mut from = Limited(from);
        let outcome = match self {
            Self::Position => file.write(&mut from),
            Self::Offset(offset) => file.write_at(&mut from, offset),
        };
        outcome.inspect_err(|error| signal_for(*error))
    }
}

/// What a program writes: no regular file gets longer by it than the program's limit.
struct Limited<S>(S);

impl<S: Source> Source for Limited<S> {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.0.take(buffer)
    }

    fn take_page(&mut self, page: &Page, offset: usize, length: usize) -> Result<usize> {
        self.0.take_page(page, offset, length)
    }

    fn size_limit(&self) -> u64 {
        file_size_limit()
    }
}

/// How long the program may make a file.
pub(crate) fn file_size_limit() -> u64 {
    current::process().limit(Resource::FileSize).soft
}

/// A write that fails for want of a reader, or because of the limit on a file's length, also sends a
/// signal.
pub(crate) fn signal_for(error: Errno) {
    let signal = match error {
        Errno::EPIPE => Signal::SIGPIPE,
        // A limit that no file can exceed is not why.
        Errno::EFBIG if file_size_limit() < i64::MAX as u64 => Signal::SIGXFSZ,
        _ => return,
    };
    process::send_to_current(SigInfo::kernel(signal));
}

/// A user's buffer. Lengths are checked as Linux does.
///
/// # Errors
/// EINVAL: negative as `ssize_t`.
pub(crate) fn buffer(address: usize, length: usize) -> Result<UserBuffer> {
    if length > isize::MAX as usize {
        return Err(Errno::EINVAL);
    }
    Ok(UserBuffer::new(address, length))
}

/// A user's list of buffers.
///
/// # Errors
/// EINVAL, EFAULT, ENOMEM.
pub(crate) fn segments(list: UserPtr<IoVec>, count: usize) -> Result<UserBuffer> {
    if count > fs::io::MAX_SEGMENTS {
        return Err(Errno::EINVAL);
    }
    let list = list.read_many(count)?;
    UserBuffer::vectored(
        list.iter().map(|one| UserSegment { address: one.base, length: one.length }),
    )
}

/// `read`.
pub(crate) fn read(fd: i32, address: usize, count: usize) -> Result<usize> {
    At::Position.read(&*current::file(fd)?, buffer(address, count)?)
}

/// `write`.
pub(crate) fn write(fd: i32, address: usize, count: usize) -> Result<usize> {
    At::Position.write(&*current::file(fd)?, buffer(address, count)?)
}

/// `pread64`.
pub(crate) fn pread(fd: i32, address: usize, count: usize, offset: i64) -> Result<usize> {
    At::offset(offset)?.read(&*current::file(fd)?, buffer(address, count)?)
}

/// `pwrite64`.
pub(crate) fn pwrite(fd: i32, address: usize, count: usize, offset: i64) -> Result<usize> {
    At::offset(offset)?.write(&*current::file(fd)?, buffer(address, count)?)
}

/// `readv`.
pub(crate) fn readv(fd: i32, list: UserPtr<IoVec>, count: usize) -> Result<usize> {
    let file = current::file(fd)?;
    At::Position.read(&file, segments(list, count)?)
}

/// `writev`.
pub(crate) fn writev(fd: i32, list: UserPtr<IoVec>, count: usize) -> Result<usize> {
    let file = current::file(fd)?;
    At::Position.write(&file, segments(list, count)?)
}

/// `preadv`. The offset's upper half is in the lower on 64-bit machines.
pub(crate) fn preadv(fd: i32, list: UserPtr<IoVec>, count: usize, offset: i64) -> Result<usize> {
    let at = At::offset(offset)?;
    at.read(&*current::file(fd)?, segments(list, count)?)
}

/// `pwritev`.
pub(crate) fn pwritev(fd: i32, list: UserPtr<IoVec>, count: usize, offset: i64) -> Result<usize> {
    let at = At::offset(offset)?;
    at.write(&*current::file(fd)?, segments(list, count)?)
}

/// `preadv2`.
pub(crate) fn preadv2(
    fd: i32,
    list: UserPtr<IoVec>,
    count: usize,
    offset: i64,
    _high: usize,
    flags: u32,
) -> Result<usize> {
    let at = At::offset_or_position(offset)?;
    check_flags(flags)?;
    at.read(&*current::file(fd)?, segments(list, count)?)
}

/// `pwritev2`.
pub(crate) fn pwritev2(
    fd: i32,
    list: UserPtr<IoVec>,
    count: usize,
    offset: i64,
    _high: usize,
    flags: u32,
) -> Result<usize> {
    let at = At::offset_or_position(offset)?;
    check_flags(flags)?;
    at.write(&*current::file(fd)?, segments(list, count)?)
}

/// What cannot be promised for one call alone is refused.
fn check_flags(flags: u32) -> Result<()> {
    if flags & !RWF_KNOWN != 0 || flags & (RWF_NOWAIT | RWF_APPEND) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(())
}

/// `lseek`.
pub(crate) fn lseek(fd: i32, offset: i64, whence: u32) -> Result<usize> {
    let file = current::file(fd)?;
    let unsigned = |error| u64::try_from(offset).map_err(|_| error);
    let from = match whence {
        0 => SeekFrom::Start(unsigned(Errno::EINVAL)?),
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        3 => SeekFrom::Data(unsigned(Errno::ENXIO)?),
        4 => SeekFrom::Hole(unsigned(Errno::ENXIO)?),
        _ => return Err(Errno::EINVAL),
    };
    Ok(file.seek(from)? as usize)
}

/// `fsync` and `fdatasync`.
pub(crate) fn fsync(fd: i32) -> Result<usize> {
    current::file(fd)?.sync()?;
    Ok(0)
}

/// `sync`: all file systems are in memory.
pub(crate) fn sync() -> Result<usize> {
    Ok(0)
}

/// `syncfs`: as `sync`.
pub(crate) fn syncfs(fd: i32) -> Result<usize> {
    current::file(fd)?;
    Ok(0)
}

/// `truncate`.
pub(crate) fn truncate(path: UserPtr<u8>, length: i64) -> Result<usize> {
    let length = new_length(length)?;
    let path = path.read_path()?;
    current::as_caller(|caller| caller.truncate(&path, length, file_size_limit()))
        .inspect_err(|error| signal_for(*error))?;
    Ok(0)
}

/// `ftruncate`.
pub(crate) fn ftruncate(fd: i32, length: i64) -> Result<usize> {
    let length = new_length(length)?;
    current::file(fd)?
        .truncate(length, file_size_limit())
        .inspect_err(|error| signal_for(*error))?;
    Ok(0)
}

fn new_length(length: i64) -> Result<u64> {
    u64::try_from(length).map_err(|_| Errno::EINVAL)
}

/// `fallocate`.
pub(crate) fn fallocate(fd: i32, mode: u32, offset: i64, length: i64) -> Result<usize> {
    let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
    let length = u64::try_from(length).map_err(|_| Errno::EINVAL)?;
    current::file(fd)?
        .allocate(mode, offset, length, file_size_limit())
        .inspect_err(|error| signal_for(*error))?;
    Ok(0)
}

/// `fadvise64`: advice that nothing follows from.
pub(crate) fn fadvise(fd: i32, _offset: i64, length: i64, advice: u32) -> Result<usize> {
    let file = current::file(fd)?;
    if !file.operations().is_seekable() {
        return Err(Errno::ESPIPE);
    }
    if length < 0 || advice > 5 {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

/// `readahead`: as advice.
pub(crate) fn readahead(fd: i32, _offset: i64, _count: usize) -> Result<usize> {
    let file = current::file(fd)?;
    if !file.flags().readable() {
        return Err(Errno::EBADF);
    }
    if file.inode().file_type() != FileType::Regular {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

/// Moves data from file to file through a kernel buffer. Each position is in user memory, or is the
/// file's own.
struct Move {
    input: Arc<File>,
    input_position: UserPtr<i64>,
    output: Arc<File>,
    output_position: UserPtr<i64>,
}

impl Move {
    fn run(&self, count: usize) -> Result<usize> {
        /// Small enough for the kernel stack.
        const PIECE: usize = 2048;
        let mut from = self.input_position.non_null().map(read_offset).transpose()?;
        let mut to = self.output_position.non_null().map(read_offset).transpose()?;
        let count = count.min(fs::io::MAX_RW_COUNT);
        let mut buffer = [0; PIECE];
        let mut moved = 0;
        let mut outcome = Ok(());
        while moved < count {
            let piece = PIECE.min(count - moved);
            match self.step(&mut buffer[..piece], &mut from, &mut to) {
                Ok(0) => break,
                Ok(length) => moved += length,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            if sched::current().signal_pending() {
                outcome = Err(Errno::ERESTARTSYS);
                break;
            }
        }
        for (pointer, position) in [(self.input_position, from), (self.output_position, to)] {
            if let Some(position) = position {
                pointer.write(&(position as i64))?;
            }
        }
        // What was moved counts; an error is told by the next call.
        if moved > 0 { Ok(moved) } else { outcome.map(|()| 0) }
    }

    fn step(
        &self,
        buffer: &mut [u8],
        from: &mut Option<u64>,
        to: &mut Option<u64>,
    ) -> Result<usize> {
        let length = match from {
            Some(offset) => self.input.read_at(&mut &mut *buffer, *offset)?,
            None => self.input.read(&mut &mut *buffer)?,
        };
        let mut data = Limited(&buffer[..length]);
        let written = match to {
            Some(offset) => self.output.write_at(&mut data, *offset),
            None => self.output.write(&mut data),
        };
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                self.put_back(length, from)?;
                signal_for(error);
                return Err(error);
            }
        };
        if let Some(offset) = from {
            *offset += written as u64;
        } else {
            self.put_back(length - written, from)?;
        }
        if let Some(offset) = to {
            *offset += written as u64;
        }
        Ok(written)
    }

    /// What was read and could not be written is there for the next reader, if the file has
    /// positions.
    fn put_back(&self, length: usize, from: &Option<u64>) -> Result<()> {
        if length > 0 && from.is_none() && self.input.operations().is_seekable() {
            self.input.seek(SeekFrom::Current(-(length as i64)))?;
        }
        Ok(())
    }
}

fn read_offset(pointer: UserPtr<i64>) -> Result<u64> {
    u64::try_from(pointer.read()?).map_err(|_| Errno::EINVAL)
}

/// `sendfile`.
pub(crate) fn sendfile(
    output: i32,
    input: i32,
    input_position: UserPtr<i64>,
    count: usize,
) -> Result<usize> {
    let (input, output) = (current::file(input)?, current::file(output)?);
    if output.flags().contains(OpenFlags::APPEND) || !input.operations().is_seekable() {
        return Err(Errno::EINVAL);
    }
    Move { input, input_position, output, output_position: UserPtr::new(0) }.run(count)
}

/// `copy_file_range`.
pub(crate) fn copy_file_range(
    input: i32,
    input_position: UserPtr<i64>,
    output: i32,
    output_position: UserPtr<i64>,
    count: usize,
    flags: u32,
) -> Result<usize> {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let (input, output) = (current::file(input)?, current::file(output)?);
    for file in [&input, &output] {
        match file.inode().file_type() {
            FileType::Regular => {}
            FileType::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
    }
    if output.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::EBADF);
    }
    Move { input, input_position, output, output_position }.run(count)
}
