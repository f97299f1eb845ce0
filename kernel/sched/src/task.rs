//! A task: anything that the scheduler runs, be it a kernel thread or a user task.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use bitflags::bitflags;
use errno::Errno;
use machine::memory::AddressSpace;
use machine::thread::Context;
use machine::{CpuId, NodeId};
use sync::{AnyOnce, Linked, Links, LockClass, Once, SpinLock};
use time::HrTimer;

use crate::account::Account;
use crate::attributes::{Attributes, Entity, Policy};
use crate::cpumask::CpuMask;
use crate::current::current;
use crate::state::{self, StateWord};
use crate::{places, stack_cache};

/// Leaf locks: held for a few instructions, nothing is taken inside.
static COMM_LOCK: LockClass = LockClass::new("task.comm");
static START_LOCK: LockClass = LockClass::new("task.start");
static SPACE_LOCK: LockClass = LockClass::new("task.address_space");

/// A shared reference to a task, which keeps it in memory. The kernel's structures hold these; what a
/// dead task still owns is little.
pub type TaskRef = Arc<Task>;

/// The longest `comm`, without a final NUL.
pub const COMM_LENGTH: usize = 15;

bitflags! {
    /// What kind of task it is and what it has been through (Linux's `PF_*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TaskFlags: u32 {
        /// Lives in the kernel only.
        const KTHREAD = 1 << 0;
        /// PID 0 of a CPU.
        const IDLE = 1 << 1;
        /// The freezer leaves it alone.
        const NOFREEZE = 1 << 2;
        /// User space may not change its affinity.
        const NO_SETAFFINITY = 1 << 3;
        /// Stays in its control group. Inherited; goes when a kernel thread begins its function.
        const NO_CGROUP_MIGRATION = 1 << 6;
        /// A worker of a workqueue in the middle of a piece of work: its sleeps are told of (`worker.rs`).
        const WQ_WORKER = 1 << 9;
        /// On its way out.
        const EXITING = 1 << 4;
        /// Has not executed a program since it was forked.
        const FORKNOEXEC = 1 << 5;
        /// Has seen to its futexes, on its way out.
        const FUTEXES_RELEASED = 1 << 7;
        /// Killed by a signal.
        const SIGNALED = 1 << 8;
    }
}

/// The task has a signal to take.
pub const SIGNAL_PENDING: u32 = 1 << 0;
/// The task is being killed.
pub const SIGNAL_FATAL: u32 = 1 << 1;
/// The task has registered for restartable sequences, and looks before it goes to user mode whether it was away from its CPU. No
/// signal: it is in the same word so that others look at nothing more.
pub const RSEQ_REGISTERED: u32 = 1 << 2;
/// Its restartable sequence is to start over even if it was not.
pub const RSEQ_RESTART: u32 = 1 << 3;

/// It has used up its budget of the deadline class, and its process wants to know. No signal either, until it is seen.
pub const DEADLINE_OVERRUN: u32 = 1 << 4;

const SIGNALS: u32 = SIGNAL_PENDING | SIGNAL_FATAL;

/// A task's short name, `comm`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Comm {
    length: u8,
    bytes: [u8; COMM_LENGTH],
}

impl Comm {
    /// Cuts a name to what fits.
    pub fn new(name: &[u8]) -> Self {
        let mut comm = Self { length: 0, bytes: [0; COMM_LENGTH] };
        for (place, &byte) in comm.bytes.iter_mut().zip(name).take_while(|(_, byte)| **byte != 0) {
            *place = byte;
            comm.length += 1;
        }
        comm
    }

    /// The name's bytes; user programs choose theirs freely.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.as_bytes().utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("?")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What a new task starts with.
pub struct NewTask {
    /// Its number in the initial PID namespace.
    pub pid: u32,
    /// Its short name.
    pub comm: Comm,
    /// Where its stack comes from; the caller's node if none is given.
    pub node: Option<NodeId>,
    /// Its flags.
    pub flags: TaskFlags,
    /// Policy, nice and real-time priority.
    pub attributes: Attributes,
    /// Where it may run.
    pub allowed: CpuMask,
    /// When it is made, on the monotonic clock.
    pub made_at: u64,
    /// What it does. When the function returns, the task has ended; layers above see to it
    /// that their part of the end (exit status, parent) has been done by then.
    pub start: Box<dyn FnOnce() + Send>,
}

/// Which layer above keeps something with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The process: PID, family, signals, files.
    Process = 0,
    /// The kernel thread's hand-shakes.
    Kthread = 1,
    /// A workqueue's worker.
    Worker = 2,
}

/// A task. See [`state`] for its life as the scheduler sees it.
///
/// All fields are private, and most change only under the lock of the task's run queue; the methods say
/// which may be used by whom.
pub struct Task {
    pid: AtomicU32,
    node: NodeId,
    comm: SpinLock<Comm>,
    flags: AtomicU32,
    signals: AtomicU32,
    pub(crate) state: StateWord,
    /// Is runnable: on a run queue or running. Changed under the run queue's lock.
    pub(crate) on_queue: AtomicBool,
    /// Some CPU is on its stack. Set under the run queue's lock; cleared when the CPU has left the stack (Release),
    /// and whoever would run the task elsewhere waits for that (Acquire).
    pub(crate) on_cpu: AtomicBool,
    /// The CPU it runs on, is queued on, or last ran on. Changed under that CPU's run-queue lock or by the waker that claimed it.
    pub(crate) cpu: AtomicUsize,
    /// Where it may run: a [`CpuMask`]'s bits.
    pub(crate) allowed: AtomicU64,
    pub(crate) entity: Entity,
    pub(crate) account: Account,
    context: Context,
    start: SpinLock<Option<Box<dyn FnOnce() + Send>>>,
    has_space: AtomicBool,
    space: SpinLock<Option<Arc<AddressSpace>>>,
    in_user: AtomicBool,
    pub(crate) held: sync::lockdep::Held,
    pub(crate) sleep_timer: Once<HrTimer>,
    /// Its place on the wait queue or completion that it sleeps on.
    pub(crate) wait_links: Links<Task>,
    /// With the lock of that queue.
    pub(crate) waits_exclusively: AtomicBool,
    slots: [AnyOnce; 3],
}

impl Task {
    /// Makes a task that waits for [`wake_up_new_task`](crate::wake_up_new_task). May sleep.
    ///
    /// # Errors
    /// ENOMEM: no stack.
    pub fn new(new: NewTask) -> Result<TaskRef, Errno> {
        debug_assert!(new.attributes.policy != Policy::Deadline, "a new task has no parameters");
        let node = new.node.unwrap_or_else(|| machine::cpu::node(machine::cpu::id()));
        places::reserve_place()?;
        let stack = stack_cache::allocate(node).inspect_err(|_| places::release_place())?;
        let context = Context::new(stack, crate::schedule::first_steps);
        Ok(Arc::new(Self::build(
            new.pid,
            node,
            new.comm,
            new.flags,
            new.attributes,
            new.allowed,
            new.made_at,
            Some(new.start),
            context,
            state::NEW | state::OFF_QUEUE,
        )))
    }

    /// The idle task of a CPU: never queued, never ends.
    pub(crate) fn idle(cpu: CpuId, context: Context) -> Self {
        let mut name = crate::name::Buffer::<16>::new();
        name.format(format_args!("swapper/{cpu}"));
        let flags =
            TaskFlags::KTHREAD | TaskFlags::IDLE | TaskFlags::NOFREEZE | TaskFlags::NO_SETAFFINITY;
        let task = Self::build(
            0,
            machine::cpu::node(cpu),
            Comm::new(name.as_bytes()),
            flags,
            Attributes::IDLE_TASK,
            CpuMask::of(cpu),
            time::monotonic(),
            None,
            context,
            state::RUNNING,
        );
        task.cpu.store(cpu, Ordering::Relaxed);
        task.on_cpu.store(true, Ordering::Relaxed);
        task
    }

    /// Inlined, so that it is built where it will lie.
    #[expect(clippy::too_many_arguments, reason = "one private call for two kinds of task")]
    #[inline(always)]
    fn build(
        pid: u32,
        node: NodeId,
        comm: Comm,
        flags: TaskFlags,
        attributes: Attributes,
        allowed: CpuMask,
        made_at: u64,
        start: Option<Box<dyn FnOnce() + Send>>,
        context: Context,
        state: u32,
    ) -> Self {
        Self {
            pid: AtomicU32::new(pid),
            node,
            comm: SpinLock::new(&COMM_LOCK, comm),
            flags: AtomicU32::new(flags.bits()),
            signals: AtomicU32::new(0),
            state: StateWord::new(state),
            on_queue: AtomicBool::new(false),
            on_cpu: AtomicBool::new(false),
            cpu: AtomicUsize::new(machine::cpu::id()),
            allowed: AtomicU64::new(allowed.bits()),
            entity: Entity::new(attributes),
            account: Account::new(made_at),
            context,
            start: SpinLock::new(&START_LOCK, start),
            has_space: AtomicBool::new(false),
            space: SpinLock::new(&SPACE_LOCK, None),
            in_user: AtomicBool::new(false),
            held: sync::lockdep::Held::new(),
            sleep_timer: Once::new(),
            wait_links: Links::new(),
            waits_exclusively: AtomicBool::new(false),
            slots: [AnyOnce::new(), AnyOnce::new(), AnyOnce::new()],
        }
    }

    /// The number in the initial PID namespace; 0 for idle tasks.
    pub fn pid(&self) -> u32 {
        self.pid.load(Ordering::Relaxed)
    }

    /// Changes the number: a thread that executes a program takes its leader's over.
    pub fn set_pid(&self, pid: u32) {
        self.pid.store(pid, Ordering::Relaxed);
    }

    /// The node its stack came from.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The short name. Any context.
    pub fn comm(&self) -> Comm {
        *self.comm.lock_irq()
    }

    /// The short name, unless somebody is about to change it. For non-maskable interrupts.
    pub fn try_comm(&self) -> Option<Comm> {
        self.comm.try_copy()
    }

    /// Changes the short name; what does not fit is cut. Any context.
    pub fn set_comm(&self, name: &[u8]) {
        *self.comm.lock_irq() = Comm::new(name);
    }

    /// The flags as they are now.
    pub fn flags(&self) -> TaskFlags {
        TaskFlags::from_bits_truncate(self.flags.load(Ordering::Relaxed))
    }

    /// Sets flags.
    pub fn add_flags(&self, flags: TaskFlags) {
        self.flags.fetch_or(flags.bits(), Ordering::Relaxed);
    }

    /// Clears flags.
    pub fn remove_flags(&self, flags: TaskFlags) {
        self.flags.fetch_and(!flags.bits(), Ordering::Relaxed);
    }

    /// Whether it lives in the kernel only.
    pub fn is_kthread(&self) -> bool {
        self.flags().contains(TaskFlags::KTHREAD)
    }

    /// Whether it is a CPU's idle task.
    pub fn is_idle(&self) -> bool {
        self.flags().contains(TaskFlags::IDLE)
    }

    /// The state's bits, those of [`state`].
    pub fn state(&self) -> u32 {
        self.state.load()
    }

    /// The CPU it runs on, waits on, or last ran on.
    pub fn cpu(&self) -> CpuId {
        self.cpu.load(Ordering::Relaxed)
    }

    /// Whether a CPU is on its stack right now.
    pub fn is_on_cpu(&self) -> bool {
        self.on_cpu.load(Ordering::Acquire)
    }

    /// Whether it is runnable.
    pub fn is_queued(&self) -> bool {
        self.on_queue.load(Ordering::Relaxed)
    }

    /// Where it may run.
    pub fn allowed(&self) -> CpuMask {
        // SeqCst: see `affinity.rs`.
        CpuMask::from_bits(self.allowed.load(Ordering::SeqCst))
    }

    /// Whether a signal, fatal or not, waits to be taken. SeqCst on both sides: a sender sets this before it looks at
    /// the state, a sleeper sets its state before it looks here.
    pub fn signal_pending(&self) -> bool {
        self.signals.load(Ordering::SeqCst) & SIGNALS != 0
    }

    /// What there is to look at before the task goes to user mode: signals and restartable sequences.
    #[inline]
    pub fn return_work(&self) -> u32 {
        self.signals.load(Ordering::SeqCst)
    }

    /// How often it has left a CPU.
    #[inline]
    pub fn switches(&self) -> u64 {
        self.account.switches()
    }

    /// Whether the task is being killed.
    pub fn fatal_signal_pending(&self) -> bool {
        self.signals.load(Ordering::SeqCst) & SIGNAL_FATAL != 0
    }

    /// Sets [`SIGNAL_PENDING`], [`SIGNAL_FATAL`] and the like. For signals, the caller then wakes the task as fits ([`crate::wake_up_state`]).
    pub fn add_signal(&self, bits: u32) {
        self.signals.fetch_or(bits, Ordering::SeqCst);
    }

    /// Clears bits set by [`add_signal`](Self::add_signal).
    pub fn remove_signal(&self, bits: u32) {
        self.signals.fetch_and(!bits, Ordering::SeqCst);
    }

    /// Whether a sleep in `state` would be ended at once by a signal.
    pub(crate) fn signal_wakes(&self, state: u32) -> bool {
        let signals = self.signals.load(Ordering::SeqCst) & SIGNALS;
        signals != 0
            && (state & state::INTERRUPTIBLE != 0
                || state & state::WAKEKILL != 0 && signals & SIGNAL_FATAL != 0)
    }

    /// The saved registers and the stack.
    pub fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) fn take_start(&self) -> Option<Box<dyn FnOnce() + Send>> {
        self.start.lock_irq().take()
    }

    /// Its user address space: none for a kernel thread (but see [`use_address_space`](crate::use_address_space)).
    pub fn address_space(&self) -> Option<Arc<AddressSpace>> {
        if !self.has_space.load(Ordering::Acquire) {
            return None;
        }
        self.space.lock_irq().clone()
    }

    /// Gives a task that does not run its address space. A running one calls
    /// [`use_address_space`](crate::use_address_space).
    pub fn set_address_space(&self, space: Option<Arc<AddressSpace>>) {
        self.has_space.store(space.is_some(), Ordering::Release);
        let old = core::mem::replace(&mut *self.space.lock_irq(), space);
        drop(old);
    }

    /// Says whether the task is in user mode, for the tick's account of its time.
    #[inline]
    pub fn set_in_user(&self, in_user: bool) {
        self.in_user.store(in_user, Ordering::Relaxed);
    }

    pub(crate) fn is_in_user(&self) -> bool {
        self.in_user.load(Ordering::Relaxed)
    }

    /// Keeps a layer's data with the task; once for each slot.
    ///
    /// # Panics
    /// If the slot is taken.
    pub fn attach<T: Any + Send + Sync>(&self, slot: Slot, value: T) {
        self.attach_shared(slot, Arc::new(value));
    }

    /// As [`attach`](Self::attach), for data that somebody else holds, too. Shows it.
    ///
    /// # Panics
    /// If the slot is taken.
    pub fn attach_shared<T: Any + Send + Sync>(&self, slot: Slot, value: Arc<T>) -> &T {
        let attached = self.slots[slot as usize].set(value);
        attached.unwrap_or_else(|| panic!("a task's {slot:?} slot was filled twice"))
    }

    /// A layer's data, if it has been attached and is of this type.
    #[inline]
    pub fn attached<T: Any + Send + Sync>(&self, slot: Slot) -> Option<&T> {
        self.slots[slot as usize].get()
    }

    /// A layer's data, to keep, if it has been attached and is of this type.
    pub fn attached_shared<T: Any + Send + Sync>(&self, slot: Slot) -> Option<Arc<T>> {
        self.slots[slot as usize].get_shared()
    }

    /// Whether it stands on a wait queue: asleep there, or about to be.
    pub fn is_on_wait_queue(&self) -> bool {
        self.wait_links.is_linked()
    }

    /// The list of sleeping locks it holds, for the lock checker.
    pub fn held_locks(&self) -> &sync::lockdep::Held {
        &self.held
    }
}

impl Linked for Task {
    fn links(&self) -> &Links<Self> {
        &self.wait_links
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        crate::deadline::close(self);
        if let Some(stack) = self.context.take_stack() {
            stack_cache::recycle(stack);
        }
        if !self.is_idle() {
            places::release_place();
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.comm(), self.pid())
    }
}

/// Names the running task for the lock checker's reports.
pub(crate) fn name_running(f: &mut dyn fmt::Write) {
    let _ = write!(f, "{:?}", &*current());
}
