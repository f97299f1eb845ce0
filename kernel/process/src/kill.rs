//! `kill` and its kin: whom a number means, and who may signal whom.

use alloc::sync::Arc;

use cgroup::Cgroup;
use errno::{Errno, Result};
use fs::Capabilities;
use sched::TaskRef;

use crate::current::{current_pid_namespace, find_task};
use crate::job::find_group;
use crate::pid::Pid;
use crate::process::{Process, process_of};
use crate::signal::info::{SI_TKILL, SI_USER};
use crate::signal::{Details, SigInfo, Signal, signal_process, signal_thread};
use crate::table::{Table, tasklist};
use crate::thread::Thread;

/// What `kill` and `tgkill` tell, from the running task. The sender's number is as the receiver's
/// namespace sees it.
fn info_from_me(signal: Signal, code: i32, receiver: &Process) -> SigInfo {
    let me = sched::current();
    let sender = Thread::of(&me);
    let pid = receiver
        .pid()
        .namespace()
        .map_or(0, |namespace| sender.process().pid().number_in(namespace));
    let details = Details::Sender { pid, uid: sender.uid() };
    SigInfo { signal, errno: 0, code, details }
}

/// Whether the running task may send a task this signal.
///
/// # Errors
/// EPERM.
pub fn check_may_signal(target: &TaskRef, signal: Option<Signal>) -> Result<()> {
    check_with(target, signal, |mine, theirs| are_of_one_session(&tasklist(), mine, theirs))
}

fn are_of_one_session(table: &Table, a: &Process, b: &Process) -> bool {
    let sessions = (table.session_of(a), table.session_of(b));
    matches!(sessions, (Some(a), Some(b)) if Arc::ptr_eq(a, b))
}

fn check_with(
    target: &TaskRef,
    signal: Option<Signal>,
    are_of_one_session: impl FnOnce(&Process, &Process) -> bool,
) -> Result<()> {
    let me = sched::current();
    let (mine, theirs) = (Thread::of(&me), Thread::of(target));
    if Arc::ptr_eq(mine.process(), theirs.process()) {
        return Ok(());
    }
    let (my, their) = (mine.credentials(), theirs.credentials());
    let same_user = [my.euid, my.uid].iter().any(|uid| [their.suid, their.uid].contains(uid));
    if same_user
        || my.capable(Capabilities::KILL)
        || signal == Some(Signal::SIGCONT) && are_of_one_session(mine.process(), theirs.process())
    {
        return Ok(());
    }
    Err(Errno::EPERM)
}

fn kill_process(process: &Arc<Process>, signal: Option<Signal>) -> Result<()> {
    // Nobody has to ask about oneself.
    if !Arc::ptr_eq(process, Thread::of(&sched::current()).process()) {
        let leader = process.leader().ok_or(Errno::ESRCH)?;
        check_may_signal(&leader, signal)?;
    }
    send_if_any(process, signal)
}

fn send_if_any(process: &Arc<Process>, signal: Option<Signal>) -> Result<()> {
    match signal {
        Some(signal) => signal_process(process, info_from_me(signal, SI_USER, process)),
        None => Ok(()),
    }
}

/// Signals several processes: it is enough if one could be. The table stays locked, so no fork of
/// one of them comes in between and leaves a child that has missed the signal.
fn kill_each<'a>(
    table: &'a Table,
    processes: impl Iterator<Item = &'a Arc<Process>>,
    signal: Option<Signal>,
) -> Result<()> {
    let mut outcome = Err(Errno::ESRCH);
    for process in processes {
        let Some(leader) = process.leader() else { continue };
        let one =
            check_with(&leader, signal, |mine, theirs| are_of_one_session(table, mine, theirs));
        process.one_more_shared_signal();
        match one.and_then(|()| send_if_any(process, signal)) {
            Ok(()) => outcome = Ok(()),
            Err(error) if outcome == Err(Errno::ESRCH) => outcome = Err(error),
            Err(_) => {}
        }
    }
    outcome
}

/// `kill`: a process, for 0 the caller's group, for -1 everybody but the first process and the
/// caller, below that a group. Without a signal it only asks.
///
/// # Errors
/// ESRCH: nobody there. EPERM: nobody there who may be signalled.
pub fn kill(number: i32, signal: Option<Signal>) -> Result<()> {
    match number {
        i32::MIN => Err(Errno::ESRCH),
        -1 => {
            let me = crate::current_process();
            let namespace = current_pid_namespace();
            let table = tasklist();
            let others = table.processes().filter(|process| {
                process.pid().number_in(&namespace) > 1 && !Arc::ptr_eq(process, &me)
            });
            kill_each(&table, others, signal)
        }
        number if number <= 0 => {
            let id = find_group(number.unsigned_abs()).ok_or(Errno::ESRCH)?;
            let table = tasklist();
            kill_each(&table, table.members(&id), signal)
        }
        number => {
            let task = find_task(number.unsigned_abs()).ok_or(Errno::ESRCH)?;
            kill_process(process_of(&task), signal)
        }
    }
}

/// `tgkill`, and `tkill` without a process: signals one thread. Without a signal it only asks.
///
/// # Errors
/// ESRCH: no such thread in the process. EPERM.
pub fn tgkill(process: Option<u32>, thread: u32, signal: Option<Signal>) -> Result<()> {
    let task = find_thread(process, thread)?;
    check_may_signal(&task, signal)?;
    match signal {
        Some(signal) => signal_thread(&task, info_from_me(signal, SI_TKILL, process_of(&task))),
        None => Ok(()),
    }
}

fn find_thread(process: Option<u32>, thread: u32) -> Result<TaskRef> {
    let task = find_task(thread).ok_or(Errno::ESRCH)?;
    if let Some(process) = process {
        let number = process_of(&task).pid().number_in(&current_pid_namespace());
        if number != process {
            return Err(Errno::ESRCH);
        }
    }
    Ok(task)
}

/// What a process may claim in `rt_sigqueueinfo`: not that the kernel or `kill` sent it, but to
/// itself.
fn check_claim(info: &SigInfo, process: &Process) -> Result<()> {
    let claims_too_much = info.code >= 0 || info.code == SI_TKILL;
    let to_itself = core::ptr::eq(&*crate::current_process(), process);
    if claims_too_much && !to_itself { Err(Errno::EPERM) } else { Ok(()) }
}

/// `rt_sigqueueinfo`.
///
/// # Errors
/// ESRCH. EPERM. EAGAIN: too many signals of the user are queued.
pub fn sigqueue(number: u32, info: SigInfo) -> Result<()> {
    let task = find_task(number).ok_or(Errno::ESRCH)?;
    let process = process_of(&task);
    check_claim(&info, process)?;
    check_may_signal(&task, Some(info.signal))?;
    signal_process(process, info)
}

/// `rt_tgsigqueueinfo`.
///
/// # Errors
/// ESRCH. EPERM. EAGAIN: too many signals of the user are queued.
pub fn tgsigqueue(process: u32, thread: u32, info: SigInfo) -> Result<()> {
    let task = find_thread(Some(process), thread)?;
    check_claim(&info, process_of(&task))?;
    check_may_signal(&task, Some(info.signal))?;
    signal_thread(&task, info)
}

/// `pidfd_send_signal`. Without `info`: as `kill`.
///
/// # Errors
/// ESRCH: the process has been waited for. EPERM. EAGAIN: too many signals of the user are queued.
pub fn pidfd_send_signal(pid: &Pid, signal: Option<Signal>, info: Option<SigInfo>) -> Result<()> {
    let task = pid.task().ok_or(Errno::ESRCH)?;
    let process = process_of(&task);
    match info {
        None => kill_process(process, signal),
        Some(info) => {
            check_claim(&info, process)?;
            check_may_signal(&task, signal)?;
            signal_process(process, info)
        }
    }
}

/// SIGKILL for every process in a control group and below it, kernel threads but. The table stays locked, so no fork of one
/// of them comes in between.
pub fn kill_cgroup(cgroup: &Cgroup) {
    let table = tasklist();
    for (process, theirs) in table.with_cgroups() {
        let is_in = theirs.map_or(cgroup.is_root(), |theirs| theirs.is_within(cgroup));
        let is_kthread = process.leader().is_none_or(|leader| leader.is_kthread());
        if is_in && !is_kthread {
            // One that is being released needs no signal.
            let _ = signal_process(process, info_from_me(Signal::SIGKILL, SI_USER, process));
        }
    }
}

/// Sends a signal to every member of a group. Any context.
///
/// # Errors
/// ESRCH: no such group.
pub fn signal_group(id: &Pid, info: SigInfo) -> Result<()> {
    let table = tasklist();
    let mut outcome = Err(Errno::ESRCH);
    for member in table.members(id) {
        member.one_more_shared_signal();
        // One that is being released needs no signal.
        let _ = signal_process(member, info);
        outcome = Ok(());
    }
    outcome
}
