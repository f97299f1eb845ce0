//! A process: what the threads of a thread group share.
//!
//! A process is made with its first thread, its *leader*, and bears its number. It ends when its
//! last thread has ended, and is gone when somebody has waited for it. See
//! [`Thread`] for a thread's part.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI16, AtomicU32, Ordering};

use sched::{TaskRef, WaitQueue};
use smallvec::SmallVec;
use sync::{LockClass, Once, SpinLock};

use crate::cpu_timer::CpuTimers;
use crate::itimer::IntervalTimers;
use crate::list::Place;
use crate::pid::Pid;
use crate::rlimit::{Limit, Limits, Resource};
use crate::signal::{Action, GroupSignals, JobState, Sighand, Signal};
use crate::thread::{ExitState, Thread};
use crate::usage::Usage;

/// Linux's siglock. Taken inside the process table's lock and in interrupts; `sighand`,
/// `thread.signals`, wait queues and run queues are taken inside.
static SIGNALS_LOCK: LockClass = LockClass::new("process.signals");
/// Taken inside `process.signals`; `sighand` is taken inside.
static SIGHAND_LOCK: LockClass = LockClass::new("process.sighand");
/// Leaves.
static LIMITS_LOCK: LockClass = LockClass::new("process.limits");
static USAGE_LOCK: LockClass = LockClass::new("process.usage");
/// Taken inside the process table's lock; `process.signals` of the tracees is taken inside.
static TRACEES_LOCK: LockClass = LockClass::new("process.tracees");

/// The threads of a process; the leader first.
pub(crate) type Threads = SmallVec<[TaskRef; 1]>;

/// A process. Linux's `signal_struct`, with the process's place in the family.
pub struct Process {
    pid: Arc<Pid>,
    /// Its [`Place`] in the process table. Changed under that table's lock.
    place: AtomicU32,
    /// See [`parent_number`](Self::parent_number). Changed under that table's lock.
    parent_number: AtomicU32,
    signals: SpinLock<GroupSignals>,
    sighand: SpinLock<Arc<Sighand>>,
    limits: SpinLock<Arc<Limits>>,
    /// Where its threads wait for its children (`wait_chldexit`).
    pub(crate) children_changed: WaitQueue,
    /// Woken for each signal, once somebody has asked for it: where `signalfd` waits.
    signalled: Once<Arc<WaitQueue>>,
    /// Threads that have not begun to exit.
    live: AtomicU32,
    /// The signal that its parent gets at its end, 0 for none.
    exit_signal: AtomicU32,
    /// The signal that it gets at the end of the thread that made it, 0 for none.
    parent_death_signal: AtomicU32,
    /// Adopts the orphans among its descendants (`PR_SET_CHILD_SUBREAPER`).
    subreaper: AtomicBool,
    /// Some ancestor is a subreaper: the tree has to be climbed to find out.
    has_subreaper: AtomicBool,
    /// It has executed a program since it was forked: `setpgid` from outside comes too late.
    executed: AtomicBool,
    /// What its ended threads used, and its children that were waited for.
    pub(crate) usage: SpinLock<SharedUsage>,
    oom_score_adj: AtomicI16,
    start_time: u64,
    /// The threads that it traces.
    pub(crate) tracees: SpinLock<Vec<TaskRef>>,
    /// Whether there are any. Changed and read with the process table locked.
    traces: AtomicBool,
    /// Signals that went to several processes at once and to this one: who forks meanwhile starts
    /// over. Changed and read with the process table locked.
    shared_signals: AtomicU32,
    /// How many of its own threads are traced. Changed and read with the process table locked.
    traced: AtomicU32,
    /// What `setitimer` sets, each made at its first use.
    pub(crate) interval_timers: IntervalTimers,
    /// The timers that count its CPU time.
    pub(crate) cpu_timers: CpuTimers,
}

/// Usage that outlives those who caused it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SharedUsage {
    /// By threads of this process that have ended.
    pub(crate) ended_threads: Usage,
    /// By children that were waited for, and theirs.
    pub(crate) children: Usage,
}

/// What a process starts with.
pub(crate) struct NewProcess {
    pub(crate) pid: Arc<Pid>,
    pub(crate) sighand: Arc<Sighand>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) exit_signal: u32,
    pub(crate) has_subreaper: bool,
    pub(crate) oom_score_adj: i16,
    pub(crate) start_time: u64,
}

impl Process {
    pub(crate) fn new(new: NewProcess) -> Arc<Self> {
        Arc::new(Self {
            pid: new.pid,
            place: AtomicU32::new(Place::NOWHERE.number()),
            parent_number: AtomicU32::new(0),
            signals: SpinLock::new(&SIGNALS_LOCK, GroupSignals::new()),
            sighand: SpinLock::new(&SIGHAND_LOCK, new.sighand),
            limits: SpinLock::new(&LIMITS_LOCK, new.limits),
            children_changed: WaitQueue::new(),
            signalled: Once::new(),
            live: AtomicU32::new(0),
            exit_signal: AtomicU32::new(new.exit_signal),
            parent_death_signal: AtomicU32::new(0),
            subreaper: AtomicBool::new(false),
            has_subreaper: AtomicBool::new(new.has_subreaper),
            executed: AtomicBool::new(false),
            usage: SpinLock::new(&USAGE_LOCK, SharedUsage::default()),
            oom_score_adj: AtomicI16::new(new.oom_score_adj),
            start_time: new.start_time,
            tracees: SpinLock::new(&TRACEES_LOCK, Vec::new()),
            traces: AtomicBool::new(false),
            shared_signals: AtomicU32::new(0),
            traced: AtomicU32::new(0),
            interval_timers: IntervalTimers::new(),
            cpu_timers: CpuTimers::new(),
        })
    }

    /// Its number: the thread-group ID.
    pub fn pid(&self) -> &Arc<Pid> {
        &self.pid
    }

    pub(crate) fn place(&self) -> Place {
        Place::from_number(self.place.load(Ordering::Relaxed))
    }

    pub(crate) fn set_place(&self, place: Place) {
        self.place.store(place.number(), Ordering::Relaxed);
    }

    /// Its parent's number as it sees it itself: 0 for the first processes, and for a parent outside its PID namespace. The
    /// table of processes keeps it with the parent, so that asking takes no lock; the answer may be old by the time it arrives, as
    /// any answer to that question.
    #[inline]
    pub fn parent_number(&self) -> u32 {
        self.parent_number.load(Ordering::Relaxed)
    }

    pub(crate) fn set_parent_number(&self, number: u32) {
        self.parent_number.store(number, Ordering::Relaxed);
    }

    pub(crate) fn signals(&self) -> &SpinLock<GroupSignals> {
        &self.signals
    }

    /// What it has chosen to do about signals.
    pub fn sighand(&self) -> Arc<Sighand> {
        self.sighand.lock_irq().clone()
    }

    /// What it has chosen to do about one signal.
    #[inline]
    pub(crate) fn action(&self, signal: Signal) -> Action {
        self.sighand.lock_irq().get(signal)
    }

    pub(crate) fn set_sighand(&self, sighand: Arc<Sighand>) {
        let old = core::mem::replace(&mut *self.sighand.lock_irq(), sighand);
        drop(old);
    }

    /// A resource limit.
    pub fn limit(&self, resource: Resource) -> Limit {
        self.limits.lock_irq().get(resource)
    }

    pub(crate) fn limits(&self) -> Arc<Limits> {
        self.limits.lock_irq().clone()
    }

    /// Sets a resource limit. Who may is the caller's question.
    pub fn set_limit(&self, resource: Resource, limit: Limit) {
        let mut limits = (*self.limits()).clone();
        limits.set(resource, limit);
        let old = core::mem::replace(&mut *self.limits.lock_irq(), Arc::new(limits));
        drop(old);
    }

    /// The leader, until the process has been waited for.
    pub fn leader(&self) -> Option<TaskRef> {
        self.pid.task()
    }

    /// Its threads that have not been released, the leader first. Allocates for more than one.
    pub fn threads(&self) -> SmallVec<[TaskRef; 1]> {
        self.signals.lock_irq().threads.clone()
    }

    /// How many threads it has that have not been released.
    pub fn thread_count(&self) -> usize {
        self.signals.lock_irq().threads.len()
    }

    pub(crate) fn thread_starts(&self) {
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    /// One thread begins to exit; true for the last one.
    pub(crate) fn thread_exits(&self) -> bool {
        // AcqRel: the last one sees what the others did.
        self.live.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Whether every thread has begun to exit.
    pub(crate) fn is_ending(&self) -> bool {
        self.live.load(Ordering::Acquire) == 0
    }

    /// The number of the signal that its parent gets at its end; 0 for none.
    pub fn exit_signal(&self) -> u32 {
        self.exit_signal.load(Ordering::Relaxed)
    }

    pub(crate) fn set_exit_signal(&self, signal: u32) {
        self.exit_signal.store(signal, Ordering::Relaxed);
    }

    /// Whether it adopts the orphans among its descendants.
    pub fn is_subreaper(&self) -> bool {
        self.subreaper.load(Ordering::Relaxed)
    }

    /// Says whether it adopts the orphans among its descendants. Those of its descendants that are
    /// there already hear of it, too.
    pub fn set_subreaper(&self, subreaper: bool) {
        self.subreaper.store(subreaper, Ordering::Relaxed);
        if subreaper {
            crate::reaper::announce_subreaper(self);
        }
    }

    pub(crate) fn set_has_subreaper(&self) {
        self.has_subreaper.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_executed(&self) -> bool {
        self.executed.load(Ordering::Relaxed)
    }

    pub(crate) fn set_executed(&self) {
        self.executed.store(true, Ordering::Relaxed);
    }

    /// `/proc/PID/oom_score_adj`.
    pub fn oom_score_adj(&self) -> i16 {
        self.oom_score_adj.load(Ordering::Relaxed)
    }

    /// Sets `/proc/PID/oom_score_adj`. Who may is the caller's question.
    pub fn set_oom_score_adj(&self, adjustment: i16) {
        self.oom_score_adj.store(adjustment, Ordering::Relaxed);
    }

    /// The signal that it gets at the end of its parent.
    pub fn parent_death_signal(&self) -> Option<Signal> {
        Signal::from_number(self.parent_death_signal.load(Ordering::Relaxed))
    }

    /// Sets the signal that it gets at the end of its parent.
    pub fn set_parent_death_signal(&self, signal: Option<Signal>) {
        self.parent_death_signal.store(signal.map_or(0, Signal::number), Ordering::Relaxed);
    }

    /// What its threads have used, those that have ended included. Any context.
    pub fn usage(&self) -> Usage {
        // A thread that ends goes over from one to the other under this lock.
        let signals = self.signals.lock_irq();
        let mut sum = self.usage.lock_irq().ended_threads;
        for task in &signals.threads {
            if Thread::of(task).exit_state() == ExitState::Alive {
                sum.add(&Usage::of_task(task));
            }
        }
        sum
    }

    /// What children have used that it has waited for, and theirs.
    pub fn children_usage(&self) -> Usage {
        self.usage.lock_irq().children
    }

    pub(crate) fn has_subreaper(&self) -> bool {
        self.has_subreaper.load(Ordering::Relaxed)
    }

    /// Whether it has ended with all its threads and has not been released.
    pub(crate) fn is_waitable_zombie(&self) -> bool {
        self.signals.lock_irq().has_only_a_zombie()
    }

    /// Whether job control has stopped it.
    pub fn is_stopped(&self) -> bool {
        matches!(self.signals.lock_irq().job, JobState::Stopped { .. })
    }

    /// `wait`'s status: that of the whole process if it was ended as one, else the leader's.
    pub(crate) fn final_exit_code(&self, leader: &TaskRef) -> u32 {
        let decided = self.signals.lock_irq().exit;
        decided.unwrap_or_else(|| Thread::of(leader).exit_code())
    }

    /// Whether it traces anybody. The process table is locked.
    pub(crate) fn traces(&self) -> bool {
        self.traces.load(Ordering::Relaxed)
    }

    pub(crate) fn set_traces(&self, traces: bool) {
        self.traces.store(traces, Ordering::Relaxed);
    }

    /// Where to wait for signals of any kind, blocked ones too. May allocate.
    pub fn signalled_queue(&self) -> Arc<WaitQueue> {
        loop {
            if let Some(queue) = self.signalled.get() {
                return queue.clone();
            }
            // Whoever comes second uses the first one's.
            let _ = self.signalled.set(Arc::new(WaitQueue::new()));
        }
    }

    /// A signal waits that did not.
    #[inline]
    pub(crate) fn wake_signalled(&self) {
        if let Some(queue) = self.signalled.get() {
            queue.wake_all();
        }
    }

    /// A number that changes with each signal that goes to several processes and to this one.
    pub(crate) fn shared_signals(&self) -> u32 {
        self.shared_signals.load(Ordering::Relaxed)
    }

    /// One more such signal. The process table is locked.
    pub(crate) fn one_more_shared_signal(&self) {
        self.shared_signals.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether any of its threads is traced. The process table is locked.
    pub(crate) fn is_traced(&self) -> bool {
        self.traced.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn one_more_traced(&self) {
        self.traced.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn one_fewer_traced(&self) {
        self.traced.fetch_sub(1, Ordering::Relaxed);
    }

    /// When it was made, on the monotonic clock.
    pub fn start_time(&self) -> u64 {
        self.start_time
    }
}

/// The process of a task.
pub fn process_of(task: &sched::Task) -> &Arc<Process> {
    Thread::of(task).process()
}

impl core::fmt::Debug for Process {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Process({})", self.pid.number())
    }
}
