//! Who is in which control group.
//!
//! A process is in one with all its threads; the process table says in which. What a child gets is
//! decided with the table locked, as is every move, so a fork comes before or after a move of its
//! creator. See `docs/cgroups.md`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use cgroup::Cgroup;
use errno::{Errno, Result};
use sched::{TaskFlags, TaskRef};

use crate::clone::CloneArgs;
use crate::flags::CloneFlags;
use crate::process::{Process, process_of};
use crate::table::tasklist;
use crate::thread::Thread;

/// The control group of a process; of one that has been waited for, the root. Any context.
pub fn cgroup_of(process: &Process) -> Arc<Cgroup> {
    tasklist().cgroup_of(process).unwrap_or(cgroup::root()).clone()
}

/// The processes in a control group that have a live thread, in the order in which they were made.
///
/// # Errors
/// ENOMEM.
pub fn processes_of(cgroup: &Cgroup) -> Result<Vec<Arc<Process>>> {
    let mut found = Vec::new();
    loop {
        // Room is made with the table free; it may have grown when it is taken.
        let wanted = tasklist().len();
        found.try_reserve(wanted).map_err(|_| Errno::ENOMEM)?;
        let table = tasklist();
        if table.len() <= found.capacity() {
            let members = table.with_cgroups().filter(|(process, theirs)| {
                let is_in =
                    theirs.map_or(cgroup.is_root(), |theirs| core::ptr::eq(&**theirs, cgroup));
                is_in && process.pid().number() != 0
            });
            found.extend(members.map(|(process, _)| process.clone()));
            return Ok(found);
        }
    }
}

/// Whether the process of a task may be moved at all.
///
/// # Errors
/// EINVAL: a kernel thread that is bound, or not ready, or that makes the others.
pub fn check_cgroup_move(task: &TaskRef) -> Result<()> {
    let leader = process_of(task).leader().unwrap_or_else(|| task.clone());
    let stays = TaskFlags::NO_CGROUP_MIGRATION | TaskFlags::NO_SETAFFINITY;
    if leader.flags().intersects(stays) { Err(Errno::EINVAL) } else { Ok(()) }
}

/// Moves the process of a task, with all its threads, to a control group. One that has ended stays
/// where it is. Whether the caller may is the caller's question. May sleep.
///
/// # Errors
/// As [`check_cgroup_move`]. ENODEV: the group was removed.
pub fn move_to_cgroup(task: &TaskRef, to: &Arc<Cgroup>) -> Result<()> {
    check_cgroup_move(task)?;
    let old = tasklist().move_to_cgroup(process_of(task), to)?;
    to.tell();
    if let Some(old) = old {
        old.tell();
    }
    Ok(())
}

/// The running kernel thread has been given its CPUs and begins its function: from here on it may
/// be moved, unless it is bound (Linux's `cgroup_kthread_ready`).
pub fn kthread_ready() {
    sched::current().remove_flags(TaskFlags::NO_CGROUP_MIGRATION);
}

/// The control group that a clone asks for; none for its creator's.
#[inline(always)]
pub(crate) fn for_child(args: &CloneArgs<'_>, creator: &Thread) -> Result<Option<Arc<Cgroup>>> {
    if args.flags.contains(CloneFlags::INTO_CGROUP) {
        wanted_for_child(args, creator).map(Some)
    } else {
        Ok(None)
    }
}

#[inline(never)]
fn wanted_for_child(args: &CloneArgs<'_>, creator: &Thread) -> Result<Arc<Cgroup>> {
    let find = args.cgroup.ok_or(Errno::EBADF)?;
    let (cgroup, who) = (find()?, creator.credentials());
    cgroup.check_procs_writable(&who)?;
    let creators = cgroup_of(creator.process());
    cgroup::check_attach(&creators, &cgroup, &who)?;
    if args.flags.contains(CloneFlags::THREAD) && !Arc::ptr_eq(&creators, &cgroup) {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(cgroup)
}
