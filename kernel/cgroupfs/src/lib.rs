//! `cgroup2`: control groups as directories, what is known of them as files.
//!
//! There is one tree, whatever the number of mounts:
//!
//! | file | idea |
//! |---|---|
//! | `directory` | a group's directory: `mkdir` makes a group, `rmdir` removes it |
//! | `file` | a file in it, and one that is open |
//! | `contents` | what each file shows and takes |
//! | `options` | what `mount` may be told |
//!
//! See `docs/cgroups.md`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod contents;
mod directory;
mod file;
mod options;

use alloc::sync::Arc;
use core::fmt;

use cgroup::Cgroup;
use errno::{Errno, Result};
use fs::{File, FileSystem, FileSystemType, Inode, MountRequest, StatFs, Superblock};
use kernfs::Tree;
use sync::Once;

use crate::directory::Directory;
use crate::options::Options;

/// `CGROUP2_SUPER_MAGIC`
const MAGIC: u32 = 0x6367_7270;

static CGROUP2: FileSystemType = FileSystemType { name: "cgroup2", nodev: true, mount };

/// Makes the file system known to `mount`. Once, when there are processes.
///
/// # Errors
/// EBUSY: called twice.
pub fn init() -> Result<()> {
    fs::register_filesystem(&CGROUP2)
}

fn mount(request: &MountRequest<'_>) -> Result<Arc<Superblock>> {
    static SUPERBLOCK: Once<Arc<Superblock>> = Once::new();
    let options = Options::parse(request.options)?;
    loop {
        if let Some(superblock) = SUPERBLOCK.get() {
            options.keep();
            return Ok(superblock.clone());
        }
        let root = Directory::new(&Tree::new(1), cgroup::root())?;
        // If another task is faster, its tree counts.
        let _ = SUPERBLOCK.set(Superblock::new(CGROUP2.name, Arc::new(CgroupFs(root))));
    }
}

struct CgroupFs(Arc<Directory>);

impl FileSystem for CgroupFs {
    fn root(&self) -> Arc<dyn Inode> {
        self.0.clone()
    }

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs { magic: MAGIC, block_size: memory::PAGE_SIZE as u32, ..StatFs::default() })
    }

    fn show_options(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        Options::kept().show(out)
    }

    fn remount(&self, options: &[u8]) -> Result<()> {
        Options::parse(options)?.keep();
        Ok(())
    }
}

/// The group whose directory is open in a file.
///
/// # Errors
/// EBADF: it is not the directory of a group. ENOENT: the group was removed.
pub fn group_of(file: &File) -> Result<Arc<Cgroup>> {
    let directory: Arc<Directory> = file.inode().downcast().ok_or(Errno::EBADF)?;
    let group = directory.group();
    if group.is_online() { Ok(group.clone()) } else { Err(Errno::ENOENT) }
}
