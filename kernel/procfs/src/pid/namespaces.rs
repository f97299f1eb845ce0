//! `ns`: the namespaces that a task is in, as links that can be compared, opened and entered.

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::{DirectorySink, File, FileOperations, FileType, Inode, LinkTarget, OpenFlags, Path, Stat};
use kernfs::list_with_dots;
use process::{Namespace, Thread};

use super::subject::{Subject, may_inspect};

/// The index of the directory's inode below its process, and of its links' before the first.
const INODE: u64 = 4;
const LINK_INODES: u64 = 1 << 25;

/// The links.
static NAMES: [&str; 10] = [
    "cgroup",
    "ipc",
    "mnt",
    "net",
    "pid",
    "pid_for_children",
    "time",
    "time_for_children",
    "user",
    "uts",
];

/// The directory of a task's namespaces.
pub(super) fn directory(subject: Subject) -> Arc<dyn Inode> {
    Arc::new(Namespaces(subject))
}

struct Namespaces(Subject);

impl Inode for Namespaces {
    fn file_type(&self) -> FileType {
        FileType::Directory
    }

    fn stat(&self) -> Result<Stat> {
        self.0.stat(FileType::Directory, 0o511, INODE)
    }

    fn is_current(&self) -> bool {
        self.0.is_there()
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let index = NAMES.iter().position(|one| one.as_bytes() == name).ok_or(Errno::ENOENT)?;
        self.0.task().map_err(|_| Errno::ENOENT)?;
        Ok(Arc::new(Link { subject: self.0.clone(), index }))
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        Ok(Arc::new(OpenNamespaces(self.0.clone())))
    }
}

struct OpenNamespaces(Subject);

impl FileOperations for OpenNamespaces {
    /// Positions are places in the list.
    fn read_directory(
        &self,
        file: &File,
        position: &mut u64,
        to: &mut dyn DirectorySink,
    ) -> Result<()> {
        list_with_dots(file, position, to, |position, to| {
            for (name, index) in NAMES.iter().zip(1..).skip(*position as usize) {
                let inode = self.0.inode(LINK_INODES + index);
                if !to.entry(name.as_bytes(), inode, FileType::Symlink, index) {
                    break;
                }
                *position = index;
            }
            Ok(())
        })
    }
}

/// A link to a namespace.
struct Link {
    subject: Subject,
    /// In `NAMES`.
    index: usize,
}

impl Link {
    fn namespace(&self) -> Result<Namespace> {
        let task = self.subject.task()?;
        if !may_inspect(&task) {
            return Err(Errno::EACCES);
        }
        Namespace::of(Thread::of(&task), NAMES[self.index]).ok_or(Errno::ENOENT)
    }
}

impl Inode for Link {
    fn file_type(&self) -> FileType {
        FileType::Symlink
    }

    fn stat(&self) -> Result<Stat> {
        self.subject.stat(FileType::Symlink, 0o777, LINK_INODES + 1 + self.index as u64)
    }

    fn is_current(&self) -> bool {
        self.subject.is_there()
    }

    fn read_link(&self) -> Result<LinkTarget> {
        Ok(LinkTarget::Place(self.namespace()?.place()))
    }

    fn link_text(&self, _root: &Path) -> Result<Vec<u8>> {
        Ok(self.namespace()?.shown().into_bytes())
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        Err(Errno::ELOOP)
    }
}
