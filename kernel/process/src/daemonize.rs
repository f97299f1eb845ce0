//! `daemonize`: how a kernel thread that was made with [`kernel_thread`](fn@crate::kernel_thread) cuts
//! its ties.
//!
//! Such a thread starts as its creator's child and with what its creator had: memory, files, root
//! and working directory, group and session, credentials. As long as it holds them a file system
//! cannot be unmounted and a terminal is not let go. Threads made through `kthread` are born to
//! kthreadd and have nothing to let go of.

use sched::{Attributes, TaskFlags};

use crate::exit;
use crate::init::{init_pid_ns, initial_files, initial_resources};
use crate::signal::{SigSet, Signal, ignore_signals};
use crate::table::tasklist;
use crate::thread::Thread;

/// kthreadd's number in the initial PID namespace.
const KTHREADD: u32 = 2;

/// Lets go of all that the running kernel thread inherited, blocks every signal, takes a new name,
/// and becomes a child of kthreadd. May sleep.
///
/// # Panics
/// In a task that is not a kernel thread.
pub fn daemonize(name: &[u8]) {
    let me = sched::current_ref();
    assert!(me.flags().contains(TaskFlags::KTHREAD), "{me:?} is not a kernel thread");
    crate::set_comm(&me, name);
    let thread = Thread::of(&me);
    exit::release_memory(thread);
    let initial = initial_resources();
    thread.count_for(&initial.user);
    let old = thread.change_resources(|resources| core::mem::replace(resources, initial));
    let old_files = thread.set_files(initial_files());
    // Closing files may sleep.
    drop((old, old_files));
    ignore_signals(&me);
    thread.signals.lock_irq().blocked = SigSet::ALL;
    let attributes = me.attributes();
    if !attributes.policy.is_real_time() && attributes.nice != 0 {
        // The attributes are those of any new task.
        let _ = sched::set_attributes(&me, Attributes::NORMAL);
    }
    let process = thread.process();
    let leavings = {
        let mut table = tasklist();
        process.set_exit_signal(Signal::SIGCHLD.number());
        let kthreadd = init_pid_ns().find(KTHREADD).and_then(|pid| pid.task());
        if let Some(kthreadd) = kthreadd {
            table.give_to(process, Thread::of(&kthreadd).process());
        }
        let first = table.first_process(process);
        table.join_group_of(process, &first)
    };
    drop(leavings);
}
