//! What a task is beyond what the scheduler knows: a thread of a process.
//!
//! ```text
//!   copy_process ──> Alive ──exit──> Zombie ──waited for──> Dead
//!                      └── exit, nobody to wait for it ──────^
//! ```
//!
//! `Zombie` is the leader of a process whose parent has not waited for it. Every other thread, and
//! a leader whose parent does not care, goes straight to `Dead` and releases itself.

use alloc::sync::Arc;
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use errno::{Errno, Result};
use fs::{Credentials, Fd, File, FileTable, FsContext};
use sched::{Completion, Slot, Task};
use sync::{LockClass, SpinLock};
use vm::Mm;

use crate::namespace::{Namespaces, PidNamespace, UtsNamespace};
use crate::pid::Pid;
use crate::process::Process;
use crate::ptrace::TraceFlags;
use crate::rseq::Rseq;
use crate::signal::{SigSet, ThreadSignals};
use crate::user::User;

/// Leaves.
static PID_LOCK: LockClass = LockClass::new("thread.pid");
static RESOURCES_LOCK: LockClass = LockClass::new("thread.resources");
/// The table's own lock is taken inside.
static FILES_LOCK: LockClass = LockClass::new("thread.files");
/// Taken inside `process.signals`.
static THREAD_SIGNALS_LOCK: LockClass = LockClass::new("thread.signals");

/// How far a thread has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitState {
    /// It has not ended.
    Alive = 0,
    /// It has ended, and somebody has yet to wait for it.
    Zombie = 1,
    /// It has ended and is nobody's concern any more.
    Dead = 2,
}

impl ExitState {
    const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Alive,
            1 => Self::Zombie,
            _ => Self::Dead,
        }
    }
}

/// What a thread shares with others or has for itself; each part is shared until somebody unshares
/// it.
#[derive(Clone)]
pub struct Resources {
    /// Who it is.
    pub credentials: Arc<Credentials>,
    /// Whose RLIMIT_NPROC it counts against: the real user.
    pub(crate) user: Arc<User>,
    /// Its root, working directory and umask. None once it is exiting.
    pub fs: Option<Arc<FsContext>>,
    /// Its user memory. None for a kernel thread, and once it is exiting.
    pub mm: Option<Arc<Mm>>,
    /// Its namespaces.
    pub namespaces: Arc<Namespaces>,
}

/// What is under a thread's `resources` lock (Linux's `alloc_lock`).
struct Held {
    resources: Resources,
    /// Completed when this thread has left the memory that it has from its parent by `vfork`.
    vfork_done: Option<Arc<Completion>>,
}

/// A thread's data; attached to its task, and gone with it.
pub struct Thread {
    /// Changes hands when a thread that is not the leader executes a program.
    pid: SpinLock<Arc<Pid>>,
    /// Its number is its process's. Changes with `pid`.
    is_leader: AtomicBool,
    process: Arc<Process>,
    exit_state: AtomicU8,
    exit_code: AtomicU32,
    pub(crate) signals: SpinLock<ThreadSignals>,
    /// The signals that a kernel thread has allowed (K9).
    allowed_signals: AtomicU64,
    /// Its open files. None once it is exiting. Apart from the rest, because nearly every system call looks here.
    files: SpinLock<Option<Arc<FileTable>>>,
    held: SpinLock<Held>,
    /// Where the user memory among them is, 0 for none. Changes with it, under the lock.
    mm_identity: AtomicUsize,
    /// Where to write 0, and wake a futex, at the thread's end; 0 for nowhere.
    clear_child_tid: AtomicUsize,
    /// Where to write the thread's number when it starts; 0 for nowhere.
    set_child_tid: AtomicUsize,
    robust_list: AtomicUsize,
    rseq: Rseq,
    personality: AtomicU32,
    /// [`TraceFlags`]. Changed with the signals locked, or by the tracer while it is stopped.
    trace_flags: AtomicU32,
    start_time: u64,
}

/// What a thread starts with.
pub(crate) struct NewThread {
    pub(crate) pid: Arc<Pid>,
    pub(crate) process: Arc<Process>,
    pub(crate) signals: ThreadSignals,
    pub(crate) files: Option<Arc<FileTable>>,
    pub(crate) resources: Resources,
    pub(crate) vfork_done: Option<Arc<Completion>>,
    pub(crate) personality: u32,
    pub(crate) start_time: u64,
}

/// The address of the memory's own record: no two that live have the same.
fn identity(mm: Option<&Arc<Mm>>) -> usize {
    mm.map_or(0, |mm| Arc::as_ptr(mm).addr())
}

impl Thread {
    /// Inlined, so that it is built where it will lie.
    #[inline(always)]
    pub(crate) fn new(new: NewThread) -> Self {
        new.resources.user.task_made();
        let mm_identity = AtomicUsize::new(identity(new.resources.mm.as_ref()));
        let held = Held { resources: new.resources, vfork_done: new.vfork_done };
        Self {
            is_leader: AtomicBool::new(Arc::ptr_eq(&new.pid, new.process.pid())),
            pid: SpinLock::new(&PID_LOCK, new.pid),
            process: new.process,
            exit_state: AtomicU8::new(ExitState::Alive as u8),
            exit_code: AtomicU32::new(0),
            signals: SpinLock::new(&THREAD_SIGNALS_LOCK, new.signals),
            allowed_signals: AtomicU64::new(0),
            files: SpinLock::new(&FILES_LOCK, new.files),
            held: SpinLock::new(&RESOURCES_LOCK, held),
            mm_identity,
            clear_child_tid: AtomicUsize::new(0),
            set_child_tid: AtomicUsize::new(0),
            robust_list: AtomicUsize::new(0),
            rseq: Rseq::none(),
            personality: AtomicU32::new(new.personality),
            trace_flags: AtomicU32::new(0),
            start_time: new.start_time,
        }
    }

    /// A task's thread.
    ///
    /// # Panics
    /// For a task that this crate did not make: an idle task other than the boot CPU's.
    #[inline]
    pub fn of(task: &Task) -> &Self {
        Self::try_of(task).expect("the task is a thread of a process")
    }

    /// A task's thread; none for the idle tasks of other CPUs than the first.
    #[inline]
    pub fn try_of(task: &Task) -> Option<&Self> {
        task.attached(Slot::Process)
    }

    /// Its number.
    pub fn pid(&self) -> Arc<Pid> {
        self.pid.lock_irq().clone()
    }

    pub(crate) fn set_pid(&self, pid: Arc<Pid>) -> Arc<Pid> {
        let is_leader = Arc::ptr_eq(&pid, self.process.pid());
        self.is_leader.store(is_leader, Ordering::Relaxed);
        core::mem::replace(&mut *self.pid.lock_irq(), pid)
    }

    /// Its number as `namespace` sees it; 0 if it does not.
    pub fn number_in(&self, namespace: &PidNamespace) -> u32 {
        self.pid.lock_irq().number_in(namespace)
    }

    /// The process it belongs to.
    #[inline]
    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// Whether it is its process's leader.
    pub fn is_leader(&self) -> bool {
        self.is_leader.load(Ordering::Relaxed)
    }

    /// How far it has come.
    pub fn exit_state(&self) -> ExitState {
        // Acquire pairs with `set_exit_state`: whoever sees the end sees the exit code.
        ExitState::from_number(self.exit_state.load(Ordering::Acquire))
    }

    pub(crate) fn set_exit_state(&self, state: ExitState) {
        self.exit_state.store(state as u8, Ordering::Release);
    }

    /// `wait`'s status; meaningful once it has ended.
    pub fn exit_code(&self) -> u32 {
        self.exit_code.load(Ordering::Relaxed)
    }

    pub(crate) fn set_exit_code(&self, code: u32) {
        self.exit_code.store(code, Ordering::Relaxed);
    }

    /// What it shares and has, but for its files. A copy of the references; to look at one of them, the methods below
    /// are cheaper.
    pub fn resources(&self) -> Resources {
        self.held.lock_irq().resources.clone()
    }

    /// Changes what it has. `change` runs with interrupts off and must not drop what it replaces
    /// there: it returns it.
    pub(crate) fn change_resources<R>(&self, change: impl FnOnce(&mut Resources) -> R) -> R {
        change(&mut self.held.lock_irq().resources)
    }

    /// Who it is.
    pub fn credentials(&self) -> Arc<Credentials> {
        self.held.lock_irq().resources.credentials.clone()
    }

    /// Where it is and who it is, for a call that names files. The first is none once it is exiting.
    pub fn fs_and_credentials(&self) -> (Option<Arc<FsContext>>, Arc<Credentials>) {
        let held = self.held.lock_irq();
        (held.resources.fs.clone(), held.resources.credentials.clone())
    }

    /// Counts the thread for another user from now on; the caller changes the resources
    /// accordingly.
    pub(crate) fn count_for(&self, user: &User) {
        user.task_made();
        self.user().task_gone();
    }

    /// The user that it counts for: the real one.
    pub fn user(&self) -> Arc<User> {
        self.held.lock_irq().resources.user.clone()
    }

    /// The number of the user whom it counts against.
    pub(crate) fn uid(&self) -> u32 {
        self.held.lock_irq().resources.user.uid()
    }

    /// Its open files; none once it is exiting. Not in interrupts.
    pub fn files(&self) -> Option<Arc<FileTable>> {
        self.files.lock().clone()
    }

    /// What one of its descriptors has open. Not in interrupts.
    ///
    /// # Errors
    /// EBADF.
    #[inline]
    pub fn file(&self, fd: Fd) -> Result<Arc<File>> {
        // Without a reference to the table of one's own: the lock keeps it there.
        self.files.lock().as_ref().ok_or(Errno::EBADF)?.get(fd)
    }

    /// Its root, working directory and umask; none once it is exiting.
    pub fn fs(&self) -> Option<Arc<FsContext>> {
        self.held.lock_irq().resources.fs.clone()
    }

    /// Its user memory; none for a kernel thread, and once it is exiting.
    pub fn mm(&self) -> Option<Arc<Mm>> {
        self.held.lock_irq().resources.mm.clone()
    }

    /// A number that its user memory has while it lives, and no other at the same time; none if it has no memory. Takes no lock:
    /// only the running thread itself can rely on the answer.
    pub fn mm_identity(&self) -> Option<NonZeroUsize> {
        NonZeroUsize::new(self.mm_identity.load(Ordering::Relaxed))
    }

    /// Replaces its open files and returns the old ones: `unshare`, `execve`.
    pub fn set_files(&self, files: Option<Arc<FileTable>>) -> Option<Arc<FileTable>> {
        core::mem::replace(&mut *self.files.lock(), files)
    }

    /// Takes its file system context, and says whether it has memory of its own, or of somebody who waits to get it back.
    pub(crate) fn take_fs(&self) -> (Option<Arc<FsContext>>, bool) {
        let mut held = self.held.lock_irq();
        let has_memory = held.resources.mm.is_some() || held.vfork_done.is_some();
        (held.resources.fs.take(), has_memory)
    }

    /// Replaces its file system context and returns the old one.
    pub fn set_fs(&self, fs: Option<Arc<FsContext>>) -> Option<Arc<FsContext>> {
        self.change_resources(|resources| core::mem::replace(&mut resources.fs, fs))
    }

    pub(crate) fn set_mm(&self, mm: Option<Arc<Mm>>) -> Option<Arc<Mm>> {
        self.change_resources(|resources| {
            self.mm_identity.store(identity(mm.as_ref()), Ordering::Relaxed);
            core::mem::replace(&mut resources.mm, mm)
        })
    }

    /// Gives it other namespaces.
    pub(crate) fn change_namespaces(&self, change: impl FnOnce(&mut Namespaces)) {
        let mut namespaces = (*self.namespaces()).clone();
        change(&mut namespaces);
        let new = Arc::new(namespaces);
        drop(self.change_resources(|resources| core::mem::replace(&mut resources.namespaces, new)));
    }

    /// Its namespaces.
    pub fn namespaces(&self) -> Arc<Namespaces> {
        self.held.lock_irq().resources.namespaces.clone()
    }

    /// The host's name for it.
    pub fn uts(&self) -> Arc<UtsNamespace> {
        self.held.lock_irq().resources.namespaces.uts.clone()
    }

    /// The signals that a kernel thread has allowed.
    pub(crate) fn allowed_signals(&self) -> SigSet {
        SigSet::from_bits(self.allowed_signals.load(Ordering::Relaxed))
    }

    pub(crate) fn set_allowed_signals(&self, signals: SigSet) {
        self.allowed_signals.store(signals.bits(), Ordering::Relaxed);
    }

    pub(crate) fn take_vfork_done(&self) -> Option<Arc<Completion>> {
        self.held.lock_irq().vfork_done.take()
    }

    pub(crate) fn set_child_tid(&self, address: usize) {
        self.set_child_tid.store(address, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn has_set_child_tid(&self) -> bool {
        self.set_child_tid.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn take_set_child_tid(&self) -> usize {
        self.set_child_tid.swap(0, Ordering::Relaxed)
    }

    /// Where 0 is written, and a futex woken, at the thread's end; 0 for nowhere.
    pub fn clear_child_tid(&self) -> usize {
        self.clear_child_tid.load(Ordering::Relaxed)
    }

    /// `set_tid_address`.
    pub fn set_clear_child_tid(&self, address: usize) {
        self.clear_child_tid.store(address, Ordering::Relaxed);
    }

    /// The head of the list of robust futexes in user memory; 0 for none.
    pub fn robust_list(&self) -> usize {
        self.robust_list.load(Ordering::Relaxed)
    }

    /// `set_robust_list`.
    pub fn set_robust_list(&self, address: usize) {
        self.robust_list.store(address, Ordering::Relaxed);
    }

    /// What it has registered for restartable sequences.
    #[inline]
    pub fn rseq(&self) -> &Rseq {
        &self.rseq
    }

    /// What it has to look out for on a tracer's behalf.
    #[inline]
    pub fn trace_flags(&self) -> TraceFlags {
        TraceFlags::from_bits_retain(self.trace_flags.load(Ordering::Relaxed))
    }

    /// Whether somebody traces it.
    #[inline]
    pub fn is_traced(&self) -> bool {
        self.trace_flags().contains(TraceFlags::TRACED)
    }

    pub(crate) fn set_trace_flags(&self, flags: TraceFlags) {
        self.trace_flags.store(flags.bits(), Ordering::Relaxed);
    }

    /// `personality`.
    pub fn personality(&self) -> u32 {
        self.personality.load(Ordering::Relaxed)
    }

    /// Sets `personality` and returns what it was.
    pub fn set_personality(&self, personality: u32) -> u32 {
        self.personality.swap(personality, Ordering::Relaxed)
    }

    /// When it was made, on the monotonic clock.
    pub fn start_time(&self) -> u64 {
        self.start_time
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.held.get_mut().resources.user.task_gone();
    }
}
