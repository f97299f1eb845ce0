//! `trace_pipe`: records that are gone once they are read.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::Write;

use errno::{Errno, Result};
use fs::{File, FileOperations, FileType, Inode, OpenFlags, Sink, Stat};
use kernfs::Tree;
use sched::Mutex;
use trace::line::{Cursor, Entry};

/// Held while a reader takes records; nothing of the kernel's is taken inside but the rings.
static READ_LOCK: sync::LockClass = sync::LockClass::new("tracefs.pipe");

/// How often a reader that waits looks for records: whoever makes one may be in any context, and
/// wakes nobody.
const INTERVAL: u64 = 100 * time::MILLISECOND;

/// The file's node.
struct Pipe {
    tree: Arc<Tree>,
    number: u64,
}

pub(crate) fn node(tree: &Arc<Tree>) -> Arc<dyn Inode> {
    Arc::new(Pipe { tree: tree.clone(), number: tree.take_inode_number() })
}

impl Inode for Pipe {
    fn file_type(&self) -> FileType {
        FileType::Regular
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.tree.stat(FileType::Regular, 0o440, self.number))
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        Ok(Arc::new(OpenPipe { state: Mutex::new(&READ_LOCK, State::new()) }))
    }
}

/// What is left of a line that was read in part.
struct State {
    cursor: Cursor,
    line: String,
    done: usize,
    has_read: bool,
}

impl State {
    const fn new() -> Self {
        Self { cursor: Cursor::new(true), line: String::new(), done: 0, has_read: false }
    }

    /// Has a line at hand, if there is one.
    fn fetch(&mut self) -> Result<bool> {
        if self.done < self.line.len() {
            return Ok(true);
        }
        let mut entry = Entry::new();
        if !self.cursor.next(&mut entry) {
            return Ok(false);
        }
        self.line.clear();
        self.done = 0;
        self.has_read = true;
        writeln!(self.line, "{entry}").map_err(|_| Errno::ENOMEM)?;
        Ok(true)
    }
}

/// An open file.
struct OpenPipe {
    state: Mutex<State>,
}

impl OpenPipe {
    /// Copies what there is.
    fn take(&self, to: &mut dyn Sink) -> Result<usize> {
        let mut state = self.state.lock();
        let mut total = 0;
        while to.remaining() > 0 && state.fetch()? {
            let rest = &state.line.as_bytes()[state.done..];
            match to.put(rest) {
                Err(error) if total == 0 => return Err(error),
                Err(_) | Ok(0) => break,
                Ok(count) => {
                    total += count;
                    state.done += count;
                }
            }
        }
        Ok(total)
    }
}

impl FileOperations for OpenPipe {
    fn read(&self, file: &File, to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        loop {
            // Asked first: what is recorded before tracing ends is read before the end is.
            let goes_on = trace::is_on();
            let taken = self.take(to)?;
            if taken > 0 || to.remaining() == 0 {
                return Ok(taken);
            }
            // As on Linux: when tracing is off that is the end, for who has read something.
            if !goes_on && self.state.lock().has_read {
                return Ok(0);
            }
            if file.is_nonblocking() {
                return Err(Errno::EAGAIN);
            }
            sched::sleep_interruptible(time::monotonic() + INTERVAL)?;
        }
    }

    fn is_seekable(&self) -> bool {
        false
    }
}
