//! `kmsg`: the kernel log as a stream. Each record is read once per open file, by `<level>[time] text` lines; a reader who
//! has read all waits for more.

use alloc::sync::Arc;
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering};

use errno::{Errno, Result};
use fs::{
    Capabilities, File, FileOperations, FileType, Inode, OpenFlags, PollEvents, PollTable, Sink,
    Stat,
};
use kernfs::{Text, Tree};
use sched::Sleep;

/// The inode number; registered files have higher ones.
const INODE: u64 = 4;

/// The file's inode.
pub(super) fn inode(tree: &Arc<Tree>) -> Arc<dyn Inode> {
    Arc::new(Kmsg { tree: tree.clone() })
}

struct Kmsg {
    tree: Arc<Tree>,
}

impl Inode for Kmsg {
    fn file_type(&self) -> FileType {
        FileType::Regular
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.tree.stat(FileType::Regular, 0o400, INODE))
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        process::credentials().require(Capabilities::SYSLOG)?;
        Ok(Arc::new(OpenKmsg { next: AtomicU64::new(klog::first_sequence()) }))
    }
}

struct OpenKmsg {
    /// The record to be read next.
    next: AtomicU64,
}

impl OpenKmsg {
    fn has_news(&self) -> bool {
        klog::next_sequence() > self.next.load(Ordering::Relaxed)
    }
}

impl FileOperations for OpenKmsg {
    fn read(&self, file: &File, to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        if !self.has_news() {
            if file.is_nonblocking() {
                return Err(Errno::EAGAIN);
            }
            let news = fs::device::log_readers();
            news.wait_map(Sleep::Interruptible, None, || self.has_news().then_some(()))?;
        }
        let mut moved = 0;
        while let Some(record) = klog::read(self.next.load(Ordering::Relaxed)) {
            let mut line = Text::new();
            writeln!(line, "<{}>{record}", record.level)?;
            let line = line.into_bytes()?;
            if line.len() > to.remaining() && moved > 0 {
                break;
            }
            moved += to.put(&line)?;
            self.next.store(record.sequence + 1, Ordering::Relaxed);
            if to.remaining() == 0 {
                break;
            }
        }
        Ok(moved)
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn poll(&self, _file: &File, table: &mut PollTable<'_>) -> PollEvents {
        table.add(fs::device::log_readers());
        if self.has_news() { PollEvents::READABLE } else { PollEvents::empty() }
    }
}
