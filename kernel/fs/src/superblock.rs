//! File systems: the kinds that are known, and the instances that are mounted.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use errno::{Errno, Result};
use sync::{LockClass, SpinLock};

use crate::credentials::Credentials;
use crate::dentry::Dentry;
use crate::inode::Inode;
use crate::stat::{DeviceNumber, StatFs};

/// A leaf lock.
static REGISTRY_LOCK: LockClass = LockClass::new("fs.registry");

/// An instance of a file system.
pub trait FileSystem: Any + Send + Sync {
    /// Its root directory.
    fn root(&self) -> Arc<dyn Inode>;

    /// Its size and what is free.
    fn statfs(&self) -> Result<StatFs>;

    /// Writes its options as `/proc/mounts` shows them, each with a comma before it.
    fn show_options(&self, _out: &mut dyn fmt::Write) -> fmt::Result {
        Ok(())
    }

    /// Whether a name that is not there is ENOENT also to who would make it: all names are the file
    /// system's own, as in procfs.
    fn has_own_names_only(&self) -> bool {
        false
    }

    /// Changes its options.
    fn remount(&self, _options: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// A file system as the mounts of it share it: the instance and the tree of names that have been
/// looked up.
pub struct Superblock {
    file_system: Arc<dyn FileSystem>,
    kind: &'static str,
    root: Arc<Dentry>,
    /// Mounts of it. The first one makes the dentry cache keep names, and the end of the last one
    /// empties it.
    mounts: AtomicU32,
    /// One rename of a directory at a time, so that what was seen of the tree's shape stays true.
    pub(crate) rename: sched::Mutex<()>,
}

/// Taken before any lock of a file system.
static RENAME_LOCK: LockClass = LockClass::new("fs.rename");

impl Superblock {
    /// Wraps an instance. `kind` is the name of its type.
    pub fn new(kind: &'static str, file_system: Arc<dyn FileSystem>) -> Arc<Self> {
        let root = Dentry::root(file_system.root());
        Arc::new(Self {
            file_system,
            kind,
            root,
            mounts: AtomicU32::new(0),
            rename: sched::Mutex::new(&RENAME_LOCK, ()),
        })
    }

    /// The instance.
    pub fn file_system(&self) -> &Arc<dyn FileSystem> {
        &self.file_system
    }

    /// The name of its type.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The root of its names.
    pub fn root(&self) -> &Arc<Dentry> {
        &self.root
    }

    /// Whether it is mounted somewhere.
    pub fn is_mounted(&self) -> bool {
        self.mounts.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn add_mount(&self) {
        self.mounts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove_mount(&self) {
        if self.mounts.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.root.uncache_descendants();
        }
    }
}

/// What `mount` was asked for.
#[derive(Clone, Copy, Debug)]
pub struct MountRequest<'a> {
    /// The first argument: a device, or any text.
    pub source: &'a [u8],
    /// The options, a list with commas.
    pub options: &'a [u8],
    /// Who mounts.
    pub credentials: &'a Credentials,
}

impl<'a> MountRequest<'a> {
    /// The options one by one: name, and value if there is an equals sign.
    pub fn options(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        parse_options(self.options)
    }

    /// For a file system that knows no options.
    ///
    /// # Errors
    /// EINVAL: there is one.
    pub fn refuse_options(&self) -> Result<()> {
        if self.options().next().is_some() { Err(Errno::EINVAL) } else { Ok(()) }
    }
}

/// Takes a list of options apart: name, and value if there is an equals sign.
pub fn parse_options(options: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    options.split(|&byte| byte == b',').filter(|option| !option.is_empty()).map(|option| {
        match option.iter().position(|&byte| byte == b'=') {
            Some(place) => (&option[..place], Some(&option[place + 1..])),
            None => (option, None),
        }
    })
}

/// A kind of file system.
#[derive(Debug)]
pub struct FileSystemType {
    /// Its name, as `mount -t` takes it.
    pub name: &'static str,
    /// It needs no device (`nodev` in `/proc/filesystems`).
    pub nodev: bool,
    /// Makes an instance, or gives the one that there is.
    pub mount: fn(&MountRequest<'_>) -> Result<Arc<Superblock>>,
}

static TYPES: SpinLock<Vec<&'static FileSystemType>> = SpinLock::new(&REGISTRY_LOCK, Vec::new());

/// Makes a kind of file system known.
///
/// # Errors
/// EBUSY: there is one of that name.
pub fn register_filesystem(kind: &'static FileSystemType) -> Result<()> {
    let mut types = TYPES.lock();
    if types.iter().any(|other| other.name == kind.name) {
        return Err(Errno::EBUSY);
    }
    types.push(kind);
    Ok(())
}

/// The kind with this name.
///
/// # Errors
/// ENODEV: there is none.
pub fn filesystem_type(name: &[u8]) -> Result<&'static FileSystemType> {
    TYPES.lock().iter().copied().find(|kind| kind.name.as_bytes() == name).ok_or(Errno::ENODEV)
}

/// All known kinds, in the order of registration, for `/proc/filesystems`.
pub fn filesystem_types() -> Box<[&'static FileSystemType]> {
    TYPES.lock().as_slice().into()
}

/// A device number for a file system without a device (major 0).
pub fn anonymous_device() -> DeviceNumber {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    DeviceNumber::new(0, NEXT.fetch_add(1, Ordering::Relaxed))
}
