//! The trace events of tasks as such.

use sched::Task;
use trace::{Comm, TASK_NEWTASK, TASK_RENAME, TaskNewtask, TaskRename};

use crate::flags::CloneFlags;
use crate::thread::Thread;

fn oom_score_adj(task: &Task) -> i16 {
    Thread::try_of(task).map_or(0, |thread| thread.process().oom_score_adj())
}

/// A task is there, made with these flags.
pub(crate) fn made(task: &Task, flags: CloneFlags, exit_signal: u32) {
    TASK_NEWTASK.record(|| {
        let (comm, pid, _) = task.trace_identity();
        let clone_flags = flags.bits() | u64::from(exit_signal);
        TaskNewtask { pid, comm, clone_flags, oom_score_adj: oom_score_adj(task) }
    });
}

/// Changes a task's short name; what does not fit is cut. From a task.
pub fn set_comm(task: &Task, name: &[u8]) {
    TASK_RENAME.record(|| {
        let (oldcomm, pid, _) = task.trace_identity();
        TaskRename { pid, oldcomm, newcomm: Comm::new(name), oom_score_adj: oom_score_adj(task) }
    });
    task.set_comm(name);
}
