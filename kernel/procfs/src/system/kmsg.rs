//! `kmsg`: the kernel log as a stream of lines. A reader who has read all waits for more.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use errno::Result;
use fs::{
    Capabilities, File, FileOperations, FileType, Inode, OpenFlags, PollEvents, PollTable, Sink,
    Stat,
};
use kernfs::Tree;

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
        Ok(Arc::new(Reader { next: AtomicU64::new(klog::first_sequence()) }))
    }
}

struct Reader {
    /// The record to be read next.
    next: AtomicU64,
}

impl FileOperations for Reader {
    fn read(&self, file: &File, to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        kmsg::wait_for_news(self.next.load(Ordering::Relaxed), file.is_nonblocking())?;
        let mut moved = 0;
        while to.remaining() > 0
            && let Some(record) = klog::read(self.next.load(Ordering::Relaxed))
        {
            let line = kmsg::format_record(&record);
            if line.len() > to.remaining() && moved > 0 {
                break;
            }
            moved += to.put(line.as_bytes())?;
            self.next.store(record.sequence + 1, Ordering::Relaxed);
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
        kmsg::poll_for_news(self.next.load(Ordering::Relaxed), table)
    }
}
