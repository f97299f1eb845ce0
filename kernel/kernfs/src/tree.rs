//! What the nodes of one file system share.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use fs::{DeviceNumber, FileType, Stat};

/// The device number of a file system, and its inode numbers.
#[derive(Debug)]
pub struct Tree {
    device: DeviceNumber,
    next_inode: AtomicU64,
    born: u64,
}

impl Tree {
    /// A new file system, whose registered nodes are numbered from `first_inode` on.
    pub fn new(first_inode: u64) -> Arc<Self> {
        Arc::new(Self {
            device: fs::anonymous_device(),
            next_inode: AtomicU64::new(first_inode),
            born: time::realtime(),
        })
    }

    /// The device number.
    pub fn device(&self) -> DeviceNumber {
        self.device
    }

    /// A number for a node that nobody else has.
    pub fn take_inode_number(&self) -> u64 {
        self.next_inode.fetch_add(1, Ordering::Relaxed)
    }

    /// The `stat` of a node of this file system: root's, of the file system's age.
    pub fn stat(&self, file_type: FileType, permissions: u32, inode: u64) -> Stat {
        let mut stat = Stat::new(file_type, permissions, inode);
        stat.device = self.device;
        stat.accessed = self.born;
        stat.modified = self.born;
        stat.changed = self.born;
        stat.created = self.born;
        stat
    }
}
