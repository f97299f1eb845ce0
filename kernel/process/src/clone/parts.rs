//! What a child gets of its creator: a share in it, a copy, or something of its own.

use alloc::boxed::Box;
use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{Capabilities, FileTable};
use sched::{Attributes, CpuMask, Policy, Task, TaskFlags, TaskRef};

use super::CloneArgs;
use crate::flags::CloneFlags;
use crate::namespace::Namespaces;
use crate::pid::{NewPid, Pid};
use crate::process::{NewProcess, Process};
use crate::rlimit::Resource;
use crate::thread::{Resources, Thread};

/// A user may have so many tasks.
pub(super) fn check_number_of_tasks(creator: &Thread, resources: &Resources) -> Result<()> {
    let user = &resources.user;
    if user.uid() == 0 {
        return Ok(());
    }
    let limit = creator.process().limit(Resource::Processes).soft;
    let may_exceed = Capabilities::SYS_RESOURCE | Capabilities::SYS_ADMIN;
    if user.tasks() >= limit && !resources.credentials.effective.intersects(may_exceed) {
        return Err(Errno::EAGAIN);
    }
    Ok(())
}

/// `unshare`, of namespaces: new ones for the running task, and for PIDs for the children that it
/// makes from now on.
///
/// # Errors
/// EINVAL: a namespace that this kernel does not have. EPERM: privilege is missing. ENOSPC: PID
/// namespaces are nested too deep.
pub fn unshare_namespaces(flags: CloneFlags) -> Result<()> {
    let me = sched::current();
    let thread = Thread::of(&me);
    let namespaces = copy_namespaces(flags, &thread.resources())?;
    if flags.contains(CloneFlags::NEWNS)
        && let Some(fs) = thread.fs()
    {
        drop(thread.set_fs(Some(fs.with_own_namespace()?)));
    }
    let old = thread
        .change_resources(|resources| core::mem::replace(&mut resources.namespaces, namespaces));
    drop(old);
    Ok(())
}

/// The child's namespaces. New ones are the child's alone; the creator keeps its own.
#[inline(always)]
pub(super) fn copy_namespaces(flags: CloneFlags, resources: &Resources) -> Result<Arc<Namespaces>> {
    if !flags.intersects(CloneFlags::NAMESPACES | CloneFlags::NEWUSER) {
        return Ok(resources.namespaces.clone());
    }
    new_namespaces(flags, resources)
}

#[inline(never)]
fn new_namespaces(flags: CloneFlags, resources: &Resources) -> Result<Arc<Namespaces>> {
    resources.credentials.require(Capabilities::SYS_ADMIN)?;
    flags.validate_namespaces()?;
    let mut namespaces = (*resources.namespaces).clone();
    if flags.contains(CloneFlags::NEWUTS) {
        namespaces.uts = namespaces.uts.copy();
    }
    if flags.contains(CloneFlags::NEWPID) {
        namespaces.pid_for_children = namespaces.pid_for_children.nested()?;
    }
    Ok(Arc::new(namespaces))
}

/// A number in each namespace that sees the new task: those that are asked for, and free ones for the rest.
#[inline(always)]
pub(super) fn allocate_pid(args: &CloneArgs<'_>, resources: &Resources) -> Result<NewPid> {
    let namespace = &resources.namespaces.pid_for_children;
    if !args.set_tid.is_empty() {
        if args.set_tid.len() > namespace.level() + 1 {
            return Err(Errno::EINVAL);
        }
        resources.credentials.require(Capabilities::SYS_ADMIN)?;
    }
    NewPid::allocate(namespace, args.set_tid)
}

/// The creator's open files, or its own of the same.
#[inline(always)]
pub(super) fn copy_files(flags: CloneFlags, creator: &Thread) -> Option<Arc<FileTable>> {
    let files = creator.files();
    match flags.contains(CloneFlags::FILES) {
        true => files,
        false => files.map(|files| files.fork_copy()),
    }
}

/// Gives the child copies of its own of what it is not to share.
#[inline(always)]
pub(super) fn copy_resources(flags: CloneFlags, resources: &mut Resources) -> Result<()> {
    if !flags.contains(CloneFlags::FS)
        && let Some(fs) = &resources.fs
    {
        resources.fs = Some(match flags.contains(CloneFlags::NEWNS) {
            true => fs.with_own_namespace()?,
            false => fs.fork_copy(),
        });
    }
    if !flags.contains(CloneFlags::VM)
        && let Some(mm) = &resources.mm
    {
        resources.mm = Some(mm.fork()?);
    }
    Ok(())
}

/// A process with one thread, made at a time.
pub(super) fn new_process(
    args: &CloneArgs<'_>,
    creator: &Thread,
    pid: Arc<Pid>,
    start_time: u64,
) -> Arc<Process> {
    let parent = creator.process();
    let sighand = parent.sighand();
    let sighand = if args.flags.contains(CloneFlags::CLEAR_SIGHAND) {
        sighand.copy_with_defaults()
    } else if args.flags.contains(CloneFlags::SIGHAND) || args.kernel.is_some() {
        // A kernel thread never acts by the table: it may as well share it.
        sighand
    } else {
        sighand.copy()
    };
    Process::new(NewProcess {
        pid,
        sighand,
        limits: parent.limits(),
        exit_signal: if args.flags.contains(CloneFlags::PARENT) {
            parent.exit_signal()
        } else {
            args.exit_signal
        },
        has_subreaper: parent.has_subreaper() || parent.is_subreaper(),
        oom_score_adj: parent.oom_score_adj(),
        start_time,
    })
}

/// What a child does not inherit of its creator's flags.
const NOT_INHERITED: TaskFlags = TaskFlags::KTHREAD
    .union(TaskFlags::IDLE)
    .union(TaskFlags::NO_SETAFFINITY)
    .union(TaskFlags::EXITING)
    .union(TaskFlags::SIGNALED);

/// The scheduler's part of a new thread, made at a time.
pub(super) fn new_task(
    args: &CloneArgs<'_>,
    creator: &Task,
    pid: u32,
    made_at: u64,
    start: Box<dyn FnOnce() + Send>,
) -> Result<TaskRef> {
    let comm = args.kernel.unwrap_or_else(|| creator.comm());
    let mut flags = creator.flags().difference(NOT_INHERITED) | TaskFlags::FORKNOEXEC;
    if args.kernel.is_some() {
        flags |= TaskFlags::KTHREAD;
    }
    let (attributes, allowed) = if creator.is_idle() {
        // The first tasks run like any other, and not only on the boot CPU.
        (Attributes::NORMAL, CpuMask::ALL)
    } else {
        (for_child(creator.attributes())?, creator.allowed())
    };
    let node = args.node;
    Task::new(sched::NewTask { pid, comm, node, flags, attributes, allowed, made_at, start })
}

/// What a child inherits of its creator's scheduling.
///
/// # Errors
/// EAGAIN: bandwidth cannot be inherited.
fn for_child(mut attributes: Attributes) -> Result<Attributes> {
    if attributes.reset_on_fork {
        attributes.reset_on_fork = false;
        if attributes.policy.is_real_time() || attributes.policy == Policy::Deadline {
            return Ok(Attributes::NORMAL);
        }
        attributes.nice = attributes.nice.max(0);
    }
    if attributes.policy == Policy::Deadline { Err(Errno::EAGAIN) } else { Ok(attributes) }
}
