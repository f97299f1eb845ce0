//! A file of a group, and one that is open.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use cgroup::{Cgroup, Part};
use errno::{Errno, Result};
use fs::{
    Credentials, File, FileOperations, FileType, Inode, OpenFlags, PollEvents, PollTable,
    SetAttributes, Sink, Source, Stat,
};
use kernfs::{Contents, Snapshot, Text, Tree};

use crate::contents;

/// Writes a file's text.
type Show = fn(&Cgroup, &mut Text) -> Result<()>;
/// Takes what somebody writes to a file.
type Store = fn(&Arc<Cgroup>, &Credentials, &[u8]) -> Result<()>;

/// A file that every group has, but for the root perhaps.
pub(crate) struct Description {
    pub(crate) name: &'static str,
    pub(crate) part: Part,
    pub(crate) is_in_root: bool,
    show: Option<Show>,
    store: Option<Store>,
}

/// The files, in Linux's order.
pub(crate) static FILES: [Description; 10] = [
    Description {
        name: "cgroup.type",
        part: Part::Type,
        is_in_root: false,
        show: Some(contents::kind),
        store: Some(contents::set_kind),
    },
    Description {
        name: "cgroup.procs",
        part: Part::Procs,
        is_in_root: true,
        show: Some(contents::processes),
        store: Some(contents::move_process),
    },
    Description {
        name: "cgroup.threads",
        part: Part::Threads,
        is_in_root: true,
        show: Some(contents::threads),
        store: Some(contents::move_thread),
    },
    Description {
        name: "cgroup.controllers",
        part: Part::Controllers,
        is_in_root: true,
        show: Some(contents::controllers),
        store: None,
    },
    Description {
        name: "cgroup.subtree_control",
        part: Part::SubtreeControl,
        is_in_root: true,
        show: Some(contents::controllers),
        store: Some(contents::enable_controllers),
    },
    Description {
        name: "cgroup.events",
        part: Part::Events,
        is_in_root: false,
        show: Some(contents::events),
        store: None,
    },
    Description {
        name: "cgroup.max.descendants",
        part: Part::MaxDescendants,
        is_in_root: true,
        show: Some(contents::max_descendants),
        store: Some(contents::set_max_descendants),
    },
    Description {
        name: "cgroup.max.depth",
        part: Part::MaxDepth,
        is_in_root: true,
        show: Some(contents::max_depth),
        store: Some(contents::set_max_depth),
    },
    Description {
        name: "cgroup.stat",
        part: Part::Stat,
        is_in_root: true,
        show: Some(contents::statistics),
        store: None,
    },
    Description {
        name: "cgroup.kill",
        part: Part::Kill,
        is_in_root: false,
        show: None,
        store: Some(contents::kill),
    },
];

/// `stat` of a part of a group.
pub(crate) fn stat_of(tree: &Tree, group: &Cgroup, part: Part, number: u64) -> Stat {
    let owner = group.owner(part);
    let file_type = if part == Part::Directory { FileType::Directory } else { FileType::Regular };
    tree.stat(file_type, owner.permissions, number).owned_by(owner)
}

/// Gives a part of a group to somebody else. The shell's `>` cuts a file before it writes, which means nothing here; times stay.
pub(crate) fn set_owner(group: &Cgroup, part: Part, set: &SetAttributes) -> Result<()> {
    group.change_owner(part, |owner| owner.set(set));
    Ok(())
}

/// A file of a group.
pub(crate) struct GroupFile {
    tree: Arc<Tree>,
    number: u64,
    group: Arc<Cgroup>,
    description: &'static Description,
}

impl GroupFile {
    pub(crate) fn new(
        tree: &Arc<Tree>,
        group: &Arc<Cgroup>,
        description: &'static Description,
    ) -> Arc<Self> {
        let number = tree.take_inode_number();
        Arc::new(Self { tree: tree.clone(), number, group: group.clone(), description })
    }
}

impl Inode for GroupFile {
    fn file_type(&self) -> FileType {
        FileType::Regular
    }

    fn stat(&self) -> Result<Stat> {
        Ok(stat_of(&self.tree, &self.group, self.description.part, self.number))
    }

    fn set_attributes(&self, set: &SetAttributes) -> Result<()> {
        set_owner(&self.group, self.description.part, set)
    }

    fn is_current(&self) -> bool {
        self.group.is_online()
    }

    /// What has no function for it cannot be opened for it, whatever the privileges.
    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        let Description { show, store, .. } = self.description;
        if flags.readable() && show.is_none() || flags.writable() && store.is_none() {
            return Err(Errno::EACCES);
        }
        let opener = process::credentials();
        let text = GroupText { group: self.group.clone(), description: self.description, opener };
        let seen = AtomicU64::new(self.group.events_so_far());
        Ok(Arc::new(OpenFile { file: self, text: Snapshot::new(text), seen }))
    }
}

/// What an open file shows and takes: for whoever opened it.
struct GroupText {
    group: Arc<Cgroup>,
    description: &'static Description,
    opener: Arc<Credentials>,
}

impl GroupText {
    fn require_online(&self) -> Result<()> {
        if self.group.is_online() { Ok(()) } else { Err(Errno::ENODEV) }
    }
}

impl Contents for GroupText {
    fn show(&self, text: &mut Text) -> Result<()> {
        self.require_online()?;
        self.description.show.ok_or(Errno::EINVAL)?(&self.group, text)
    }

    fn store(&self, bytes: &[u8]) -> Result<()> {
        self.require_online()?;
        self.description.store.ok_or(Errno::EINVAL)?(&self.group, &self.opener, bytes)
    }
}

/// An open file.
struct OpenFile {
    file: Arc<GroupFile>,
    text: Arc<Snapshot<GroupText>>,
    /// The events that were known when it was last read.
    seen: AtomicU64,
}

impl FileOperations for OpenFile {
    fn read(&self, file: &File, to: &mut dyn Sink, position: &mut u64) -> Result<usize> {
        if *position == 0 {
            // Before the text is written: what happens in between is told once more.
            self.seen.store(self.file.group.events_so_far(), Ordering::Relaxed);
        }
        self.text.read(file, to, position)
    }

    fn write(&self, file: &File, from: &mut dyn Source, position: &mut u64) -> Result<usize> {
        self.text.write(file, from, position)
    }

    fn end(&self, file: &File) -> Result<u64> {
        self.text.end(file)
    }

    fn is_pollable(&self) -> bool {
        true
    }

    /// `cgroup.events` has news until it is read again.
    fn poll(&self, _file: &File, table: &mut PollTable<'_>) -> PollEvents {
        if self.file.description.part != Part::Events {
            return PollEvents::ALWAYS_READY;
        }
        let group = &self.file.group;
        table.add(group.events_changed());
        if group.events_so_far() == self.seen.load(Ordering::Relaxed) {
            PollEvents::ALWAYS_READY
        } else {
            PollEvents::ALWAYS_READY | PollEvents::PRI | PollEvents::ERR
        }
    }
}
