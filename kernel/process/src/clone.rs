//! Making a task: what `fork`, `vfork`, `clone`, `clone3` and
//! [`kernel_thread`](fn@crate::kernel_thread) have in common.
//!
//! [`copy_process`] makes a task that can be found and does not run; [`NewTask::wake`] starts it.
//! Everything that can fail comes before the new task is put into the process table, and each part
//! that was made by then gives itself back when it is dropped.

mod link;
mod parts;

use alloc::boxed::Box;
use alloc::sync::Arc;

use cgroup::Cgroup;
use errno::{Errno, Result};
use fault::Point;
use machine::NodeId;
use machine::user::UserContext;
use sched::{Comm, Completion, Sleep, Slot, TaskRef, WaitError, state};
use trace::{SCHED_PROCESS_FORK, SchedProcessFork};

use crate::exit;
use crate::flags::CloneFlags;
use crate::pid::Pid;
use crate::ptrace::{self, Event};
use crate::signal::ThreadSignals;
use crate::thread::{NewThread, Thread};
use link::link;
use parts::{
    allocate_pid, check_number_of_tasks, copy_files, copy_namespaces, copy_resources, new_process,
    new_task,
};

pub use parts::unshare_namespaces;

/// What is asked of a clone.
#[derive(Clone, Copy)]
pub struct CloneArgs<'a> {
    /// What to share.
    pub flags: CloneFlags,
    /// What the parent gets at the child's end; 0 for no signal.
    pub exit_signal: u32,
    /// A kernel thread, with this name. Without a name the child takes its creator's.
    pub kernel: Option<Comm>,
    /// Where its memory comes from; the creator's node if none is given.
    pub node: Option<NodeId>,
    /// The numbers it is to have, the deepest namespace's first; as many as there are given.
    pub set_tid: &'a [u32],
    /// User address for the child's number, in the creator's memory (`PARENT_SETTID`).
    pub parent_tid: usize,
    /// User address for the child's number, in the child's memory (`CHILD_SETTID`,
    /// `CHILD_CLEARTID`).
    pub child_tid: usize,
    /// Finds the control group for `INTO_CGROUP`, and says whether the caller may use it.
    pub cgroup: Option<&'a dyn Fn() -> Result<Arc<Cgroup>>>,
    /// The creator's tracer traces the child, too; [`kernel_clone`] finds out by itself.
    pub traced: bool,
}

impl CloneArgs<'_> {
    /// A plain fork.
    pub const FORK: Self = Self {
        flags: CloneFlags::empty(),
        exit_signal: crate::signal::Signal::SIGCHLD.number(),
        kernel: None,
        node: None,
        set_tid: &[],
        parent_tid: 0,
        child_tid: 0,
        cgroup: None,
        traced: false,
    };
}

/// A task that has been made and not yet started. Others can find it already.
#[must_use = "it waits to be woken"]
pub struct NewTask {
    task: TaskRef,
    vfork: Option<Arc<Completion>>,
}

impl NewTask {
    /// The task.
    pub fn task(&self) -> &TaskRef {
        &self.task
    }

    /// Its `Pid`.
    pub fn pid(&self) -> Arc<Pid> {
        Thread::of(&self.task).pid()
    }

    /// Starts it. After a `VFORK`, sleeps until the child has executed a program or ended, or the
    /// caller is killed.
    pub fn wake(self) -> TaskRef {
        sched::wake_up_new_task(&self.task);
        self.wait_for_vfork();
        self.task
    }

    /// Starts it, and sleeps until `condition` gives a value: see [`sched::wake_and_wait`]. Not after a `VFORK`.
    ///
    /// # Errors
    /// As there.
    pub fn wake_and_wait<T>(
        self,
        sleep: Sleep,
        condition: impl FnMut() -> Option<T>,
    ) -> core::result::Result<T, WaitError> {
        debug_assert!(self.vfork.is_none(), "its creator waits for something else");
        sched::wake_and_wait(self.task, state::NEW, sleep, condition)
    }

    /// Waits until the child of a `vfork` has left the memory. False: the caller was killed; the
    /// child goes on alone, and completes what nobody waits for.
    fn wait_for_vfork(&self) -> bool {
        self.vfork.as_ref().is_none_or(|done| done.wait_killable().is_ok())
    }
}

/// Something that the creator of a task prepares and that is undone if the task cannot be made,
/// such as a descriptor for its pidfd: dropped, it undoes itself.
pub trait Reservation {
    /// The task is there; what was prepared stays.
    fn commit(self);
}

/// Nothing was prepared.
impl Reservation for () {
    fn commit(self) {}
}

/// Perhaps something was prepared.
impl<R: Reservation> Reservation for Option<R> {
    fn commit(self) {
        if let Some(reservation) = self {
            reservation.commit();
        }
    }
}

/// Makes a task. `start` is what it does; what it returns is its exit code, as `wait` shows it. May
/// sleep.
///
/// # Errors
/// EINVAL: flags that do not go together. EPERM: privilege is missing. EAGAIN: too many tasks, or
/// no number left. ENOMEM. ERESTARTNOINTR: the caller has a signal to take first. EACCES, EOPNOTSUPP, ENODEV: the control
/// group. Those of `prepare`, which sees the child's `Pid` before anybody can find it.
pub fn copy_process<R: Reservation>(
    args: &CloneArgs<'_>,
    start: impl FnOnce() -> u32 + Send + 'static,
    prepare: impl FnOnce(&Arc<Pid>) -> Result<R>,
) -> Result<NewTask> {
    let start = Box::new(move || {
        first_steps();
        let code = start();
        exit::leave(code);
    });
    let (mut prepare, mut prepared) = (Some(prepare), None);
    let new = copy_process_boxed(args, start, &mut |pid| {
        if let Some(prepare) = prepare.take() {
            prepared = Some(prepare(pid)?);
        }
        Ok(())
    })?;
    prepared.commit();
    Ok(new)
}

fn copy_process_boxed(
    args: &CloneArgs<'_>,
    start: Box<dyn FnOnce() + Send>,
    prepare: &mut dyn FnMut(&Arc<Pid>) -> Result<()>,
) -> Result<NewTask> {
    let flags = args.flags;
    flags.validate()?;
    let me = sched::current_ref();
    let creator = Thread::of(&me);
    check_place(flags, creator)?;
    // The number before the look: see `link`.
    let shared_signals = creator.process().shared_signals();
    if me.signal_pending() {
        return Err(Errno::ERESTARTNOINTR);
    }
    let mut resources = creator.resources();
    check_number_of_tasks(creator, &resources)?;
    if fault::should_fail(Point::Task) {
        return Err(Errno::ENOMEM);
    }
    memory::require_free()?;
    resources.namespaces = copy_namespaces(flags, &resources)?;
    let new_pid = allocate_pid(args, &resources)?;
    copy_resources(flags, &mut resources)?;
    let now = time::monotonic();
    let process = if flags.contains(CloneFlags::THREAD) {
        creator.process().clone()
    } else {
        new_process(args, creator, new_pid.pid().clone(), now)
    };
    let mm = resources.mm.clone();
    // A second user of the same memory must not run handlers on the same stack; a vfork child has
    // it to itself.
    let keeps_stack = !flags.contains(CloneFlags::VM) || flags.contains(CloneFlags::VFORK);
    let vfork = flags.contains(CloneFlags::VFORK).then(|| Arc::new(Completion::new()));
    let thread = Arc::new(Thread::new(NewThread {
        pid: new_pid.pid().clone(),
        process,
        signals: ThreadSignals::for_child(creator, keeps_stack),
        files: copy_files(flags, creator),
        resources,
        vfork_done: vfork.clone(),
        personality: creator.personality(),
        start_time: now,
    }));
    if flags.contains(CloneFlags::CHILD_SETTID) {
        thread.set_child_tid(args.child_tid);
    }
    if flags.contains(CloneFlags::CHILD_CLEARTID) {
        thread.set_clear_child_tid(args.child_tid);
    }
    let task = new_task(args, &me, new_pid.pid().number(), now, start)?;
    if !flags.contains(CloneFlags::VM)
        && let Some((area, signature)) = creator.rseq().registration()
    {
        thread.rseq().register(&task, area, signature);
    }
    if let Some(mm) = mm {
        task.set_address_space(Some(mm.address_space().clone()));
    }
    let thread = task.attach_shared(Slot::Process, thread);
    prepare(new_pid.pid())?;
    let cgroup = crate::membership::for_child(args, creator)?;
    link(args, (&me, creator), (&task, thread), new_pid, shared_signals, cgroup.as_ref())?;
    if let Some(cgroup) = cgroup {
        cgroup.tell();
    }
    let record = || {
        let (parent_comm, parent_pid, _) = me.trace_identity();
        let (child_comm, child_pid, _) = task.trace_identity();
        SchedProcessFork { parent_comm, parent_pid, child_comm, child_pid }
    };
    let made = || crate::tracepoints::made(&task, args.flags, args.exit_signal);
    SCHED_PROCESS_FORK.record_and_observe(made, record, || crate::events::forked(&task));
    Ok(NewTask { task, vfork })
}

/// Where the creator stands may forbid what the flags ask.
fn check_place(flags: CloneFlags, creator: &Thread) -> Result<()> {
    let pid = creator.process().pid();
    if flags.contains(CloneFlags::PARENT) && pid.is_namespace_init() {
        // A sibling of a namespace's first process would have nobody to go to.
        return Err(Errno::EINVAL);
    }
    if flags.contains(CloneFlags::THREAD) {
        let ours = pid.namespace();
        let childrens = &creator.namespaces().pid_for_children;
        if ours.is_some_and(|ours| !Arc::ptr_eq(ours, childrens)) {
            return Err(Errno::EINVAL);
        }
    }
    Ok(())
}

/// What every new task does first, on its own stack.
#[inline]
fn first_steps() {
    let me = sched::current();
    let thread = Thread::of(&me);
    if thread.has_set_child_tid() {
        set_child_tid(thread);
    }
}

fn set_child_tid(thread: &Thread) {
    let address = thread.take_set_child_tid();
    if let Some(namespace) = thread.pid().namespace() {
        let number = thread.number_in(namespace);
        // A bad address is the program's loss, as in Linux.
        let _ = machine::user::copy_to(address, &number.to_ne_bytes());
    }
}

/// Makes a task, starts it, and returns its number in the caller's PID namespace. For a `VFORK`,
/// when the child has let go.
///
/// # Errors
/// As [`copy_process`].
pub fn kernel_clone<R: Reservation>(
    args: &CloneArgs<'_>,
    start: impl FnOnce() -> u32 + Send + 'static,
    prepare: impl FnOnce(&Arc<Pid>) -> Result<R>,
    context: &mut UserContext,
) -> Result<u32> {
    let event = ptrace::clone_event(args.flags, args.exit_signal);
    let new = copy_process(&CloneArgs { traced: event.is_some(), ..*args }, start, prepare)?;
    let pid = new.pid();
    let number = match crate::current_process().pid().namespace() {
        Some(namespace) => pid.number_in(namespace),
        None => pid.number(),
    };
    if args.flags.contains(CloneFlags::PARENT_SETTID) {
        // Too late to fail for a bad address, as in Linux.
        let _ = machine::user::copy_to(args.parent_tid, &number.to_ne_bytes());
    }
    sched::wake_up_new_task(&new.task);
    if let Some(event) = event {
        tell_tracer(event, &pid, context);
    }
    if new.vfork.is_some() && new.wait_for_vfork() {
        tell_tracer(Event::VforkDone, &pid, context);
    }
    Ok(number)
}

/// An event about a child of the running thread.
fn tell_tracer(event: Event, child: &Pid, context: &mut UserContext) {
    let me = sched::current();
    let thread = Thread::of(&me);
    if thread.is_traced() {
        let number = ptrace::number_for_tracer(thread, child);
        ptrace::event_stop(event, number.into(), context);
    }
}
