//! Job control: who may move which process into which group and session, and what happens to groups
//! that nobody is left to continue.

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};

use crate::current::current_pid_namespace;
use crate::pid::Pid;
use crate::process::{Process, process_of};
use crate::session::Session;
use crate::signal::{self, SigInfo, Signal};
use crate::table::{Table, tasklist};

/// The running process, or the one with a number.
fn process_by_number(number: u32) -> Result<Arc<Process>> {
    let task = match number {
        0 => sched::current_ref(),
        number => crate::find_task(number).ok_or(Errno::ESRCH)?,
    };
    Ok(process_of(&task).clone())
}

/// The number of a process's group as the caller sees it. `number` 0 is the running process.
///
/// # Errors
/// ESRCH.
pub fn getpgid(number: u32) -> Result<u32> {
    let process = process_by_number(number)?;
    let namespace = current_pid_namespace();
    Ok(group_of(&process).map_or(0, |id| id.number_in(&namespace)))
}

/// The number of a process's session as the caller sees it. `number` 0 is the running process.
///
/// # Errors
/// ESRCH.
pub fn getsid(number: u32) -> Result<u32> {
    let process = process_by_number(number)?;
    let namespace = current_pid_namespace();
    Ok(session_of(&process).map_or(0, |session| session.id().number_in(&namespace)))
}

/// Starts a session with the running process as its leader, in a group of its own, without a
/// terminal. Returns its number as the caller sees it.
///
/// # Errors
/// EPERM: the process leads a group already. ENOMEM.
pub fn setsid() -> Result<u32> {
    let process = crate::current_process();
    let leavings = {
        let mut table = tasklist();
        if table.find_group(process.pid()).is_some() {
            return Err(Errno::EPERM);
        }
        table.start_session(&process)?
    };
    drop(leavings);
    crate::events::session_begun();
    Ok(crate::tgid())
}

/// Moves a process into a group: one that is there, or a new one with the process's own number. 0
/// is the running process, and its own number.
///
/// # Errors
/// EACCES: a child that has executed a program. EPERM: a session's leader, or a process or group of
/// another session. ESRCH: neither the running process nor a child of it. ENOMEM.
pub fn setpgid(number: u32, group: u32) -> Result<()> {
    let mine = crate::current_process();
    let process = process_by_number(number)?;
    let namespace = current_pid_namespace();
    let id = match group {
        0 => process.pid().clone(),
        group => namespace.find(group).ok_or(Errno::EPERM)?,
    };
    let leavings = {
        let mut table = tasklist();
        if table.is_child(&process, &mine) {
            let same_session = matches!(
                (table.session_of(&process), table.session_of(&mine)),
                (Some(a), Some(b)) if Arc::ptr_eq(a, b)
            );
            if !same_session {
                return Err(Errno::EPERM);
            }
            if process.has_executed() {
                return Err(Errno::EACCES);
            }
        } else if !Arc::ptr_eq(&process, &mine) {
            return Err(Errno::ESRCH);
        }
        let session = table.session_of(&process).ok_or(Errno::ESRCH)?;
        if Arc::ptr_eq(session.id(), process.pid()) {
            return Err(Errno::EPERM);
        }
        if !Arc::ptr_eq(&id, process.pid()) {
            let of_group = table.session_of_group(&id).ok_or(Errno::EPERM)?;
            if !Arc::ptr_eq(of_group, session) {
                return Err(Errno::EPERM);
            }
        }
        table.move_to_group(&process, &id)?
    };
    drop(leavings);
    Ok(())
}

/// The session that a process is in; none once it has been waited for.
pub fn session_of(process: &Process) -> Option<Arc<Session>> {
    tasklist().session_of(process).cloned()
}

/// The number of the group that a process is in; none once it has been waited for.
pub fn group_of(process: &Process) -> Option<Arc<Pid>> {
    tasklist().group_of(process).cloned()
}

/// The session with a number.
pub fn find_session(id: &Pid) -> Option<Arc<Session>> {
    tasklist().session_by_id(id).cloned()
}

/// The session that a group is in.
pub fn session_of_group(id: &Pid) -> Option<Arc<Session>> {
    tasklist().session_of_group(id).cloned()
}

/// The members of a group, by its number as the caller sees it; 0 is the caller's own.
pub fn group_members(number: u32) -> Vec<Arc<Process>> {
    find_group(number).map_or(Vec::new(), |id| tasklist().members(&id).cloned().collect())
}

/// What a group's number stands for, as the caller sees it; 0 is the caller's own group.
pub(crate) fn find_group(number: u32) -> Option<Arc<Pid>> {
    match number {
        0 => group_of(&crate::current_process()),
        number => current_pid_namespace().find(number),
    }
}

/// Whether nobody is left to continue a group: no member's parent is in the same session and
/// another group.
pub fn is_orphaned_group(id: &Pid) -> bool {
    is_orphaned(&tasklist(), id, None)
}

/// Whether the running process's group is orphaned.
pub(crate) fn is_current_group_orphaned() -> bool {
    let table = tasklist();
    let process = process_of(&sched::current()).clone();
    match table.group_of(&process) {
        Some(id) => is_orphaned(&table, id, None),
        None => true,
    }
}

/// `leaving` is taken as gone.
fn is_orphaned(table: &Table, id: &Pid, leaving: Option<&Process>) -> bool {
    !table.members(id).any(|member| {
        let is_leaving = leaving.is_some_and(|leaving| core::ptr::eq(&**member, leaving));
        !is_leaving && !member.is_ending() && is_tied(table, member, id)
    })
}

/// Whether a member's parent could continue it: it is in the same session and not in the group
/// itself.
fn is_tied(table: &Table, member: &Process, id: &Pid) -> bool {
    let Some(parent) = table.parent(member) else { return false };
    ties(table, parent, member, id) && !parent.pid().is_namespace_init()
}

fn ties(table: &Table, parent: &Process, member: &Process, id: &Pid) -> bool {
    let same_session = match (table.session_of(parent), table.session_of(member)) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    };
    same_session && table.group_of(parent).is_none_or(|of| !core::ptr::eq(&**of, id))
}

/// A process that ends, or whose parent does, may leave its group orphaned. A stopped one would
/// then stay so for ever: it is hung up and continued.
///
/// `parent`: the parent that ends; without it, `process` itself ends.
pub(crate) fn hang_up_if_orphaned(table: &Table, process: &Process, parent: Option<&Process>) {
    let Some(id) = table.group_of(process).cloned() else { return };
    let tie = match parent {
        Some(parent) => ties(table, parent, process, &id),
        None => is_tied(table, process, &id),
    };
    // It makes a difference only if this was a tie, and the last one.
    if !tie || !is_orphaned(table, &id, parent.is_none().then_some(process)) {
        return;
    }
    if table.members(&id).any(|member| member.is_stopped()) {
        for signal in [Signal::SIGHUP, Signal::SIGCONT] {
            for member in table.members(&id) {
                member.one_more_shared_signal();
                // A member that is being released needs no telling.
                let _ = signal::signal_process(member, SigInfo::kernel(signal));
            }
        }
    }
}
