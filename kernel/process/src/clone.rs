//! Making a task: what `fork`, `vfork`, `clone`, `clone3` and
//! [`kernel_thread`](fn@crate::kernel_thread) have in common.
//!
//! [`copy_process`] makes a task that can be found and does not run; [`NewTask::wake`] starts it.
//! Everything that can fail comes before the new task is put into the process table, and each part
//! that was made by then gives itself back when it is dropped.

use alloc::boxed::Box;
use alloc::sync::Arc;

use cgroup::Cgroup;
use errno::{Errno, Result};
use fault::Point;
use fs::Capabilities;
use machine::NodeId;
use machine::user::UserContext;
use sched::{Attributes, Completion, CpuMask, Slot, Task, TaskFlags, TaskRef};
use trace::{SCHED_PROCESS_FORK, SchedProcessFork};

use crate::exit;
use crate::flags::CloneFlags;
use crate::namespace::Namespaces;
use crate::pid::{NewPid, Pid};
use crate::process::{NewProcess, Process};
use crate::ptrace::{self, Event, Inherited};
use crate::rlimit::Resource;
use crate::signal::{self, ThreadSignals};
use crate::table::tasklist;
use crate::thread::{NewThread, Resources, Thread};

/// What is asked of a clone.
#[derive(Clone, Copy)]
pub struct CloneArgs<'a> {
    /// What to share.
    pub flags: CloneFlags,
    /// What the parent gets at the child's end; 0 for no signal.
    pub exit_signal: u32,
    /// A kernel thread, with this name. Without a name the child takes its creator's.
    pub kernel: Option<&'a [u8]>,
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
    let namespaces = copy_namespaces(flags, &resources)?;
    if !args.set_tid.is_empty() {
        if args.set_tid.len() > namespaces.pid_for_children.level() + 1 {
            return Err(Errno::EINVAL);
        }
        resources.credentials.require(Capabilities::SYS_ADMIN)?;
    }
    let new_pid = NewPid::allocate(&namespaces.pid_for_children, args.set_tid)?;
    resources.namespaces = namespaces;
    copy_resources(flags, &mut resources)?;
    let files = creator.files();
    let files = match flags.contains(CloneFlags::FILES) {
        true => files,
        false => files.map(|files| files.fork_copy()),
    };
    let process = if flags.contains(CloneFlags::THREAD) {
        creator.process().clone()
    } else {
        new_process(args, creator, new_pid.pid().clone())
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
        files,
        resources,
        vfork_done: vfork.clone(),
        personality: creator.personality(),
    }));
    if flags.contains(CloneFlags::CHILD_SETTID) {
        thread.set_child_tid(args.child_tid);
    }
    if flags.contains(CloneFlags::CHILD_CLEARTID) {
        thread.set_clear_child_tid(args.child_tid);
    }
    let task = new_task(args, &me, new_pid.pid().number(), start)?;
    if !flags.contains(CloneFlags::VM)
        && let Some((area, signature)) = creator.rseq().registration()
    {
        thread.rseq().register(&task, area, signature);
    }
    task.set_address_space(mm.map(|mm| mm.address_space().clone()));
    task.attach_shared(Slot::Process, thread);
    prepare(new_pid.pid())?;
    let cgroup = crate::membership::for_child(args, creator)?;
    link(args, &me, &task, new_pid, shared_signals, cgroup.as_ref())?;
    if let Some(cgroup) = cgroup {
        cgroup.tell();
    }
    SCHED_PROCESS_FORK.record(|| {
        let (parent_comm, parent_pid, _) = me.trace_identity();
        let (child_comm, child_pid, _) = task.trace_identity();
        SchedProcessFork { parent_comm, parent_pid, child_comm, child_pid }
    });
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

fn check_number_of_tasks(creator: &Thread, resources: &Resources) -> Result<()> {
    let user = &resources.user;
    if user.uid() == 0 {
        return Ok(());
    }
    let limit = creator.process().limit(Resource::Processes).soft;
    let may_exceed = Capabilities::SYS_RESOURCE | Capabilities::SYS_ADMIN;
    if user.tasks() >= limit && !resources.credentials.effective.intersects(may_exceed) {
        return Err(Errno::EAGAIN);
    }
    Ok(())
}

/// `unshare`, of namespaces: new ones for the running task, and for PIDs for the children that it
/// makes from now on.
///
/// # Errors
/// EINVAL: a namespace that this kernel does not have. EPERM: privilege is missing. ENOSPC: PID
/// namespaces are nested too deep.
pub fn unshare_namespaces(flags: CloneFlags) -> Result<()> {
    let me = sched::current();
    let thread = Thread::of(&me);
    let namespaces = copy_namespaces(flags, &thread.resources())?;
    if flags.contains(CloneFlags::NEWNS)
        && let Some(fs) = thread.fs()
    {
        drop(thread.set_fs(Some(fs.with_own_namespace()?)));
    }
    let old = thread
        .change_resources(|resources| core::mem::replace(&mut resources.namespaces, namespaces));
    drop(old);
    Ok(())
}

/// The child's namespaces. New ones are the child's alone; the creator keeps its own.
fn copy_namespaces(flags: CloneFlags, resources: &Resources) -> Result<Arc<Namespaces>> {
    if !flags.intersects(CloneFlags::NAMESPACES | CloneFlags::NEWUSER) {
        return Ok(resources.namespaces.clone());
    }
    resources.credentials.require(Capabilities::SYS_ADMIN)?;
    flags.validate_namespaces()?;
    let mut namespaces = (*resources.namespaces).clone();
    if flags.contains(CloneFlags::NEWUTS) {
        namespaces.uts = namespaces.uts.copy();
    }
    if flags.contains(CloneFlags::NEWPID) {
        namespaces.pid_for_children = namespaces.pid_for_children.nested()?;
    }
    Ok(Arc::new(namespaces))
}

/// Gives the child copies of its own of what it is not to share.
fn copy_resources(flags: CloneFlags, resources: &mut Resources) -> Result<()> {
    if !flags.contains(CloneFlags::FS)
        && let Some(fs) = &resources.fs
    {
        resources.fs = Some(match flags.contains(CloneFlags::NEWNS) {
            true => fs.with_own_namespace()?,
            false => fs.fork_copy(),
        });
    }
    if !flags.contains(CloneFlags::VM)
        && let Some(mm) = &resources.mm
    {
        resources.mm = Some(mm.fork()?);
    }
    Ok(())
}

fn new_process(args: &CloneArgs<'_>, creator: &Thread, pid: Arc<Pid>) -> Arc<Process> {
    let parent = creator.process();
    let sighand = parent.sighand();
    let sighand = if args.flags.contains(CloneFlags::CLEAR_SIGHAND) {
        sighand.copy_with_defaults()
    } else if args.flags.contains(CloneFlags::SIGHAND) || args.kernel.is_some() {
        // A kernel thread never acts by the table: it may as well share it.
        sighand
    } else {
        sighand.copy()
    };
    Process::new(NewProcess {
        pid,
        sighand,
        limits: parent.limits(),
        exit_signal: if args.flags.contains(CloneFlags::PARENT) {
            parent.exit_signal()
        } else {
            args.exit_signal
        },
        has_subreaper: parent.has_subreaper() || parent.is_subreaper(),
        oom_score_adj: parent.oom_score_adj(),
    })
}

/// What a child does not inherit of its creator's flags.
const NOT_INHERITED: TaskFlags = TaskFlags::KTHREAD
    .union(TaskFlags::IDLE)
    .union(TaskFlags::NO_SETAFFINITY)
    .union(TaskFlags::EXITING)
    .union(TaskFlags::SIGNALED);

fn new_task(
    args: &CloneArgs<'_>,
    creator: &Task,
    pid: u32,
    start: Box<dyn FnOnce() + Send>,
) -> Result<TaskRef> {
    let creators_name;
    let name = match args.kernel {
        Some(name) => name,
        None => {
            creators_name = creator.comm();
            creators_name.as_bytes()
        }
    };
    let mut flags = creator.flags().difference(NOT_INHERITED) | TaskFlags::FORKNOEXEC;
    if args.kernel.is_some() {
        flags |= TaskFlags::KTHREAD;
    }
    let (attributes, allowed) = if creator.is_idle() {
        // The first tasks run like any other, and not only on the boot CPU.
        (Attributes::NORMAL, CpuMask::ALL)
    } else {
        (for_child(creator.attributes()), creator.allowed())
    };
    Task::new(sched::NewTask { pid, name, node: args.node, flags, attributes, allowed, start })
}

/// What a child inherits of its creator's scheduling.
fn for_child(mut attributes: Attributes) -> Attributes {
    if attributes.reset_on_fork {
        attributes.reset_on_fork = false;
        if attributes.policy.is_real_time() {
            return Attributes::NORMAL;
        }
        attributes.nice = attributes.nice.max(0);
    }
    attributes
}

/// Puts the task among the others: from here on it can be found, signalled and waited for.
fn link(
    args: &CloneArgs<'_>,
    creator: &Task,
    task: &TaskRef,
    new_pid: NewPid,
    shared_signals: u32,
    cgroup: Option<&Arc<Cgroup>>,
) -> Result<()> {
    let flags = args.flags;
    let thread = Thread::of(task);
    let process = thread.process();
    let mut table = tasklist();
    // With the table held no signal to a group comes in between: it finds both or only the creator,
    // who then starts over and makes no child that has missed it. Signals to the creator alone wait:
    // a program with a quick timer could not fork otherwise.
    let has_new_shared = Thread::of(creator).process().shared_signals() != shared_signals;
    if creator.fatal_signal_pending() || has_new_shared {
        return Err(Errno::ERESTARTNOINTR);
    }
    let namespace = new_pid.pid().namespace().cloned();
    if namespace.as_ref().is_some_and(|namespace| namespace.is_closed()) {
        return Err(Errno::ENOMEM);
    }
    let inherited = if args.traced || flags.contains(CloneFlags::PTRACE) {
        Inherited::prepare(&table, Thread::of(creator))?
    } else {
        None
    };
    if !flags.contains(CloneFlags::THREAD) {
        let mine = Thread::of(creator).process();
        let parent = if flags.contains(CloneFlags::PARENT) {
            table.parent(mine).cloned().ok_or(Errno::ESRCH)?
        } else {
            mine.clone()
        };
        table.add(process.clone(), &parent, mine, cgroup)?;
        if let Some(namespace) = namespace
            && new_pid.pid().is_namespace_init()
        {
            namespace.set_reaper(Some(process.clone()));
        }
    }
    {
        // From here on whatever happens to all threads happens to this one, too.
        let mut group = process.signals().lock_irq();
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

/// What every new task does first, on its own stack.
fn first_steps() {
    let me = sched::current();
    let thread = Thread::of(&me);
    let address = thread.take_set_child_tid();
    if address != 0
        && let Some(namespace) = thread.pid().namespace()
    {
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
