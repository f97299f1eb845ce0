//! Orphans: to whom children go when their parent ends.
//!
//! To the nearest ancestor that asked for it (`PR_SET_CHILD_SUBREAPER`), else to the first process
//! of their PID namespace. That one cannot leave before its namespace is empty.

use alloc::sync::Arc;

use crate::exit::{Released, Zombie};
use crate::process::Process;
use crate::ptrace;
use crate::signal::{self, Action, Handler, SigInfo, Signal};
use crate::table::{Table, tasklist};
use crate::thread::Thread;

/// Gives the children of a process that ends to their new parents.
pub(crate) fn give_children_away(
    table: &mut Table,
    process: &Arc<Process>,
    released: &mut Released,
) {
    let Some(eldest) = table.first_child(process) else { return };
    let reaper = find_reaper(table, process);
    let mut next = Some(eldest);
    while let Some(child) = next {
        table.give_to(&child, &reaper);
        if let Some(signal) = child.parent_death_signal() {
            let _ = signal::signal_process(&child, SigInfo::kernel(signal));
        }
        // Whoever adopts it expects the ordinary signal, whatever the parent had asked for.
        child.set_exit_signal(Signal::SIGCHLD.number());
        if child.is_waitable_zombie()
            && ptrace::notify_zombie(table, &child, released) == Zombie::Unwanted
        {
            released.add_process(table, &child);
        }
        crate::job::hang_up_if_orphaned(table, &child, Some(process));
        next = table.first_child(process);
    }
}

fn find_reaper(table: &Table, process: &Arc<Process>) -> Arc<Process> {
    let namespace = process.pid().namespace();
    let init = namespace.and_then(|namespace| namespace.reaper());
    if process.has_subreaper() {
        let mut ancestor = table.parent(process);
        while let Some(candidate) = ancestor {
            let in_namespace = match (candidate.pid().namespace(), namespace) {
                (Some(theirs), Some(ours)) => Arc::ptr_eq(theirs, ours),
                _ => false,
            };
            if !in_namespace || init.as_ref().is_some_and(|init| Arc::ptr_eq(init, candidate)) {
                break;
            }
            if candidate.is_subreaper() && !candidate.is_ending() {
                return candidate.clone();
            }
            ancestor = table.parent(candidate);
        }
    }
    let mut namespace = namespace;
    while let Some(here) = namespace {
        match here.reaper() {
            Some(init) if !Arc::ptr_eq(&init, process) => return init,
            // The namespace's first process itself: its own go to the namespace above.
            _ => namespace = here.parent(),
        }
    }
    table.first_process(process)
}

/// A process has become a subreaper: all below it have to climb the tree from now on when they lose
/// their parent.
pub(crate) fn announce_subreaper(process: &Process) {
    let table = tasklist();
    let mut next = table.first_below(process);
    while let Some(descendant) = next {
        descendant.set_has_subreaper();
        next = table.next_below(process, descendant);
    }
}

/// The first process of a PID namespace ends: so does everything in it. Sleeps until all numbers
/// but its own are free.
pub(crate) fn empty_namespace(process: &Arc<Process>) {
    let Some(namespace) = process.pid().namespace() else { return };
    {
        // With the table held, as by whoever puts a child in: a child is in by now and found below,
        // or finds the door closed.
        let _table = tasklist();
        namespace.close();
    }
    let mut number = 0;
    while let Some((found, pid)) = namespace.next_from(number) {
        number = found + 1;
        if let Some(task) = pid.task()
            && !Arc::ptr_eq(crate::process_of(&task), process)
        {
            let _ = signal::signal_thread(&task, SigInfo::kernel(Signal::SIGKILL));
        }
    }
    // Those that end from here on leave no zombie.
    let ignore = Action { handler: Handler::Ignore, ..Action::DEFAULT };
    let own = process.sighand().copy();
    own.set(Signal::SIGCHLD, ignore);
    process.set_sighand(own);
    crate::wait::reap_all_of(process);
    // The running thread's number stays, and that of a leader that has ended before.
    let mine = if Thread::of(&sched::current()).is_leader() { 1 } else { 2 };
    namespace.wait_for_the_others(mine);
    namespace.set_reaper(None);
}
