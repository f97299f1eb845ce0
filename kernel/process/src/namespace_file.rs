//! Namespaces as files: `/proc/PID/ns`, and what `setns` enters.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{
    Capabilities, File, FileOperations, FileType, FsContext, Inode, MountNamespace, OpenFlags,
    Path, Stat,
};

use crate::flags::CloneFlags;
use crate::namespace::{PidNamespace, UtsNamespace};
use crate::rlimit::Resource;
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

/// `NS_GET_USERNS`: the user namespace that it belongs to.
const NS_GET_USERNS: u32 = 0xb701;
/// `NS_GET_PARENT`: the namespace that it is in.
const NS_GET_PARENT: u32 = 0xb702;
/// `NS_GET_NSTYPE`: the flag of its kind.
const NS_GET_NSTYPE: u32 = 0xb703;
/// `NS_GET_OWNER_UID`: whose a user namespace is.
const NS_GET_OWNER_UID: u32 = 0xb704;

impl FileOperations for NamespaceFile {
    fn ioctl(&self, _file: &File, command: u32, argument: usize) -> Result<usize> {
        match command {
            NS_GET_USERNS => install(Namespace::Initial(InitialOnly::User)),
            NS_GET_PARENT => match &self.0 {
                Namespace::Pid(namespace) => {
                    // One that the caller cannot see is not shown either.
                    let mine = crate::current_pid_namespace();
                    let parent = namespace.parent().filter(|parent| parent.is_within(&mine));
                    install(Namespace::Pid(parent.ok_or(Errno::EPERM)?.clone()))
                }
                Namespace::Initial(InitialOnly::User) => Err(Errno::EPERM),
                _ => Err(Errno::EINVAL),
            },
            NS_GET_NSTYPE => Ok(self.0.flag().bits() as usize),
            NS_GET_OWNER_UID => match self.0 {
                Namespace::Initial(InitialOnly::User) => {
                    let owner = 0_u32.to_ne_bytes();
                    machine::user::copy_to(argument, &owner).map_err(|_| Errno::EFAULT)?;
                    Ok(0)
                }
                _ => Err(Errno::EINVAL),
            },
            _ => Err(Errno::ENOTTY),
        }
    }
}

/// Opens a namespace for the running task; returns the descriptor.
fn install(namespace: Namespace) -> Result<usize> {
    let me = sched::current();
    let thread = Thread::of(&me);
    let file = File::open(namespace.place(), OpenFlags::empty(), &thread.credentials())?;
    let limit = thread.process().limit(Resource::Files).soft;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(thread.files().ok_or(Errno::EBADF)?.add(file, true, limit)? as usize)
}
