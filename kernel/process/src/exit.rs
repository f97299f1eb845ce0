//! The end of a thread, and of a process with its last thread.
//!
//! [`leave`] gives back what the thread holds, tells whoever waits, and returns; the task's start
//! function returns right after it, and the scheduler runs it no more:
//!
//! ```text
//!   leave: stop taking signals
//!          memory (a vfork parent goes on, the thread's futex is woken), files, file system context
//!          ── the last thread only: timers, the terminal if it leads a session, the control group ──
//!          children go to a thread of the same process, or to the reaper
//!          the parent is told ──> Zombie, until it waits ──> released
//!                            └──> nobody waits: Dead, released here
//! ```
//!
//! *Released* means: out of the process table and of its thread group, its number free. The task's
//! memory goes with the last reference, which is often that of the CPU that still runs it.

use alloc::boxed::Box;
use alloc::sync::Arc;

use cgroup::Cgroup;
use sched::{TaskFlags, TaskRef};
use smallvec::SmallVec;
use sync::Once;
use trace::{SCHED_PROCESS_EXIT, SCHED_PROCESS_FREE, SchedProcess};

use crate::process::Process;
use crate::ptrace::{self, Trace};
use crate::signal;
use crate::table::{Leavings, Table, tasklist};
use crate::thread::{ExitState, Thread};
use crate::usage::Usage;

/// What has to happen to user memory at the end of a thread, by whoever knows futexes: the robust
/// list, and the wake-up at `clear_child_tid`.
static MEMORY_HOOK: Once<fn()> = Once::new();

/// Says what to call in a thread that is about to leave its user memory, while it is still there:
/// for the robust futexes and the futex at [`Thread::clear_child_tid`]. May sleep. Once.
pub fn set_memory_release_hook(hook: fn()) {
    let fresh = MEMORY_HOOK.set(hook).is_ok();
    assert!(fresh, "the memory release hook is set once");
}

/// What others keep for a process and end with it.
static END_HOOK: Once<fn(&Process)> = Once::new();

/// Says what to call in the last thread of a process that ends, with its memory and files already gone. May sleep. Once.
pub fn set_process_end_hook(hook: fn(&Process)) {
    let fresh = END_HOOK.set(hook).is_ok();
    assert!(fresh, "the hook for the end of a process is set once");
}

/// What happens when PID 1 ends.
static INIT_HOOK: Once<fn(u32) -> !> = Once::new();

/// Says what ends the kernel when PID 1 ends, with its exit code. Once.
pub fn set_init_exit_hook(hook: fn(u32) -> !) {
    let fresh = INIT_HOOK.set(hook).is_ok();
    assert!(fresh, "the hook for the end of PID 1 is set once");
}

/// The exit code of a process that called `exit` with this status.
pub const fn exit_code_of_status(status: i32) -> u32 {
    (status as u32 & 0xff) << 8
}

/// Ends the running thread. `code` is what `wait` shows: `status << 8`, or the signal. For a kernel
/// thread that cannot return from its start function; what its stack still owns is lost with it.
pub fn do_exit(code: u32) -> ! {
    leave(code);
    sched::exit_current()
}

/// All of the running thread's end but the last switch: its start function returns after this. May
/// sleep.
pub(crate) fn leave(code: u32) {
    let me = sched::current_ref();
    let thread = Thread::of(&me);
    let process = thread.process();
    debug_assert!(!me.flags().contains(TaskFlags::EXITING), "{me:?} ends twice");
    signal::stop_taking(&me, thread);
    SCHED_PROCESS_EXIT.record(|| {
        let (comm, pid, prio) = me.trace_identity();
        SchedProcess { comm, pid, prio }
    });
    let is_last = process.thread_exits();
    if is_last {
        process.interval_timers.stop();
        die_with_init(process, code);
    }
    thread.set_exit_code(code);
    let (fs, has_memory) = thread.take_fs();
    if has_memory {
        release_memory(thread);
    }
    drop(thread.set_files(None));
    drop(fs);
    if is_last {
        crate::session::leave_terminal(process);
        if let Some(hook) = END_HOOK.get() {
            hook(process);
        }
    }
    if is_last && process.pid().is_namespace_init() {
        crate::reaper::empty_namespace(process);
    }
    notify(&me, thread, is_last);
}

/// The first process of the system must not end.
fn die_with_init(process: &Process, code: u32) {
    let pid = process.pid();
    if pid.number() == 1 {
        let code = process.signals().lock_irq().exit.unwrap_or(code);
        match INIT_HOOK.get() {
            Some(hook) => hook(code),
            None => panic!("Attempted to kill init! exitcode={code:#010x}"),
        }
    }
}

/// Gives user memory back: at the end, or for another program's.
pub(crate) fn release_memory(thread: &Thread) {
    if thread.mm().is_some() {
        if let Some(hook) = MEMORY_HOOK.get() {
            hook();
        }
        let mm = thread.set_mm(None);
        sched::use_address_space(None);
        drop(mm);
    }
    if let Some(done) = thread.take_vfork_done() {
        done.complete_all();
    }
}

/// Tells the family, and releases the thread if nobody is to wait for it.
fn notify(me: &TaskRef, thread: &Thread, is_last: bool) {
    let process = thread.process();
    let mut released = Released::default();
    let mut table = tasklist();
    if is_last {
        released.cgroup = table.leave_cgroup(process);
        ptrace::release_tracees(&mut table, process, &mut released);
        crate::reaper::give_children_away(&mut table, process, &mut released);
        // A kernel thread is in the group of its parent, so no group hung on it.
        if !me.is_kthread() {
            crate::job::hang_up_if_orphaned(&table, process, None);
        }
    }
    // With a tracer every thread stays until it has been waited for.
    let is_traced = thread.is_traced();
    let is_waitable = {
        let mut group = process.signals().lock_irqs_off();
        process.usage.lock_irqs_off().ended_threads.add(&Usage::of_task(me));
        if thread.is_leader() || is_traced {
            thread.set_exit_state(ExitState::Zombie);
        } else {
            thread.set_exit_state(ExitState::Dead);
            released.add(&mut table, group.remove_thread(me));
        }
        // The leader may have ended long ago, and the process ends now.
        group.has_only_a_zombie()
    };
    if !is_last {
        // Perhaps another thread wants to be the only one.
        process.children_changed.wake_all();
    }
    if is_traced
        && !thread.is_leader()
        && ptrace::notify_thread(&mut table, me, &mut released) == Zombie::Unwanted
    {
        ptrace::release_thread(&mut table, me, &mut released);
    }
    if is_waitable && ptrace::notify_zombie(&mut table, process, &mut released) == Zombie::Unwanted
    {
        released.add_process(&mut table, process);
    }
    drop(table);
    if crate::events::is_watched() {
        crate::events::ended();
    }
    if let Some(cgroup) = &released.cgroup {
        cgroup.tell();
    }
    drop(released);
}

/// Whether anybody is to wait for an ended process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zombie {
    Wanted,
    Unwanted,
}

/// Tells the parent of an ended process.
pub(crate) fn notify_parent(table: &Table, process: &Arc<Process>) -> Zombie {
    process.pid().wake_ended();
    let Some(parent) = table.parent(process) else { return Zombie::Unwanted };
    let wanted = signal::send_child_ended(parent, process);
    // It may also be that its tracer lets go of it.
    parent.children_changed.wake_all_for_end();
    wanted
}

/// What has been taken out of the tables, and is dropped when they are unlocked: declared before
/// the table is locked, it is dropped after.
///
/// Numbers are free and names gone when the table is unlocked, so that whoever finds a child gone
/// can use its number; only the memory is left for later.
#[derive(Default)]
pub(crate) struct Released {
    tasks: SmallVec<[TaskRef; 2]>,
    processes: SmallVec<[Leavings; 1]>,
    traces: SmallVec<[Box<Trace>; 1]>,
    /// The control group that somebody has left: it is to be told before it is dropped.
    cgroup: Option<Arc<Cgroup>>,
}

impl Released {
    /// Takes over an ended thread that has been taken out of its group, and frees its number. The number itself goes with the thread.
    pub(crate) fn add(&mut self, _table: &mut Table, task: Option<TaskRef>) {
        let Some(task) = task else { return };
        SCHED_PROCESS_FREE.record(|| {
            let (comm, pid, prio) = task.trace_identity();
            SchedProcess { comm, pid, prio }
        });
        let pid = Thread::of(&task).pid();
        // Of the same task, mostly; then this is not the last reference.
        let named = pid.set_task(None).filter(|named| !Arc::ptr_eq(named, &task));
        self.keep(named);
        pid.remove_user();
        self.tasks.push(task);
    }

    /// Takes an ended process out of the table, with its leader, the only thread that is left.
    pub(crate) fn add_process(&mut self, table: &mut Table, process: &Process) {
        self.processes.push(table.remove(process));
        let leader = process.signals().lock_irqs_off().threads.pop();
        if let Some(leader) = &leader {
            Thread::of(leader).set_exit_state(ExitState::Dead);
        }
        self.add(table, leader);
    }

    /// Keeps what was left of a trace.
    pub(crate) fn keep_trace(&mut self, trace: Option<Box<Trace>>) {
        self.traces.extend(trace);
    }

    /// Keeps a reference that may be the last one.
    pub(crate) fn keep(&mut self, reference: Option<TaskRef>) {
        if let Some(reference) = reference {
            self.tasks.push(reference);
        }
    }
}
