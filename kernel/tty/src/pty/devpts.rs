//! devpts: the directory of slaves, `/dev/pts`.

use alloc::format;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use errno::{Errno, Result};
use fs::{
    DirectorySink, File, FileOperations, FileSystem, FileSystemType, FileType, Inode, MountRequest,
    OpenFlags, Owner, SetAttributes, Stat, StatFs, Superblock, emit_dots,
};
use sync::Once;

use super::pair::{self, Pair};

/// `DEVPTS_SUPER_MAGIC`
const MAGIC: u32 = 0x1cd1;
/// The root's inode number; slave N has this plus N plus 2, as in Linux.
const ROOT_INODE: u64 = 1;
const FIRST_SLAVE_INODE: u64 = 3;
/// No group was given: a new slave takes its opener's.
const OWN_GROUP: u32 = u32::MAX;

/// How `mount` finds it.
pub(super) static DEVPTS: FileSystemType = FileSystemType { name: "devpts", nodev: true, mount };

/// What new slaves get, by the options `mode` and `gid` of the last mount.
static MODE: AtomicU32 = AtomicU32::new(0o600);
static GROUP: AtomicU32 = AtomicU32::new(OWN_GROUP);

/// There is one instance, whatever the number of mounts.
fn mount(request: &MountRequest<'_>) -> Result<Arc<Superblock>> {
    static SUPERBLOCK: Once<Arc<Superblock>> = Once::new();
    take_options(request.options)?;
    loop {
        if let Some(superblock) = SUPERBLOCK.get() {
            return Ok(superblock.clone());
        }
        let instance = Arc::new(DevPts { device: fs::anonymous_device(), born: time::realtime() });
        let _ = SUPERBLOCK.set(Superblock::new(DEVPTS.name, instance));
    }
}

fn take_options(options: &[u8]) -> Result<()> {
    for (name, value) in fs::parse_options(options) {
        let value = value.and_then(|value| core::str::from_utf8(value).ok()).unwrap_or_default();
        match name {
            b"mode" => {
                let mode = u32::from_str_radix(value, 8).map_err(|_| Errno::EINVAL)?;
                MODE.store(mode & 0o777, Ordering::Relaxed);
            }
            b"gid" => GROUP.store(value.parse().map_err(|_| Errno::EINVAL)?, Ordering::Relaxed),
            // There is no ptmx node in here, and no other instance.
            b"ptmxmode" | b"newinstance" | b"max" | b"uid" => {}
            _ => return Err(Errno::EINVAL),
        }
    }
    Ok(())
}

/// Whose a slave is that the running task is about to make.
pub(super) fn owner_for_caller() -> Owner {
    let credentials = process::credentials();
    let gid = match GROUP.load(Ordering::Relaxed) {
        OWN_GROUP => credentials.fsgid,
        group => group,
    };
    Owner { uid: credentials.fsuid, gid, permissions: MODE.load(Ordering::Relaxed) }
}

struct DevPts {
    device: fs::DeviceNumber,
    born: u64,
}

impl FileSystem for DevPts {
    fn root(&self) -> Arc<dyn Inode> {
        Arc::new(Root { device: self.device, born: self.born })
    }

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs { magic: MAGIC, block_size: 4096, ..StatFs::default() })
    }

    fn show_options(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match GROUP.load(Ordering::Relaxed) {
            OWN_GROUP => {}
            group => write!(out, ",gid={group}")?,
        }
        write!(out, ",mode={:03o}", MODE.load(Ordering::Relaxed))
    }

    fn remount(&self, options: &[u8]) -> Result<()> {
        take_options(options)
    }
}

#[derive(Clone, Copy)]
struct Root {
    device: fs::DeviceNumber,
    born: u64,
}

impl Inode for Root {
    fn file_type(&self) -> FileType {
        FileType::Directory
    }

    fn stat(&self) -> Result<Stat> {
        let mut stat = Stat::new(FileType::Directory, 0o755, ROOT_INODE);
        stat.device = self.device;
        (stat.accessed, stat.modified, stat.changed) = (self.born, self.born, self.born);
        Ok(stat)
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let text = core::str::from_utf8(name).map_err(|_| Errno::ENOENT)?;
        let index: usize = text.parse().map_err(|_| Errno::ENOENT)?;
        let (pair, _) = pair::find(index).ok_or(Errno::ENOENT)?;
        // "007" and "+7" are not names of slave 7.
        if format!("{index}") != text {
            return Err(Errno::ENOENT);
        }
        Ok(Arc::new(SlaveNode { pair, device: self.device, born: time::realtime() }))
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        Ok(Arc::new(OpenRoot))
    }
}

struct OpenRoot;

impl FileOperations for OpenRoot {
    fn read_directory(
        &self,
        file: &File,
        position: &mut u64,
        to: &mut dyn DirectorySink,
    ) -> Result<()> {
        if !emit_dots(file, position, to)? {
            return Ok(());
        }
        // Behind the dots, a slave's position is its index.
        while let Some(pair) = pair::next_from(*position as usize - 2) {
            let next = pair.index() as u64 + 3;
            let name = format!("{}", pair.index());
            if !to.entry(name.as_bytes(), inode_of(&pair), FileType::CharDevice, next) {
                break;
            }
            *position = next;
        }
        Ok(())
    }
}

fn inode_of(pair: &Pair) -> u64 {
    FIRST_SLAVE_INODE + pair.index() as u64
}

/// The node of a slave.
struct SlaveNode {
    pair: Arc<Pair>,
    device: fs::DeviceNumber,
    born: u64,
}

impl Inode for SlaveNode {
    fn file_type(&self) -> FileType {
        FileType::CharDevice
    }

    fn stat(&self) -> Result<Stat> {
        let owner = *self.pair.owner.lock();
        let mut stat = Stat::new(FileType::CharDevice, owner.permissions, inode_of(&self.pair));
        stat.device = self.device;
        stat.represents = pair::number_of(self.pair.index());
        (stat.accessed, stat.modified, stat.changed) = (self.born, self.born, self.born);
        Ok(stat.owned_by(owner))
    }

    fn set_attributes(&self, set: &SetAttributes) -> Result<()> {
        self.pair.owner.lock().set(set);
        Ok(())
    }

    fn is_current(&self) -> bool {
        pair::find(self.pair.index()).is_some_and(|(pair, _)| Arc::ptr_eq(&pair, &self.pair))
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        pair::open_slave(pair::number_of(self.pair.index()), flags)
    }
}
