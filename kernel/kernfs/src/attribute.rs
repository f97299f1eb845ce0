//! Registered files.

use alloc::boxed::Box;
use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{FileOperations, FileType, Inode, OpenFlags, Owner, SetAttributes, Stat};
use sync::{LockClass, SpinLock};

use crate::snapshot::{Contents, Snapshot};
use crate::text::Text;
use crate::tree::Tree;

type Show = Box<dyn Fn(&mut Text) -> Result<()> + Send + Sync>;
type Store = Box<dyn Fn(&[u8]) -> Result<()> + Send + Sync>;
type Truncate = Box<dyn Fn() + Send + Sync>;

/// What a registered file shows and takes. Its functions are called by tasks holding no lock, and
/// may sleep.
///
/// ```ignore
///   Attribute::new()
///       .show(|text| Ok(writeln!(text, "{}", value())?))
///       .store(|bytes| set(parse_integer(bytes)?))
/// ```
#[derive(Default)]
pub struct Attribute {
    permissions: Option<u32>,
    show: Option<Show>,
    store: Option<Store>,
    truncate: Option<Truncate>,
    fixed_owner: bool,
}

impl Attribute {
    /// A file that can neither be read nor written.
    pub const fn new() -> Self {
        Self { permissions: None, show: None, store: None, truncate: None, fixed_owner: false }
    }

    /// A file that is only shown.
    pub fn shown(show: impl Fn(&mut Text) -> Result<()> + Send + Sync + 'static) -> Self {
        Self::new().show(show)
    }

    /// How it is read.
    #[must_use]
    pub fn show(mut self, show: impl Fn(&mut Text) -> Result<()> + Send + Sync + 'static) -> Self {
        self.show = Some(Box::new(show));
        self
    }

    /// How it is written. One call gets what one `write` brought.
    #[must_use]
    pub fn store(mut self, store: impl Fn(&[u8]) -> Result<()> + Send + Sync + 'static) -> Self {
        self.store = Some(Box::new(store));
        self
    }

    /// What cutting it to nothing does, as the shell's `>` does before it writes. Without this,
    /// nothing.
    #[must_use]
    pub fn truncate(mut self, truncate: impl Fn() + Send + Sync + 'static) -> Self {
        self.truncate = Some(Box::new(truncate));
        self
    }

    /// Its permission bits, where they are not 0444 for what is read and 0200 for what is written.
    #[must_use]
    pub fn permissions(mut self, permissions: u32) -> Self {
        self.permissions = Some(permissions);
        self
    }

    /// Its owner, group and permissions cannot be changed, as in `/proc/sys`.
    #[must_use]
    pub fn fixed_owner(mut self) -> Self {
        self.fixed_owner = true;
        self
    }
}

/// A leaf lock.
static OWNER_LOCK: LockClass = LockClass::new("kernfs.owner");

/// The inode of an attribute.
pub(crate) struct AttributeNode {
    tree: Arc<Tree>,
    number: u64,
    attribute: Arc<Attribute>,
    owner: SpinLock<Owner>,
}

impl AttributeNode {
    pub(crate) fn new(tree: &Arc<Tree>, attribute: Attribute) -> Self {
        let usual = if attribute.show.is_some() { 0o444 } else { 0 }
            | if attribute.store.is_some() { 0o200 } else { 0 };
        let permissions = attribute.permissions.unwrap_or(usual);
        Self {
            tree: tree.clone(),
            number: tree.take_inode_number(),
            attribute: Arc::new(attribute),
            owner: SpinLock::new(&OWNER_LOCK, Owner { uid: 0, gid: 0, permissions }),
        }
    }
}

impl Inode for AttributeNode {
    fn file_type(&self) -> FileType {
        FileType::Regular
    }

    fn stat(&self) -> Result<Stat> {
        let owner = *self.owner.lock();
        Ok(self.tree.stat(FileType::Regular, owner.permissions, self.number).owned_by(owner))
    }

    /// The shell's `>` truncates before it writes, which means nothing unless the file says so. Times
    /// stay as they are.
    fn set_attributes(&self, set: &SetAttributes) -> Result<()> {
        if set.sets_owner() && self.attribute.fixed_owner {
            return Err(Errno::EPERM);
        }
        self.owner.lock().set(set);
        if set.size == Some(0)
            && let Some(truncate) = &self.attribute.truncate
        {
            truncate();
        }
        Ok(())
    }

    /// What has no function for it cannot be opened for it, whatever the privileges.
    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        let missing_show = flags.readable() && self.attribute.show.is_none();
        let missing_store = flags.writable() && self.attribute.store.is_none();
        if missing_show || missing_store {
            return Err(Errno::EACCES);
        }
        Ok(Snapshot::new(self.attribute.clone()))
    }
}

impl Contents for Arc<Attribute> {
    fn show(&self, text: &mut Text) -> Result<()> {
        self.show.as_ref().ok_or(Errno::EINVAL)?(text)
    }

    fn store(&self, bytes: &[u8]) -> Result<()> {
        self.store.as_ref().ok_or(Errno::EINVAL)?(bytes)
    }
}
