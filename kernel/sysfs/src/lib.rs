//! `/sys`: the machine's parts as directories, their properties as files with one value each.
//!
//! There is one tree, whatever the number of mounts. Each part of the kernel adds its own branch
//! below [`root`]:
//!
//! ```ignore
//!   let queue = sysfs::root().subdirectory("devices/virtual/workqueue")?;
//!   queue.add_file("cpumask", Attribute::shown(show_mask).store(set_mask))?;
//! ```
//!
//! This crate adds what is true of every machine: its CPUs (`cpu`) and its memory nodes
//! (`node`); its workqueues (`workqueue`); where large pages are welcome (`large_pages`); and how often this kernel has gone wrong (`kernel`).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod cpu;
mod kernel;
mod large_pages;
mod mask;
mod node;
mod workqueue;

use alloc::sync::Arc;

use errno::Result;
use fs::{FileSystem, FileSystemType, Inode, MountRequest, StatFs, Superblock};
use kernfs::{Directory, Tree};
use sync::Once;

pub use mask::BitMask;

/// `SYSFS_MAGIC`
const MAGIC: u32 = 0x6265_6572;

static SYSFS: FileSystemType = FileSystemType { name: "sysfs", nodev: true, mount };

static ROOT: Once<Arc<Directory>> = Once::new();

/// The root directory. Whoever comes first makes it.
pub fn root() -> &'static Arc<Directory> {
    loop {
        if let Some(root) = ROOT.get() {
            return root;
        }
        // If another task is faster, its directory counts.
        let _ = ROOT.set(Directory::new(&Tree::new(1)));
    }
}

/// Fills in what every machine has, and makes the file system known to `mount`. Once, when all CPUs
/// are numbered.
///
/// # Errors
/// EBUSY, EEXIST: called twice. ENOMEM.
pub fn init() -> Result<()> {
    cpu::register(&root().subdirectory("devices/system/cpu")?)?;
    node::register(&root().subdirectory("devices/system/node")?)?;
    kernel::register(&root().subdirectory("kernel")?)?;
    large_pages::register(&root().subdirectory("kernel/mm/transparent_hugepage")?)?;
    workqueue::register()?;
    // Where other parts of the kernel, and programs, expect to find directories.
    for path in ["kernel/debug", "kernel/tracing", "fs/cgroup", "class", "bus", "dev", "module"] {
        root().subdirectory(path)?;
    }
    fs::register_filesystem(&SYSFS)
}

fn mount(request: &MountRequest<'_>) -> Result<Arc<Superblock>> {
    request.refuse_options()?;
    static SUPERBLOCK: Once<Arc<Superblock>> = Once::new();
    loop {
        if let Some(superblock) = SUPERBLOCK.get() {
            return Ok(superblock.clone());
        }
        let _ = SUPERBLOCK.set(Superblock::new(SYSFS.name, Arc::new(SysFs)));
    }
}

struct SysFs;

impl FileSystem for SysFs {
    fn root(&self) -> Arc<dyn Inode> {
        root().clone()
    }

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs { magic: MAGIC, block_size: memory::PAGE_SIZE as u32, ..StatFs::default() })
    }
}
