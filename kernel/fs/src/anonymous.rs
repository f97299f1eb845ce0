//! Files that have no name: the inode and the place that such a file shows.

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use errno::{Errno, Result};
use sync::Once;

use crate::credentials::Credentials;
use crate::dentry::Dentry;
use crate::file::File;
use crate::flags::OpenFlags;
use crate::inode::Inode;
use crate::mount::Mount;
use crate::operations::FileOperations;
use crate::path::Path;
use crate::pipe::{Fifo, open_fifo};
use crate::stat::{DeviceNumber, FileType, Stat, StatFs};
use crate::superblock::{FileSystem, Superblock, anonymous_device};

/// `ANON_INODE_FS_MAGIC`.
const MAGIC: u32 = 0x0904_1934;

/// An inode that is reached by descriptors only.
struct AnonymousInode {
    stat: Stat,
    /// Of a pipe: what opens it again, by `/proc/PID/fd`.
    fifo: Option<Arc<Fifo>>,
}

impl Inode for AnonymousInode {
    fn file_type(&self) -> FileType {
        self.stat.file_type
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.stat)
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        match &self.fifo {
            Some(fifo) => open_fifo(fifo, flags),
            None => Err(Errno::ENXIO),
        }
    }
}

/// The file system that such inodes are shown to be of.
struct AnonymousFs;

impl FileSystem for AnonymousFs {
    fn root(&self) -> Arc<dyn Inode> {
        let stat = Stat::new(FileType::Directory, 0o500, 1);
        Arc::new(AnonymousInode { stat, fifo: None })
    }

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs { magic: MAGIC, block_size: memory::PAGE_SIZE as u32, ..Default::default() })
    }
}

/// The one mount, and its device number.
pub(crate) fn mount() -> &'static (Arc<Mount>, DeviceNumber) {
    static MOUNT: Once<(Arc<Mount>, DeviceNumber)> = Once::new();
    loop {
        if let Some(mount) = MOUNT.get() {
            return mount;
        }
        let superblock = Superblock::new("anon_inodefs", Arc::new(AnonymousFs));
        // Of two who come at once the first one's stays.
        let _ = MOUNT.set((Mount::internal(superblock), anonymous_device()));
    }
}

/// A place with an inode of its own. `fifo` opens it again, if it is a pipe. `shown` gets the inode's number and says how `/proc/PID/fd`
/// shows it.
pub(crate) fn path(
    file_type: FileType,
    credentials: &Credentials,
    fifo: Option<Arc<Fifo>>,
    shown: impl FnOnce(u64) -> String,
) -> Path {
    static NEXT: AtomicU64 = AtomicU64::new(2);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let (mount, device) = mount();
    let now = time::realtime();
    let stat = Stat {
        device: *device,
        uid: credentials.fsuid,
        gid: credentials.fsgid,
        accessed: now,
        modified: now,
        changed: now,
        created: now,
        ..Stat::new(file_type, 0o600, number)
    };
    let inode = Arc::new(AnonymousInode { stat, fifo });
    let dentry = Dentry::anonymous(inode, shown(number).as_bytes());
    Path::new(mount.clone(), dentry)
}

/// Opens something that has no name, shown as `anon_inode:[kind]`.
///
/// # Errors
/// ENFILE.
pub fn open(
    kind: &str,
    operations: Arc<dyn FileOperations>,
    flags: OpenFlags,
    credentials: &Arc<Credentials>,
) -> Result<Arc<File>> {
    let path =
        path(FileType::Regular, credentials, None, |_| alloc::format!("anon_inode:[{kind}]"));
    File::new(path, operations, flags, credentials)
}

/// A place that an inode without a name has; `shown` is what `/proc` shows for it.
pub fn place(inode: Arc<dyn Inode>, shown: &[u8]) -> Path {
    Path::new(mount().0.clone(), Dentry::anonymous(inode, shown))
}

/// The device number of inodes without a name.
pub fn device() -> DeviceNumber {
    mount().1
}

/// Opens something that has an inode of its own of this type and no name in a file system, such as a socket. `shown` says for
/// its number how `/proc/PID/fd` shows it.
///
/// # Errors
/// ENFILE.
pub fn open_as(
    file_type: FileType,
    shown: impl FnOnce(u64) -> String,
    operations: Arc<dyn FileOperations>,
    flags: OpenFlags,
    credentials: &Arc<Credentials>,
) -> Result<Arc<File>> {
    File::new(path(file_type, credentials, None, shown), operations, flags, credentials)
}
