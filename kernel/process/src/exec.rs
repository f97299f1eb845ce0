//! What `execve` does to a process.
//!
//! Memory is replaced, the other threads end, and what the old program had arranged is forgotten:
//! handlers, the alternate stack, descriptors marked so, futexes to be cleared. Who executes is the
//! leader afterwards, and has the process's number, whichever thread it was.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{Credentials, FileTable};
use sched::{Sleep, TaskFlags, TaskRef};
use vm::Mm;

use crate::exit::{self, Released};
use crate::process::Process;
use crate::signal::{AlternateStack, Signal, group};
use crate::table::tasklist;
use crate::thread::{ExitState, Thread};

/// A program that is ready to be run.
pub struct NewProgram<'a> {
    /// Its memory.
    pub mm: Arc<Mm>,
    /// Who it runs as.
    pub credentials: Arc<Credentials>,
    /// Its name, cut to fit.
    pub comm: &'a [u8],
}

/// Makes the running task run another program; a kernel thread becomes a user task. What remains is
/// to set its registers. May sleep.
///
/// # Errors
/// EAGAIN: another thread does the same, or the process is being killed. ENOMEM. Nothing is lost
/// but, at worst, the other threads.
pub fn begin_new_exec(program: NewProgram<'_>) -> Result<()> {
    let me = sched::current_ref();
    let thread = Thread::of(&me);
    let process = thread.process();
    let files = thread.files().map(own_files);
    become_only_thread(&me, process)?;
    // The point of no return: nothing below fails.
    let old_files = thread.set_files(files.clone());
    drop(old_files);
    if let Some(files) = files {
        files.close_on_exec();
    }
    replace_memory(&me, program.mm);
    process.set_sighand(process.sighand().copy_with_defaults());
    thread.signals.lock_irq().alternate_stack = AlternateStack::NONE;
    let set_ids = {
        let old = thread.credentials();
        old.euid != program.credentials.euid || old.egid != program.credentials.egid
    };
    if set_ids {
        process.set_parent_death_signal(None);
    }
    crate::credentials::set_credentials(program.credentials);
    process.set_exit_signal(Signal::SIGCHLD.number());
    process.set_executed();
    crate::set_comm(&me, program.comm);
    me.remove_flags(
        TaskFlags::FORKNOEXEC
            | TaskFlags::KTHREAD
            | TaskFlags::NOFREEZE
            | TaskFlags::NO_SETAFFINITY,
    );
    Ok(())
}

/// The open files, for the running thread alone.
fn own_files(files: Arc<FileTable>) -> Arc<FileTable> {
    /// The thread's reference, and the one here.
    const OWN: usize = 2;
    // Without another reference, others can at most look into it by way of this thread.
    if Arc::strong_count(&files) == OWN { files } else { files.fork_copy() }
}

fn replace_memory(me: &TaskRef, mm: Arc<Mm>) {
    let thread = Thread::of(me);
    exit::release_memory(thread);
    thread.set_clear_child_tid(0);
    thread.set_robust_list(0);
    thread.rseq().unregister(me);
    let space = mm.address_space().clone();
    let old = thread.set_mm(Some(mm));
    debug_assert!(old.is_none(), "the old memory was released");
    sched::use_address_space(Some(space));
}

/// Ends the other threads, and takes the leader's place.
fn become_only_thread(me: &TaskRef, process: &Arc<Process>) -> Result<()> {
    {
        let mut signals = process.signals().lock_irq();
        if signals.threads.len() == 1 {
            return Ok(());
        }
        if signals.exit.is_some() || signals.only_survivor.is_some() {
            return Err(Errno::EAGAIN);
        }
        signals.only_survivor = Some(me.clone());
        for task in signals.threads.iter().filter(|task| !Arc::ptr_eq(task, me)) {
            group::kill_thread(task);
        }
    }
    // Gone, but for a leader that has ended; others may wait for their tracer as zombies.
    let others_have_ended = || {
        let signals = process.signals().lock_irq();
        let ended = |task: &TaskRef| {
            let thread = Thread::of(task);
            Arc::ptr_eq(task, me) || thread.is_leader() && thread.exit_state() != ExitState::Alive
        };
        signals.threads.iter().all(ended).then_some(())
    };
    let waited = process.children_changed.wait_map(Sleep::Killable, None, others_have_ended);
    if waited.is_ok() {
        take_leadership(me, process);
    }
    let survivor = process.signals().lock_irq().only_survivor.take();
    drop(survivor);
    waited.map_err(|_| Errno::EAGAIN)
}

/// The leader, if it is another thread, has ended and is only waited for: the running thread takes
/// its number, and the leader, with the running thread's, is released like any thread.
fn take_leadership(me: &TaskRef, process: &Arc<Process>) {
    let thread = Thread::of(me);
    let mut released = Released::default();
    {
        let mut table = tasklist();
        if thread.is_leader() {
            return;
        }
        let Some(leader) = process.leader() else { return };
        let old_leader = Thread::of(&leader);
        crate::ptrace::forget(&mut table, &leader, &mut released);
        let mine = thread.set_pid(process.pid().clone());
        released.keep(process.pid().set_task(Some(me.clone())));
        released.keep(mine.set_task(Some(leader.clone())));
        old_leader.set_pid(mine);
        me.set_pid(process.pid().number());
        old_leader.set_exit_state(ExitState::Dead);
        let leader = process.signals().lock_irq().remove_thread(&leader);
        released.add(&mut table, leader);
    }
    drop(released);
}
