//! Whom a directory below `/proc` is about.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{FileType, Stat};
use process::{Pid, PidNamespace, Thread, ptrace};
use sched::TaskRef;

use crate::instance::Instance;

/// A process, or one thread of it, as one instance of the file system sees it.
///
/// It holds the number's object and not the task, so a directory that somebody keeps open keeps
/// nothing alive; when the task is gone, every file in it answers ESRCH.
#[derive(Clone)]
pub(crate) struct Subject {
    instance: Arc<Instance>,
    pid: Arc<Pid>,
    scope: Scope,
}

/// What the numbers in a directory add up over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All threads of a process: `/proc/PID`.
    Process,
    /// One thread: `/proc/PID/task/TID`.
    Thread,
}

/// Where the inode numbers of a task's files begin: room for all that is below one number.
const INODES_PER_NUMBER: u64 = 1 << 28;
/// Set in the inode numbers of what is about a thread.
const THREAD_INODES: u64 = 1 << 27;

impl Subject {
    pub(crate) fn new(instance: &Arc<Instance>, pid: Arc<Pid>, scope: Scope) -> Self {
        Self { instance: instance.clone(), pid, scope }
    }

    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }

    /// The same process or thread, in another scope.
    pub(crate) fn sibling(&self, pid: Arc<Pid>, scope: Scope) -> Self {
        Self { instance: self.instance.clone(), pid, scope }
    }

    /// The namespace whose numbers are shown.
    pub(crate) fn namespace(&self) -> &Arc<PidNamespace> {
        self.instance.namespace()
    }

    /// The number of the process or thread.
    pub(crate) fn number(&self) -> u32 {
        self.pid.number_in(self.namespace())
    }

    /// The task.
    ///
    /// # Errors
    /// ESRCH: it is gone.
    pub(crate) fn task(&self) -> Result<TaskRef> {
        self.pid.task().ok_or(Errno::ESRCH)
    }

    /// Whether it is still there.
    pub(crate) fn is_there(&self) -> bool {
        self.pid.task().is_some()
    }

    /// The number of one of its inodes; `index` is below 2^27.
    pub(crate) fn inode(&self, index: u64) -> u64 {
        let scope = if self.scope == Scope::Thread { THREAD_INODES } else { 0 };
        (u64::from(self.pid.number()) + 1) * INODES_PER_NUMBER + scope + index
    }

    /// `stat` of one of its files: the task's user and group own it.
    ///
    /// # Errors
    /// ESRCH.
    pub(crate) fn stat(&self, file_type: FileType, permissions: u32, index: u64) -> Result<Stat> {
        let task = self.task()?;
        let mut stat = self.instance.tree().stat(file_type, permissions, self.inode(index));
        if !task.is_kthread() {
            let credentials = Thread::of(&task).credentials();
            stat.uid = credentials.euid;
            stat.gid = credentials.egid;
        }
        let born = time::realtime_offset() + Thread::of(&task).start_time();
        (stat.accessed, stat.modified, stat.changed) = (born, born, born);
        Ok(stat)
    }
}

/// Whether the running task may look into another's memory and files.
pub(crate) fn may_inspect(task: &TaskRef) -> bool {
    ptrace::may_access(task, ptrace::Identity::FileSystem)
}
