//! `mem`: a program's memory, at the addresses where the program has it.
//!
//! Who opens it may look into the program as a debugger may: read what the program cannot, and
//! overwrite its code. The file is about the memory that the program had when it was opened, and is
//! empty once that has gone.

use alloc::sync::{Arc, Weak};

use errno::{Errno, Result};
use fs::{File, FileOperations, Sink, Source};
use process::Thread;
use sched::TaskRef;
use vm::{Force, Mm};

/// How much is copied at once.
const PIECE: usize = 1024;

/// The open file.
pub(super) struct Memory {
    /// None for a kernel thread.
    mm: Option<Weak<Mm>>,
}

impl Memory {
    pub(super) fn of(task: &TaskRef) -> Arc<Self> {
        Arc::new(Self { mm: Thread::of(task).mm().map(|mm| Arc::downgrade(&mm)) })
    }

    fn mm(&self) -> Option<Arc<Mm>> {
        self.mm.as_ref().and_then(Weak::upgrade)
    }
}

/// What a copy of which `done` bytes worked returns.
fn outcome(done: usize) -> Result<usize> {
    if done == 0 { Err(Errno::EIO) } else { Ok(done) }
}

impl FileOperations for Memory {
    fn read(&self, _: &File, to: &mut dyn Sink, position: &mut u64) -> Result<usize> {
        let Some(mm) = self.mm() else { return Ok(0) };
        let mut done = 0;
        let mut piece = [0; PIECE];
        while to.remaining() > 0 {
            let wanted = PIECE.min(to.remaining());
            let address = usize::try_from(*position).map_err(|_| Errno::EIO)?;
            let read = mm.read_remote(address, &mut piece[..wanted], Force::Yes);
            if read == 0 {
                return outcome(done);
            }
            let put = match to.put(&piece[..read]) {
                Err(error) if done == 0 => return Err(error),
                outcome => outcome.unwrap_or(0),
            };
            *position += put as u64;
            done += put;
            if put < wanted {
                break;
            }
        }
        Ok(done)
    }

    fn write(&self, _: &File, from: &mut dyn Source, position: &mut u64) -> Result<usize> {
        let Some(mm) = self.mm() else { return Ok(0) };
        let mut done = 0;
        let mut piece = [0; PIECE];
        while from.remaining() > 0 {
            let wanted = PIECE.min(from.remaining());
            let taken = match from.take(&mut piece[..wanted]) {
                Err(error) if done == 0 => return Err(error),
                outcome => outcome.unwrap_or(0),
            };
            let address = usize::try_from(*position).map_err(|_| Errno::EIO)?;
            let written = mm.write_remote(address, &piece[..taken], Force::Yes);
            *position += written as u64;
            done += written;
            if written < wanted {
                return outcome(done);
            }
        }
        Ok(done)
    }
}
