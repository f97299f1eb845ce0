//! The file system `mqueue`, and opening queues by name.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{
    Caller, File, FileSystem, FileSystemType, Inode, Mount, MountRequest, NAME_MAX, OpenFlags,
    OpenOptions, Path, Start, StatFs, Superblock,
};
use sync::Once;

use super::limits::Attributes;
use super::root::Root;

/// `MQUEUE_MAGIC`
const MAGIC: u32 = 0x1980_0202;

static MQUEUE: FileSystemType = FileSystemType { name: "mqueue", nodev: true, mount };

/// Makes the file system known to `mount`. Once, when there are processes.
///
/// # Errors
/// EBUSY: called twice.
pub fn init() -> Result<()> {
    fs::register_filesystem(&MQUEUE)
}

struct MessageQueues(Arc<Root>);

impl FileSystem for MessageQueues {
    fn root(&self) -> Arc<dyn Inode> {
        self.0.clone()
    }

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs { magic: MAGIC, block_size: memory::PAGE_SIZE as u32, ..StatFs::default() })
    }
}

/// The one instance, whatever the number of mounts, and the mount by which `mq_open` finds names.
fn instance() -> &'static (Arc<Root>, Arc<Mount>) {
    static INSTANCE: Once<(Arc<Root>, Arc<Mount>)> = Once::new();
    loop {
        if let Some(instance) = INSTANCE.get() {
            return instance;
        }
        let root = Root::new();
        let superblock = Superblock::new(MQUEUE.name, Arc::new(MessageQueues(root.clone())));
        // If another task is faster, its queues count.
        let _ = INSTANCE.set((root, Mount::internal(superblock)));
    }
}

fn mount(request: &MountRequest<'_>) -> Result<Arc<Superblock>> {
    request.refuse_options()?;
    Ok(instance().1.superblock().clone())
}

/// Where names are looked for.
///
/// # Errors
/// ENOENT, EACCES, ENAMETOOLONG: it is no name of a queue.
fn start(name: &[u8]) -> Result<Start> {
    match name {
        b"" => return Err(Errno::ENOENT),
        b"." | b".." => return Err(Errno::EACCES),
        _ if name.contains(&b'/') => return Err(Errno::EACCES),
        _ if name.len() > NAME_MAX => return Err(Errno::ENAMETOOLONG),
        _ => {}
    }
    let mount = &instance().1;
    Ok(Start::At(Path::new(mount.clone(), mount.root().clone())))
}

/// Opens a queue, and makes it first if the flags say so, as large as `attributes` say; that
/// these are wrong matters only then. Flags that mean nothing here are passed over.
///
/// # Errors
/// ENOENT, EEXIST, EACCES, EINVAL (neither reading nor writing nor both), ENAMETOOLONG, ENOSPC, EMFILE, ENFILE, ENOMEM.
pub fn open(
    caller: &Caller<'_>,
    name: &[u8],
    options: OpenOptions,
    attributes: Option<Result<Attributes>>,
) -> Result<Arc<File>> {
    const KNOWN: OpenFlags = OpenFlags::CREAT.union(OpenFlags::EXCL).union(OpenFlags::NONBLOCK);
    let access = options.flags.bits() & OpenFlags::ACCESS_MODE;
    if access == OpenFlags::ACCESS_MODE {
        return Err(Errno::EINVAL);
    }
    let flags = OpenFlags::from_bits_retain(options.flags.bits() & KNOWN.bits() | access);
    let attributes = attributes.unwrap_or_else(|| Ok(Attributes::of_default()));
    let root = &instance().0;
    caller.open_with(&start(name)?, name, OpenOptions { flags, ..options }, &|_, name, node| {
        root.make(name, node, attributes?)
    })
}

/// Takes a queue's name away; the queue goes when nobody has it open any more.
///
/// # Errors
/// ENOENT, EACCES, EPERM (another's, in a directory in which that is not allowed), ENAMETOOLONG.
pub fn unlink(caller: &Caller<'_>, name: &[u8]) -> Result<()> {
    caller.unlink(&start(name)?, name)
}
