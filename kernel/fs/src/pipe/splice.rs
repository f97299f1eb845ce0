//! `splice` and `tee`: data that goes through a pipe without passing through user memory.
//!
//! It moves a page at a time. What was taken out of a pipe and cannot be put where it was to go is put back in front, so
//! nothing is lost; only a reader who comes in between sees what follows first.

use errno::{Errno, Result};
use memory::{PAGE_SIZE, Page};
use sched::Sleep;

use super::ring::Piece;
use super::{Pipe, PipeEnd, end_of};
use crate::file::File;
use crate::io::{Sink, Source};

/// Bytes that are collected in a page.
struct Collected {
    page: Page,
    start: usize,
    end: usize,
    /// Where the page is to be used up to.
    limit: usize,
    /// How long its bytes may make a regular file.
    size_limit: u64,
}

impl Collected {
    fn new(limit: usize) -> Result<Self> {
        // Only what was written is ever read.
        let page = memory::alloc_page_for_overwrite(None)?;
        Ok(Self { page, start: 0, end: 0, limit: limit.min(PAGE_SIZE), size_limit: u64::MAX })
    }

    fn length(&self) -> usize {
        self.end - self.start
    }
}

impl Sink for Collected {
    fn remaining(&self) -> usize {
        self.limit - self.end
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        let count = bytes.len().min(self.limit - self.end);
        self.page.write(self.end, &bytes[..count]);
        self.end += count;
        Ok(count)
    }
}

impl Source for Collected {
    fn remaining(&self) -> usize {
        self.length()
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = buffer.len().min(self.length());
        self.page.read(self.start, &mut buffer[..count]);
        self.start += count;
        Ok(count)
    }

    fn size_limit(&self) -> u64 {
        self.size_limit
    }
}

/// Whether a file is an end of a pipe.
pub fn is_pipe(file: &File) -> bool {
    end_of(file).is_ok()
}

fn reading_end(file: &File) -> Result<&PipeEnd> {
    end_of(file)?.reads.then_some(end_of(file)?).ok_or(Errno::EBADF)
}

fn writing_end(file: &File) -> Result<&PipeEnd> {
    end_of(file)?.writes.then_some(end_of(file)?).ok_or(Errno::EBADF)
}

/// Repeats a step that moves some bytes, until all are moved or it has no more. Only the first may wait.
fn repeat(length: usize, mut step: impl FnMut(usize, bool) -> Result<usize>) -> Result<usize> {
    let mut done = 0;
    while done < length {
        match step(length - done, done == 0) {
            Ok(0) => break,
            Ok(moved) => done += moved,
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
        if crate::io::should_stop() {
            break;
        }
    }
    Ok(done)
}

/// Moves bytes out of a pipe into a file, at the file's position or at one of the caller's, which is moved on.
/// `size_limit` is how long the caller may make a regular file.
///
/// # Errors
/// EBADF: not the end to read from. EAGAIN: nothing there, and it may not wait. As [`File::write`].
pub fn from_pipe(
    from: &File,
    to: &File,
    position: &mut Option<u64>,
    length: usize,
    nonblocking: bool,
    size_limit: u64,
) -> Result<usize> {
    let pipe = &reading_end(from)?.pipe;
    repeat(length, |left, first| {
        let mut data = Collected { size_limit, ..Collected::new(left)? };
        let nonblocking = nonblocking || !first || from.is_nonblocking();
        if pipe.read(&mut data, nonblocking)? == 0 {
            return Ok(0);
        }
        let written = match position {
            Some(position) => {
                to.write_at(&mut data, *position).inspect(|&moved| *position += moved as u64)
            }
            None => to.write(&mut data),
        };
        pipe.put_back(data, &written);
        written
    })
}

/// Moves bytes of a file into a pipe, from the file's position or from one of the caller's, which is moved on.
///
/// # Errors
/// EBADF: not the end to write to. EPIPE. EAGAIN: no room, and it may not wait. As [`File::read`].
pub fn to_pipe(
    from: &File,
    position: &mut Option<u64>,
    to: &File,
    length: usize,
    nonblocking: bool,
) -> Result<usize> {
    let pipe = &writing_end(to)?.pipe;
    repeat(length, |left, first| {
        pipe.wait_for_room(nonblocking || !first || to.is_nonblocking())?;
        let mut data = Collected::new(left)?;
        let read = match position {
            Some(position) => {
                from.read_at(&mut data, *position).inspect(|&moved| *position += moved as u64)
            }
            None => from.read(&mut data),
        }?;
        // What was read must go in: who has taken the room meanwhile is waited for.
        let mut written = 0;
        while written < read {
            written += pipe.write(&mut data, false, false)?;
        }
        Ok(read)
    })
}

/// Moves bytes from pipe to pipe.
///
/// # Errors
/// EINVAL: the same pipe. EBADF, EPIPE, EAGAIN.
pub fn between(from: &File, to: &File, length: usize, nonblocking: bool) -> Result<usize> {
    let (source, target) = (&reading_end(from)?.pipe, &writing_end(to)?.pipe);
    require_different(source, target)?;
    from_pipe_when_room(source, target, length, nonblocking || from.is_nonblocking())
}

fn require_different(
    source: &alloc::sync::Arc<Pipe>,
    target: &alloc::sync::Arc<Pipe>,
) -> Result<()> {
    if alloc::sync::Arc::ptr_eq(source, target) { Err(Errno::EINVAL) } else { Ok(()) }
}

fn from_pipe_when_room(
    source: &Pipe,
    target: &Pipe,
    length: usize,
    nonblocking: bool,
) -> Result<usize> {
    repeat(length, |left, first| {
        let nonblocking = nonblocking || !first;
        target.wait_for_room(nonblocking)?;
        let mut data = Collected::new(left)?;
        if source.read(&mut data, nonblocking)? == 0 {
            return Ok(0);
        }
        let written = target.write(&mut data, nonblocking, false);
        source.put_back(data, &written);
        written
    })
}

/// Copies bytes from pipe to pipe and leaves them in the first.
///
/// # Errors
/// EINVAL: the same pipe. EBADF, EPIPE, EAGAIN.
pub fn tee(from: &File, to: &File, length: usize, nonblocking: bool) -> Result<usize> {
    let (source, target) = (&reading_end(from)?.pipe, &writing_end(to)?.pipe);
    require_different(source, target)?;
    let nonblocking = nonblocking || from.is_nonblocking();
    if !source.wait_for_data(nonblocking)? {
        return Ok(0);
    }
    let mut skip = 0;
    repeat(length, |left, first| {
        target.wait_for_room(nonblocking || !first)?;
        let mut data = Collected::new(left)?;
        if source.ring.lock().copy(skip, &mut data)? == 0 {
            return Ok(0);
        }
        let written = target.write(&mut data, nonblocking || !first, false)?;
        skip += written;
        Ok(written)
    })
}

impl Pipe {
    /// Puts what was read and could not be written back in front of everything.
    fn put_back(&self, data: Collected, written: &Result<usize>) {
        // By what the writer says: some take less than they copy, and some count what they do not copy.
        let Collected { page, end, .. } = data;
        let start = *written.as_ref().unwrap_or(&0);
        if start < end {
            let mut ring = self.ring.lock();
            ring.put_back(Piece { page, start, end, packet: false });
            self.finish(ring, true);
        }
    }

    /// Waits for a free page.
    fn wait_for_room(&self, nonblocking: bool) -> Result<()> {
        use core::sync::atomic::Ordering::SeqCst;
        if !self.has_readers() {
            return Err(Errno::EPIPE);
        }
        let ready = || (self.writable.load(SeqCst) || !self.has_readers()).then_some(());
        if ready().is_none() {
            if nonblocking {
                return Err(Errno::EAGAIN);
            }
            self.writable_queue.wait_map_exclusive(Sleep::Interruptible, None, ready)?;
        }
        if self.has_readers() { Ok(()) } else { Err(Errno::EPIPE) }
    }

    /// Waits for something to read. False: nothing will come.
    fn wait_for_data(&self, nonblocking: bool) -> Result<bool> {
        use core::sync::atomic::Ordering::SeqCst;
        let ready = || (self.filled.load(SeqCst) || !self.has_writers()).then_some(());
        if ready().is_none() {
            if nonblocking {
                return Err(Errno::EAGAIN);
            }
            self.readable_queue.wait_map_exclusive(Sleep::Interruptible, None, ready)?;
        }
        Ok(self.filled.load(SeqCst))
    }
}
