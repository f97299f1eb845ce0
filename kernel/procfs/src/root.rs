//! The root of `/proc`: the files that were registered, `self`, and a directory for each process.

use alloc::format;
use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{DirectorySink, File, FileOperations, FileType, Inode, LinkTarget, OpenFlags, Stat};
use kernfs::list_with_dots;
use process::{PidNamespace, Thread};

use crate::instance::Instance;
use crate::pid::{PidDirectory, Scope, Subject};

/// The positions of a reader: registered files first, then `self` and `thread-self`, then processes
/// by number. A process that comes or goes changes nobody else's position.
const LINKS: u64 = 1 << 16;
const PROCESSES: u64 = LINKS + 2;

/// The inode numbers of the two links; those of registered files start above them.
const FIRST_LINK_INODE: u64 = 2;
/// The inode number of the root.
const ROOT_INODE: u64 = 1;

/// The root directory of an instance.
pub(crate) struct Root {
    instance: Arc<Instance>,
}

impl Root {
    pub(crate) fn new(instance: Arc<Instance>) -> Self {
        Self { instance }
    }

    /// The directory of the process whose leader has this number. Threads that are not leaders are
    /// found by `lookup` too, but not listed.
    fn process(&self, number: u32) -> Option<Arc<dyn Inode>> {
        let pid = self.instance.namespace().find(number)?;
        pid.task()?;
        let subject = Subject::new(&self.instance, pid, Scope::Process);
        Some(Arc::new(PidDirectory::new(subject)))
    }
}

impl Inode for Root {
    fn file_type(&self) -> FileType {
        FileType::Directory
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.instance.tree().stat(FileType::Directory, 0o555, ROOT_INODE))
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        if let Some(link) = OWN_LINKS.iter().find(|link| link.name().as_bytes() == name) {
            return Ok(Arc::new(LinkInode { instance: self.instance.clone(), link: *link }));
        }
        if let Some(number) = parse_number(name) {
            return self.process(number).ok_or(Errno::ENOENT);
        }
        self.instance.files().find(name).ok_or(Errno::ENOENT)
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        Ok(Arc::new(OpenRoot(self.instance.clone())))
    }
}

/// A number as a name: decimal, without leading zeros.
pub(crate) fn parse_number(name: &[u8]) -> Option<u32> {
    let canonical = name.first()?.is_ascii_digit() && (name.len() == 1 || name[0] != b'0');
    let digits = name.iter().all(u8::is_ascii_digit);
    if canonical && digits { core::str::from_utf8(name).ok()?.parse().ok() } else { None }
}

struct OpenRoot(Arc<Instance>);

impl OpenRoot {
    /// Gives the processes from `position` on.
    fn list_processes(&self, position: &mut u64, to: &mut dyn DirectorySink) {
        let mut number = u32::try_from(*position - PROCESSES).unwrap_or(u32::MAX);
        while let Some((found, pid)) = self.0.namespace().next_from(number) {
            let Some(after) = found.checked_add(1) else { return };
            number = after;
            let is_leader = pid.task().is_some_and(|task| Thread::of(&task).is_leader());
            let next = PROCESSES + u64::from(after);
            if is_leader {
                let name = format!("{found}");
                let inode = Subject::new(&self.0, pid, Scope::Process).inode(0);
                if !to.entry(name.as_bytes(), inode, FileType::Directory, next) {
                    return;
                }
            }
            *position = next;
        }
    }
}

/// Gives the two links from `position` on; false when the sink is full.
fn list_links(position: &mut u64, to: &mut dyn DirectorySink) -> bool {
    for (index, link) in (0..).zip(OWN_LINKS).skip((*position - LINKS) as usize) {
        let next = LINKS + index + 1;
        let name = link.name().as_bytes();
        if !to.entry(name, FIRST_LINK_INODE + index, FileType::Symlink, next) {
            return false;
        }
        *position = next;
    }
    true
}

impl FileOperations for OpenRoot {
    fn read_directory(
        &self,
        file: &File,
        position: &mut u64,
        to: &mut dyn DirectorySink,
    ) -> Result<()> {
        list_with_dots(file, position, to, |position, to| {
            if *position < LINKS {
                if !self.0.files().list(position, to) {
                    return Ok(());
                }
                *position = LINKS;
            }
            if *position >= PROCESSES || list_links(position, to) {
                self.list_processes(position, to);
            }
            Ok(())
        })
    }
}

/// The links that lead to whoever follows them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnLink {
    Process,
    Thread,
}

const OWN_LINKS: [OwnLink; 2] = [OwnLink::Process, OwnLink::Thread];

impl OwnLink {
    const fn name(self) -> &'static str {
        match self {
            Self::Process => "self",
            Self::Thread => "thread-self",
        }
    }
}

struct LinkInode {
    instance: Arc<Instance>,
    link: OwnLink,
}

impl LinkInode {
    fn target(&self, namespace: &PidNamespace) -> Result<alloc::string::String> {
        let current = sched::current();
        let thread = Thread::of(&current);
        let process = thread.process().pid().number_in(namespace);
        let number = thread.number_in(namespace);
        if process == 0 || number == 0 {
            return Err(Errno::ENOENT);
        }
        Ok(match self.link {
            OwnLink::Process => format!("{process}"),
            OwnLink::Thread => format!("{process}/task/{number}"),
        })
    }
}

impl Inode for LinkInode {
    fn file_type(&self) -> FileType {
        FileType::Symlink
    }

    fn stat(&self) -> Result<Stat> {
        let inode = FIRST_LINK_INODE + self.link as u64;
        Ok(self.instance.tree().stat(FileType::Symlink, 0o777, inode))
    }

    fn read_link(&self) -> Result<LinkTarget> {
        Ok(LinkTarget::Text(self.target(self.instance.namespace())?.into_bytes()))
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        Err(Errno::ELOOP)
    }
}

#[cfg(test)]
mod tests {
    use super::parse_number;

    #[test]
    fn only_canonical_numbers_name_processes() {
        assert_eq!(parse_number(b"1"), Some(1));
        assert_eq!(parse_number(b"4194303"), Some(4_194_303));
        for name in [&b""[..], b"01", b"1x", b"-1", b"+1", b"99999999999"] {
            assert_eq!(parse_number(name), None, "{name:?}");
        }
    }
}
