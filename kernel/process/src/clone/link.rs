//! Putting a new task among the others.

use alloc::sync::Arc;

use cgroup::Cgroup;
use errno::{Errno, Result};
use sched::TaskRef;

use super::CloneArgs;
use crate::flags::CloneFlags;
use crate::pid::NewPid;
use crate::ptrace::Inherited;
use crate::signal;
use crate::table::tasklist;
use crate::thread::Thread;

/// From here on the task can be found, signalled and waited for. Both tasks come with their threads.
pub(super) fn link(
    args: &CloneArgs<'_>,
    (creator, creators): (&TaskRef, &Thread),
    (task, thread): (&TaskRef, &Thread),
    new_pid: NewPid,
    shared_signals: u32,
    cgroup: Option<&Arc<Cgroup>>,
) -> Result<()> {
    let flags = args.flags;
    let (mine, process) = (creators.process(), thread.process());
    let mut table = tasklist();
    // With the table held no signal to a group comes in between: it finds both or only the creator,
    // who then starts over and makes no child that has missed it. Signals to the creator alone wait:
    // a program with a quick timer could not fork otherwise.
    if creator.fatal_signal_pending() || mine.shared_signals() != shared_signals {
        return Err(Errno::ERESTARTNOINTR);
    }
    let pid = new_pid.pid();
    if pid.namespace().is_some_and(|namespace| namespace.is_closed()) {
        return Err(Errno::ENOMEM);
    }
    let inherited = if args.traced || flags.contains(CloneFlags::PTRACE) {
        Inherited::prepare(&table, creators)?
    } else {
        None
    };
    if !flags.contains(CloneFlags::THREAD) {
        if flags.contains(CloneFlags::PARENT) {
            let parent = table.parent(mine).cloned().ok_or(Errno::ESRCH)?;
            table.add(process, &parent, mine, cgroup)?;
        } else {
            table.add(process, mine, mine, cgroup)?;
        }
        if pid.is_namespace_init()
            && let Some(namespace) = pid.namespace()
        {
            namespace.set_reaper(Some(process.clone()));
        }
    }
    {
        // From here on whatever happens to all threads happens to this one, too.
        let mut group = process.signals().lock_irqs_off();
        if flags.contains(CloneFlags::THREAD) {
            signal::admit(&mut group, creator, task)?;
        }
        process.thread_starts();
        group.add_thread(task);
    }
    new_pid.publish(task);
    if let Some(inherited) = inherited {
        inherited.give(&mut table, task);
    }
    Ok(())
}
