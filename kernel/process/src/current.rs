//! Questions about the running task, and tasks by their numbers as it sees them.

use alloc::sync::Arc;

use fs::Credentials;
use sched::{Task, TaskRef};
use vm::Mm;

use crate::init::init_pid_ns;
use crate::namespace::{PidNamespace, find_task_by_pid_ns};
use crate::process::Process;
use crate::table::tasklist;
use crate::thread::Thread;

/// The running task's process.
pub fn current_process() -> Arc<Process> {
    Thread::of(&sched::current()).process().clone()
}

/// The PID namespace that the running task lives in.
pub fn current_pid_namespace() -> Arc<PidNamespace> {
    let me = sched::current();
    let pid = Thread::try_of(&me).map(|thread| thread.process().pid());
    pid.and_then(|pid| pid.namespace()).unwrap_or(init_pid_ns()).clone()
}

/// Who the running task is.
pub fn credentials() -> Arc<Credentials> {
    Thread::of(&sched::current()).credentials()
}

/// The running task's number as it sees it itself (`gettid`).
pub fn tid() -> u32 {
    let me = sched::current();
    let me = Thread::of(&me);
    // A leader has its process's number, which needs no lock.
    if me.is_leader() { me.process().pid().innermost() } else { me.pid().innermost() }
}

/// The running process's number as it sees it itself (`getpid`).
pub fn tgid() -> u32 {
    let me = sched::current();
    Thread::of(&me).process().pid().innermost()
}

/// The task with a number in the running task's PID namespace. Any context.
pub fn find_task(number: u32) -> Option<TaskRef> {
    let me = sched::current();
    let pid = Thread::try_of(&me).map(|thread| thread.process().pid());
    let namespace = pid.and_then(|pid| pid.namespace()).unwrap_or(init_pid_ns());
    find_task_by_pid_ns(number, namespace)
}

/// Calls a function for every task but the idle ones, in the order of their numbers. The function
/// may sleep; tasks that come or go meanwhile may be missed.
pub fn for_each_task(mut function: impl FnMut(&TaskRef)) {
    let mut number = 1;
    while let Some((found, pid)) = init_pid_ns().next_from(number) {
        if let Some(task) = pid.task() {
            function(&task);
        }
        number = found + 1;
    }
}

/// Changes the running task's user memory: a kernel thread takes one on for a while, or gives it
/// back. The scheduler is told by [`sched::use_address_space`].
pub fn set_current_mm(mm: Option<Arc<Mm>>) {
    let old = Thread::of(&sched::current()).set_mm(mm);
    drop(old);
}

/// The parent of a process; the first process for itself. None: it has been waited for.
pub fn parent_of(process: &Process) -> Option<Arc<Process>> {
    tasklist().parent(process).cloned()
}

/// The running process's parent, as it sees it itself; 0 if that is outside its PID namespace.
pub fn ppid() -> u32 {
    Thread::of(&sched::current()).process().parent_number()
}

/// The number of a task's parent in the running task's PID namespace: 0 for the first tasks, and
/// for a parent outside. None: the task has been waited for.
pub fn parent_number(task: &Task) -> Option<u32> {
    let parent = parent_of(Thread::of(task).process())?;
    Some(parent.pid().number_in(&current_pid_namespace()))
}

/// How many tasks there are, the idle ones not counted.
pub fn task_count() -> usize {
    crate::table::processes().iter().map(|process| process.thread_count()).sum()
}

/// How many process numbers are taken in the initial namespace.
pub fn live_pids() -> usize {
    init_pid_ns().count()
}
