//! The directory of a process or thread, and the table of what is in it.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{
    DirectorySink, File, FileOperations, FileType, Inode, LinkTarget, OpenFlags, Path,
    SetAttributes, Stat,
};
use kernfs::{Contents, Snapshot, Text, list_with_dots};
use sched::TaskRef;

use super::subject::{Scope, Subject, may_inspect};
use super::{
    descriptors, kernel, links, mem, memory, mounts, namespaces, settings, stat, status, threads,
    timers,
};

/// Writes a file's text.
type Show = fn(&Subject, &TaskRef, &mut Text) -> Result<()>;
/// Takes what was written to a file.
type Store = fn(&Subject, &TaskRef, &[u8]) -> Result<()>;

/// What an entry is.
enum Kind {
    Text { show: Show, store: Option<Store>, guard: Guard },
    Memory,
    Link(fn(&TaskRef) -> Result<Path>),
    Directory(fn(Subject) -> Arc<dyn Inode>),
}

/// Who may open a file, beyond what its permission bits say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// Anybody.
    None,
    /// Who may inspect the task.
    Inspect,
}

/// Where an entry is found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Both,
    ProcessOnly,
}

/// A file, link or directory that every process has.
pub(super) struct Entry {
    name: &'static str,
    permissions: u32,
    place: Place,
    kind: Kind,
}

const fn text(name: &'static str, permissions: u32, show: Show) -> Entry {
    let kind = Kind::Text { show, store: None, guard: Guard::None };
    Entry { name, permissions, place: Place::Both, kind }
}

const fn guarded(name: &'static str, permissions: u32, show: Show) -> Entry {
    let kind = Kind::Text { show, store: None, guard: Guard::Inspect };
    Entry { name, permissions, place: Place::Both, kind }
}

const fn writable(name: &'static str, permissions: u32, show: Show, store: Store) -> Entry {
    let kind = Kind::Text { show, store: Some(store), guard: Guard::None };
    Entry { name, permissions, place: Place::Both, kind }
}

const fn user_memory(name: &'static str, permissions: u32) -> Entry {
    Entry { name, permissions, place: Place::Both, kind: Kind::Memory }
}

const fn link(name: &'static str, target: fn(&TaskRef) -> Result<Path>) -> Entry {
    Entry { name, permissions: 0o777, place: Place::Both, kind: Kind::Link(target) }
}

const fn directory(
    name: &'static str,
    permissions: u32,
    place: Place,
    make: fn(Subject) -> Arc<dyn Inode>,
) -> Entry {
    Entry { name, permissions, place, kind: Kind::Directory(make) }
}

/// What is in a process's directory, in Linux's order.
static ENTRIES: &[Entry] = &[
    directory("task", 0o555, Place::ProcessOnly, threads::directory),
    directory("fd", 0o500, Place::Both, descriptors::fd),
    directory("fdinfo", 0o555, Place::Both, descriptors::fdinfo),
    directory("ns", 0o511, Place::Both, namespaces::directory),
    guarded("environ", 0o400, memory::environ),
    guarded("auxv", 0o400, memory::auxv),
    text("status", 0o444, status::status),
    guarded("personality", 0o400, kernel::personality),
    text("limits", 0o444, settings::limits),
    text("sched", 0o444, kernel::sched),
    writable("comm", 0o644, settings::comm, settings::set_comm),
    text("cmdline", 0o444, memory::cmdline),
    text("stat", 0o444, stat::stat),
    text("statm", 0o444, stat::statm),
    guarded("maps", 0o444, memory::maps),
    guarded("numa_maps", 0o444, memory::numa_maps),
    user_memory("mem", 0o600),
    link("cwd", links::cwd),
    link("root", links::root),
    link("exe", links::exe),
    text("mounts", 0o444, mounts::mounts),
    text("mountinfo", 0o444, mounts::mountinfo),
    guarded("smaps", 0o444, memory::smaps),
    text("wchan", 0o444, kernel::wchan),
    guarded("stack", 0o400, kernel::stack),
    text("schedstat", 0o444, kernel::schedstat),
    text("cgroup", 0o444, kernel::cgroup),
    text("oom_score", 0o444, settings::oom_score),
    writable("oom_score_adj", 0o644, settings::oom_score_adj, settings::set_oom_score_adj),
    guarded("io", 0o400, kernel::io),
    Entry { place: Place::ProcessOnly, ..text("timers", 0o444, timers::timers) },
];

impl Entry {
    fn file_type(&self) -> FileType {
        match self.kind {
            Kind::Text { .. } | Kind::Memory => FileType::Regular,
            Kind::Link(_) => FileType::Symlink,
            Kind::Directory(_) => FileType::Directory,
        }
    }

    fn is_in(&self, scope: Scope) -> bool {
        self.place == Place::Both || scope == Scope::Process
    }
}

/// The entries of a scope, each with its number in the table, from 1.
fn entries(scope: Scope) -> impl Iterator<Item = (u64, &'static Entry)> {
    (1..).zip(ENTRIES).filter(move |(_, entry)| entry.is_in(scope))
}

/// `/proc/PID` or `/proc/PID/task/TID`.
pub(crate) struct PidDirectory {
    subject: Subject,
}

impl PidDirectory {
    pub(crate) fn new(subject: Subject) -> Self {
        Self { subject }
    }
}

impl Inode for PidDirectory {
    fn file_type(&self) -> FileType {
        FileType::Directory
    }

    fn stat(&self) -> Result<Stat> {
        self.subject.stat(FileType::Directory, 0o555, 0)
    }

    fn is_current(&self) -> bool {
        self.subject.is_there()
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        self.subject.task().map_err(|_| Errno::ENOENT)?;
        let mut all = entries(self.subject.scope());
        let (index, entry) =
            all.find(|(_, entry)| entry.name.as_bytes() == name).ok_or(Errno::ENOENT)?;
        let subject = self.subject.clone();
        Ok(match entry.kind {
            Kind::Directory(make) => make(subject),
            Kind::Text { .. } | Kind::Memory | Kind::Link(_) => {
                Arc::new(EntryInode { subject, index, entry })
            }
        })
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        self.subject.task()?;
        Ok(Arc::new(OpenDirectory(self.subject.clone())))
    }
}

struct OpenDirectory(Subject);

impl FileOperations for OpenDirectory {
    fn read_directory(
        &self,
        file: &File,
        position: &mut u64,
        to: &mut dyn DirectorySink,
    ) -> Result<()> {
        self.0.task().map_err(|_| Errno::ENOENT)?;
        list_with_dots(file, position, to, |position, to| {
            let from = *position;
            for (index, entry) in entries(self.0.scope()).filter(|&(index, _)| index > from) {
                let inode = self.0.inode(index);
                if !to.entry(entry.name.as_bytes(), inode, entry.file_type(), index) {
                    break;
                }
                *position = index;
            }
            Ok(())
        })
    }
}

/// A file or link of the table.
struct EntryInode {
    subject: Subject,
    index: u64,
    entry: &'static Entry,
}

impl Inode for EntryInode {
    fn file_type(&self) -> FileType {
        self.entry.file_type()
    }

    fn stat(&self) -> Result<Stat> {
        self.subject.stat(self.file_type(), self.entry.permissions, self.index)
    }

    fn set_attributes(&self, set: &SetAttributes) -> Result<()> {
        // The shell truncates before it writes; nothing else can be set.
        if set.sets_owner() {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    fn is_current(&self) -> bool {
        self.subject.is_there()
    }

    fn read_link(&self) -> Result<LinkTarget> {
        let Kind::Link(target) = self.entry.kind else { return Err(Errno::EINVAL) };
        let task = self.subject.task()?;
        if !may_inspect(&task) {
            return Err(Errno::EACCES);
        }
        target(&task).map(LinkTarget::Place)
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        let task = self.subject.task()?;
        let guard = match self.entry.kind {
            Kind::Text { guard, .. } => guard,
            _ => Guard::Inspect,
        };
        if guard == Guard::Inspect && !may_inspect(&task) {
            return Err(Errno::EACCES);
        }
        match self.entry.kind {
            Kind::Text { show, store, .. } => {
                Ok(Snapshot::new(EntryText { subject: self.subject.clone(), show, store }))
            }
            Kind::Memory => Ok(mem::Memory::of(&task)),
            Kind::Link(_) | Kind::Directory(_) => Err(Errno::ELOOP),
        }
    }
}

/// An open file of the table.
struct EntryText {
    subject: Subject,
    show: Show,
    store: Option<Store>,
}

impl Contents for EntryText {
    fn show(&self, text: &mut Text) -> Result<()> {
        (self.show)(&self.subject, &self.subject.task()?, text)
    }

    fn store(&self, bytes: &[u8]) -> Result<()> {
        let store = self.store.ok_or(Errno::EINVAL)?;
        store(&self.subject, &self.subject.task()?, bytes)
    }
}
