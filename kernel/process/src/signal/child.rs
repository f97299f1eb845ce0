//! What a parent is told about its children.

use alloc::sync::Arc;

use super::action::{ActionFlags, Handler};
use super::info::{Details, SigInfo, end_of};
use super::number::Signal;
use super::send::signal_process;
use crate::exit::Zombie;
use crate::process::Process;
use crate::thread::Thread;

/// Tells a parent that its child has ended, and whether somebody will wait for it. The process
/// table is locked.
pub(crate) fn send_child_ended(parent: &Arc<Process>, child: &Process) -> Zombie {
    let Some(signal) = Signal::from_number(child.exit_signal()) else { return Zombie::Wanted };
    match parent.signals().lock_irq().threads.first() {
        Some(leader)
            if leader.is_kthread() && !Thread::of(leader).allowed_signals().contains(signal) =>
        {
            return Zombie::Unwanted;
        }
        Some(_) => {}
        None => return Zombie::Wanted,
    }
    let action = parent.sighand().get(signal);
    let unwanted = signal == Signal::SIGCHLD
        && (action.handler == Handler::Ignore || action.flags.contains(ActionFlags::NOCLDWAIT));
    if !(signal == Signal::SIGCHLD && action.handler == Handler::Ignore) {
        // The parent may be ending; then nobody wants to know.
        let _ = signal_process(parent, child_ended_info(parent, child, signal));
    }
    if unwanted { Zombie::Unwanted } else { Zombie::Wanted }
}

fn child_ended_info(parent: &Process, child: &Process, signal: Signal) -> SigInfo {
    let leader = child.leader();
    let code = leader.as_ref().map_or(0, |leader| child.final_exit_code(leader));
    let (why, status) = end_of(code);
    child_info(parent, child, signal, why, status)
}

/// The `siginfo` of news about a child.
pub(crate) fn child_info(
    parent: &Process,
    child: &Process,
    signal: Signal,
    code: i32,
    status: i32,
) -> SigInfo {
    let pid = parent.pid().namespace().map_or(0, |namespace| child.pid().number_in(namespace));
    let uid = child.leader().map_or(0, |leader| Thread::of(&leader).user().uid());
    let usage = child.usage.lock_irq().ended_threads;
    let details = Details::Child {
        pid,
        uid,
        status,
        utime: usage.user / crate::usage::CLOCK_TICK,
        stime: usage.system / crate::usage::CLOCK_TICK,
    };
    SigInfo { signal, errno: 0, code, details }
}
