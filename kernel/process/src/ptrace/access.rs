//! Who may look into whom.

use alloc::sync::Arc;

use fs::Capabilities;
use sched::TaskRef;

use crate::thread::Thread;

/// Which of the asker's identities counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The real one: for system calls that name a process by its number.
    Real,
    /// The one for files: for what is opened below `/proc`.
    FileSystem,
}

/// Whether a program that the running thread executes may get privileges of its own: not under a
/// tracer that could take them over.
pub fn may_gain_privileges() -> bool {
    let tracer = super::tracer_of(&sched::current_ref());
    let tracer = tracer.and_then(|tracer| tracer.leader());
    tracer.is_none_or(|tracer| Thread::of(&tracer).credentials().capable(Capabilities::SYS_PTRACE))
}

/// Whether the running task may look into another's memory and files (Linux's
/// `ptrace_may_access`): a thread of the same process, a process of the same user through and
/// through with no more privileges, or with `CAP_SYS_PTRACE`.
pub fn may_access(task: &TaskRef, identity: Identity) -> bool {
    let current = sched::current();
    let (me, other) = (Thread::of(&current), Thread::of(task));
    if Arc::ptr_eq(me.process(), other.process()) {
        return true;
    }
    let (mine, theirs) = (me.credentials(), other.credentials());
    let (uid, gid) = match identity {
        Identity::Real => (mine.uid, mine.gid),
        Identity::FileSystem => (mine.fsuid, mine.fsgid),
    };
    let same_user = [theirs.uid, theirs.euid, theirs.suid].iter().all(|&their| their == uid);
    let same_group = [theirs.gid, theirs.egid, theirs.sgid].iter().all(|&their| their == gid);
    let no_less = mine.permitted.contains(theirs.permitted);
    same_user && same_group && no_less || mine.capable(Capabilities::SYS_PTRACE)
}
