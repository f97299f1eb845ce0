//! Namespaces as files: `/proc/PID/ns`, and what `setns` enters.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{
    Capabilities, FileOperations, FileType, FsContext, Inode, MountNamespace, OpenFlags, Path, Stat,
};

use crate::flags::CloneFlags;
use crate::namespace::{PidNamespace, UtsNamespace};
use crate::thread::Thread;

/// A namespace that a file stands for.
#[derive(Clone)]
pub enum Namespace {
    /// Where a task lives, or where its children will.
    Pid(Arc<PidNamespace>),
    /// Of the host's name.
    Uts(Arc<UtsNamespace>),
    /// Of mounts.
    Mount(Arc<MountNamespace>),
    /// One of which there is only the initial.
    Initial(InitialOnly),
}

/// Kinds of namespace that all tasks share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialOnly {
    /// Of control groups.
    Cgroup,
    /// Of System V's objects.
    Ipc,
    /// Of networks.
    Net,
    /// Of clocks.
    Time,
    /// Of users.
    User,
}

impl InitialOnly {
    const fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Ipc => "ipc",
            Self::Net => "net",
            Self::Time => "time",
            Self::User => "user",
        }
    }

    /// Linux's numbers of the initial ones.
    const fn inode(self) -> u64 {
        match self {
            Self::Ipc => 0xefff_ffff,
            Self::User => 0xefff_fffd,
            Self::Cgroup => 0xefff_fffb,
            Self::Time => 0xefff_fffa,
            Self::Net => 0xefff_fff9,
        }
    }

    const fn flag(self) -> CloneFlags {
        match self {
            Self::Cgroup => CloneFlags::NEWCGROUP,
            Self::Ipc => CloneFlags::NEWIPC,
            Self::Net => CloneFlags::NEWNET,
            Self::Time => CloneFlags::NEWTIME,
            Self::User => CloneFlags::NEWUSER,
        }
    }
}

impl Namespace {
    /// The namespaces of a thread by their names in `/proc/PID/ns`. None: no such kind, or the thread is ending.
    pub fn of(thread: &Thread, name: &str) -> Option<Self> {
        Some(match name {
            "pid" => Self::Pid(thread.pid().namespace()?.clone()),
            "pid_for_children" => Self::Pid(thread.namespaces().pid_for_children.clone()),
            "uts" => Self::Uts(thread.namespaces().uts.clone()),
            "mnt" => Self::Mount(thread.fs()?.namespace().clone()),
            "cgroup" => Self::Initial(InitialOnly::Cgroup),
            "ipc" => Self::Initial(InitialOnly::Ipc),
            "net" => Self::Initial(InitialOnly::Net),
            "time" | "time_for_children" => Self::Initial(InitialOnly::Time),
            "user" => Self::Initial(InitialOnly::User),
            _ => return None,
        })
    }

    /// The number that tells it from others.
    pub fn inode(&self) -> u64 {
        match self {
            Self::Pid(namespace) => namespace.inode(),
            Self::Uts(namespace) => namespace.inode(),
            Self::Mount(namespace) => namespace.inode(),
            Self::Initial(kind) => kind.inode(),
        }
    }

    /// As links in `/proc/PID/ns` show it.
    pub fn shown(&self) -> String {
        let name = match self {
            Self::Pid(_) => "pid",
            Self::Uts(_) => "uts",
            Self::Mount(_) => "mnt",
            Self::Initial(kind) => kind.name(),
        };
        format!("{name}:[{}]", self.inode())
    }

    /// The flag of `clone` that makes one of its kind.
    pub const fn flag(&self) -> CloneFlags {
        match self {
            Self::Pid(_) => CloneFlags::NEWPID,
            Self::Uts(_) => CloneFlags::NEWUTS,
            Self::Mount(_) => CloneFlags::NEWNS,
            Self::Initial(kind) => kind.flag(),
        }
    }

    /// A place that stands for it.
    pub fn place(self) -> Path {
        let shown = self.shown();
        fs::anonymous::place(Arc::new(NamespaceInode(self)), shown.as_bytes())
    }

    /// Moves the running task into it; for PIDs, the children that it makes from now on.
    ///
    /// # Errors
    /// EPERM without CAP_SYS_ADMIN. EINVAL: a PID namespace outside the task's own, a user namespace that the
    /// task is in, or another's file system context would move along.
    pub fn enter(self) -> Result<()> {
        let me = sched::current();
        let thread = Thread::of(&me);
        thread.credentials().require(Capabilities::SYS_ADMIN)?;
        match self {
            Self::Pid(namespace) => {
                let mine = thread.pid();
                if !mine.namespace().is_some_and(|mine| namespace.is_within(mine)) {
                    return Err(Errno::EINVAL);
                }
                thread.change_namespaces(|namespaces| namespaces.pid_for_children = namespace);
            }
            Self::Uts(namespace) => {
                thread.change_namespaces(|namespaces| namespaces.uts = namespace);
            }
            Self::Mount(namespace) => {
                thread.credentials().require(Capabilities::SYS_CHROOT)?;
                let shared = thread.fs().ok_or(Errno::EINVAL)?;
                // One reference is the thread's, one is ours.
                if Arc::strong_count(&shared) > 2 {
                    return Err(Errno::EINVAL);
                }
                let context = FsContext::new(namespace);
                context.set_umask(shared.umask());
                drop(thread.set_fs(Some(context)));
            }
            Self::Initial(InitialOnly::User) => return Err(Errno::EINVAL),
            Self::Initial(_) => {}
        }
        Ok(())
    }
}

/// A namespace's inode.
struct NamespaceInode(Namespace);

impl Inode for NamespaceInode {
    fn file_type(&self) -> FileType {
        FileType::Regular
    }

    fn stat(&self) -> Result<Stat> {
        let mut stat = Stat::new(FileType::Regular, 0o444, self.0.inode());
        stat.device = fs::anonymous::device();
        Ok(stat)
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        Ok(Arc::new(NamespaceFile(self.0.clone())))
    }
}

/// An open file that stands for a namespace.
pub struct NamespaceFile(Namespace);

impl NamespaceFile {
    /// Which.
    pub fn namespace(&self) -> &Namespace {
        &self.0
    }
}

impl FileOperations for NamespaceFile {}
