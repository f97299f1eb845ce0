//! `devtmpfs`: the tree of device nodes that the kernel keeps.
//!
//! It is a tmpfs of which there is one instance, whatever the number of mounts; the kernel works on
//! it through a mount of its own. Programs may change it like any other directory.

use alloc::sync::Arc;

use errno::{Errno, Result};
use sync::Once;

use crate::caller::{Caller, Start};
use crate::context::FsContext;
use crate::credentials::Credentials;
use crate::inode::NodeKind;
use crate::namespace::MountNamespace;
use crate::stat::DeviceNumber;
use crate::superblock::{FileSystemType, MountRequest, Superblock};
use crate::tmpfs;

/// `devtmpfs`.
pub static DEVTMPFS: FileSystemType =
    FileSystemType { name: "devtmpfs", nodev: true, mount: mount_devtmpfs };

/// The instance and the kernel's way into it.
struct Tree {
    superblock: Arc<Superblock>,
    fs: Arc<FsContext>,
    credentials: Arc<Credentials>,
}

fn tree() -> Result<&'static Tree> {
    static TREE: Once<Tree> = Once::new();
    loop {
        if let Some(tree) = TREE.get() {
            return Ok(tree);
        }
        let superblock = tmpfs::new("devtmpfs", b"mode=755,size=0,nr_inodes=0")?;
        let fs = FsContext::new(MountNamespace::new(superblock.clone(), "devtmpfs"));
        // Nodes get exactly the modes that drivers ask for.
        fs.set_umask(0);
        let _ = TREE.set(Tree { superblock, fs, credentials: Credentials::root() });
    }
}

impl Tree {
    fn caller(&self) -> Caller<'_> {
        Caller { fs: &self.fs, credentials: &self.credentials }
    }
}

/// There is one instance: options are those of a tmpfs, and change it.
fn mount_devtmpfs(request: &MountRequest<'_>) -> Result<Arc<Superblock>> {
    let superblock = superblock()?;
    superblock.file_system().remount(request.options)?;
    Ok(superblock)
}

/// The instance, to mount it from the kernel.
///
/// # Errors
/// ENOMEM.
pub fn superblock() -> Result<Arc<Superblock>> {
    Ok(tree()?.superblock.clone())
}

/// Makes the node of a character device, and the directories on the way to it. `name` has no
/// leading slash. May sleep.
///
/// # Errors
/// EEXIST; ENOMEM.
pub fn create_node(name: &[u8], device: DeviceNumber, mode: u32) -> Result<()> {
    let caller = tree()?.caller();
    make_directories(&caller, name)?;
    caller.make_node(&Start::Cwd, name, NodeKind::CharDevice(device), mode)
}

/// Makes a directory, for something to be mounted on.
///
/// # Errors
/// As [`create_node`].
pub fn create_directory(name: &[u8]) -> Result<()> {
    let caller = tree()?.caller();
    make_directories(&caller, name)?;
    caller.make_directory(&Start::Cwd, name, 0o755)
}

fn make_directories(caller: &Caller<'_>, name: &[u8]) -> Result<()> {
    for end in name.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(at, _)| at) {
        match caller.make_directory(&Start::Cwd, &name[..end], 0o755) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
