//! `process_vm_readv` and `process_vm_writev`: copies between two programs' memory.

use alloc::vec::Vec;

use errno::{Errno, Result};
use process::Thread;
use process::ptrace::{Identity, may_access};
use vm::{Force, Mm};

use crate::abi::file::IoVec;
use crate::kill::positive;
use crate::user::{MAX_RW_COUNT, UserPtr};

/// How much is copied at once.
const PIECE: usize = 1024;

/// Which way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    FromOther,
    ToOther,
}

/// A list of segments that is walked through from its start.
struct Cursor {
    segments: Vec<IoVec>,
    index: usize,
    offset: usize,
}

impl Cursor {
    fn new(list: UserPtr<IoVec>, count: usize) -> Result<Self> {
        if count > fs::io::MAX_SEGMENTS {
            return Err(Errno::EINVAL);
        }
        let segments = list.read_many(count)?;
        if segments.iter().any(|segment| segment.length > isize::MAX as usize) {
            return Err(Errno::EINVAL);
        }
        Ok(Self { segments, index: 0, offset: 0 })
    }

    /// The next address, and how many bytes there are from there on; none at the end.
    fn next(&mut self) -> Option<(usize, usize)> {
        while let Some(segment) = self.segments.get(self.index) {
            if self.offset < segment.length {
                let address = segment.base.checked_add(self.offset)?;
                return Some((address, segment.length - self.offset));
            }
            self.index += 1;
            self.offset = 0;
        }
        None
    }

    fn advance(&mut self, count: usize) {
        self.offset += count;
    }
}

/// `process_vm_readv`.
pub(crate) fn readv(
    pid: i32,
    local: UserPtr<IoVec>,
    local_count: usize,
    remote: UserPtr<IoVec>,
    remote_count: usize,
    flags: usize,
) -> Result<usize> {
    copy(pid, (local, local_count), (remote, remote_count), flags, Direction::FromOther)
}

/// `process_vm_writev`.
pub(crate) fn writev(
    pid: i32,
    local: UserPtr<IoVec>,
    local_count: usize,
    remote: UserPtr<IoVec>,
    remote_count: usize,
    flags: usize,
) -> Result<usize> {
    copy(pid, (local, local_count), (remote, remote_count), flags, Direction::ToOther)
}

fn copy(
    pid: i32,
    local: (UserPtr<IoVec>, usize),
    remote: (UserPtr<IoVec>, usize),
    flags: usize,
    direction: Direction,
) -> Result<usize> {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let mut local = Cursor::new(local.0, local.1)?;
    if local.next().is_none() {
        return Ok(0);
    }
    let mut remote = Cursor::new(remote.0, remote.1)?;
    let task = positive(pid).ok().and_then(process::find_task).ok_or(Errno::ESRCH)?;
    if !may_access(&task, Identity::Real) {
        return Err(Errno::EPERM);
    }
    let mm = Thread::of(&task).mm().ok_or(Errno::ESRCH)?;
    let mut done = 0;
    while let (Some((here, room)), Some((there, left))) = (local.next(), remote.next()) {
        let count = PIECE.min(room).min(left).min(MAX_RW_COUNT - done);
        match copy_piece(&mm, here, there, count, direction) {
            Ok(0) => break,
            Ok(copied) => {
                local.advance(copied);
                remote.advance(copied);
                done += copied;
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// Copies up to a piece, and says how much that was.
fn copy_piece(
    mm: &Mm,
    here: usize,
    there: usize,
    count: usize,
    direction: Direction,
) -> Result<usize> {
    let mut piece = [0; PIECE];
    let piece = &mut piece[..count];
    let here = UserPtr::<u8>::new(here);
    let copied = match direction {
        Direction::FromOther => {
            let read = mm.read_remote(there, piece, Force::No);
            here.write_bytes(&piece[..read])?;
            read
        }
        Direction::ToOther => {
            here.read_bytes(piece)?;
            mm.write_remote(there, piece, Force::No)
        }
    };
    if copied == 0 && count != 0 { Err(Errno::EFAULT) } else { Ok(copied) }
}
