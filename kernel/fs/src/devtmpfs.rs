//! `devtmpfs`: the tree of device nodes that the kernel keeps.
//!
//! It is a tmpfs of which there is one instance, whatever the number of mounts. The kernel's [`Keeper`] works on it through a
//! mount of its own; programs may change it like any other directory. What the keeper has made it knows by a mark on the
//! inode, and it removes nothing else: a name that leads to another node by now is a program's affair.

use alloc::sync::Arc;

use errno::{Errno, Result};
use sync::Once;

use crate::attributes::SetAttributes;
use crate::caller::{Caller, Start};
use crate::context::FsContext;
use crate::credentials::Credentials;
use crate::inode::{Inode, NewNode, NodeKind};
use crate::namespace::MountNamespace;
use crate::stat::DeviceNumber;
use crate::superblock::{FileSystemType, MountRequest, Superblock};
use crate::tmpfs::{self, Node};

/// `devtmpfs`.
pub static DEVTMPFS: FileSystemType =
    FileSystemType { name: "devtmpfs", nodev: true, mount: mount_devtmpfs };

/// The directories that the keeper makes.
const DIRECTORY_MODE: u32 = 0o755;

/// The instance, to mount it from the kernel.
///
/// # Errors
/// ENOMEM.
pub fn superblock() -> Result<Arc<Superblock>> {
    static SUPERBLOCK: Once<Arc<Superblock>> = Once::new();
    loop {
        if let Some(superblock) = SUPERBLOCK.get() {
            return Ok(superblock.clone());
        }
        // If another task is faster, its instance counts.
        let _ = SUPERBLOCK.set(tmpfs::new("devtmpfs", b"mode=755,size=0,nr_inodes=0")?);
    }
}

/// There is one instance: options are those of a tmpfs, and change it.
fn mount_devtmpfs(request: &MountRequest<'_>) -> Result<Arc<Superblock>> {
    let superblock = superblock()?;
    superblock.file_system().remount(request.options)?;
    Ok(superblock)
}

/// A node for a character device.
#[derive(Clone, Copy, Debug)]
pub struct DeviceNode<'a> {
    /// Where it is to be, without a leading slash.
    pub path: &'a [u8],
    /// What it opens.
    pub device: DeviceNumber,
    /// Its permission bits.
    pub permissions: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// Who makes and removes the kernel's nodes: root, with a mount in a namespace of its own, so that
/// nothing that programs mount is in the way.
pub struct Keeper {
    fs: Arc<FsContext>,
    credentials: Arc<Credentials>,
}

impl Keeper {
    /// A keeper with a mount of its own.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new() -> Result<Self> {
        let fs = FsContext::new(MountNamespace::new(superblock()?, "devtmpfs"));
        Ok(Self { fs, credentials: Credentials::root() })
    }

    /// Where it works.
    pub fn fs(&self) -> &Arc<FsContext> {
        &self.fs
    }

    fn caller(&self) -> Caller<'_> {
        Caller { fs: &self.fs, credentials: &self.credentials }
    }

    /// Makes a node, and the directories on the way to it. May sleep.
    ///
    /// # Errors
    /// EEXIST: the name is taken. ENOTDIR: that of a directory on the way is. ENOSPC, ENOMEM.
    pub fn create(&self, node: &DeviceNode<'_>) -> Result<()> {
        match self.make_node(node) {
            Err(Errno::ENOENT) => {
                let made = self.make_directories(node.path).and_then(|()| self.make_node(node));
                if made.is_err() {
                    self.remove_directories(node.path);
                }
                made
            }
            outcome => outcome,
        }
    }

    fn make_node(&self, node: &DeviceNode<'_>) -> Result<()> {
        let kind = NodeKind::CharDevice(node.device);
        self.make(node.path, kind, node.permissions, (node.uid, node.gid))
    }

    /// Makes what is missing of the directories that lead to a path.
    fn make_directories(&self, path: &[u8]) -> Result<()> {
        for end in path.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(at, _)| at) {
            match self.make(&path[..end], NodeKind::Directory, DIRECTORY_MODE, (0, 0)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes something with its mark, its owner and its mode, before anybody can find it.
    fn make(
        &self,
        path: &[u8],
        kind: NodeKind<'_>,
        permissions: u32,
        (uid, gid): (u32, u32),
    ) -> Result<()> {
        let caller = self.caller();
        caller.make_with(&Start::Cwd, path, kind, permissions, &|directory, name, node| {
            let inode = directory.create(name, &NewNode { uid, gid, permissions, ..*node })?;
            // The directory's names are locked: no program has seen it yet.
            if let Some(made) = inode.downcast::<Node>() {
                made.set_kept();
            }
            Ok(inode)
        })
    }

    /// Removes a node that the keeper has made for this device, and the directories of its own that are empty then. Nothing
    /// happens if the name leads to something else. May sleep.
    ///
    /// # Errors
    /// ENOENT: the name is not there. EISDIR: a directory has it. EBUSY: something is mounted on it.
    pub fn remove(&self, path: &[u8], device: DeviceNumber) -> Result<()> {
        let caller = self.caller();
        let removed = caller.unlink_if(&Start::Cwd, path, |inode| {
            let stat = inode.stat()?;
            let is_ours = is_kept(inode)
                && stat.file_type == crate::FileType::CharDevice
                && stat.represents == device;
            if is_ours {
                // Other names that programs have given it are of no use to anybody from now on.
                let set = SetAttributes {
                    permissions: Some(stat.permissions & !0o777),
                    uid: Some(0),
                    gid: Some(0),
                    ..SetAttributes::default()
                };
                inode.set_attributes(&set)?;
            }
            Ok(is_ours)
        })?;
        if removed {
            self.remove_directories(path);
        }
        Ok(())
    }

    /// Removes the directories that lead to a path, the last one first, up to the first that is in use or a program's.
    fn remove_directories(&self, path: &[u8]) {
        let caller = self.caller();
        let ends = path.iter().enumerate().rev().filter(|&(_, &byte)| byte == b'/');
        for end in ends.map(|(at, _)| at) {
            match caller.remove_directory_if(&Start::Cwd, &path[..end], is_kept) {
                Ok(true) | Err(Errno::ENOENT) => {}
                _ => return,
            }
        }
    }
}

fn is_kept(inode: &Arc<dyn Inode>) -> bool {
    inode.downcast::<Node>().is_some_and(|node| node.is_kept())
}
