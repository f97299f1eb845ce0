//! The record of a kernel thread: what is asked of it, and how it ended.
//!
//! One word holds what the two sides tell each other:
//!
//! | bit | set by | cleared by |
//! |---|---|---|
//! | `STARTED` | the holder, at the first wake-up | nobody |
//! | `STOP` | the holder | nobody |
//! | `PARK` | who parks | who unparks or stops |
//! | `PARKED` | the thread, while `PARK` is set, in the same step | the thread, while `PARK` is clear, in the same step |
//!
//! "In the same step" is what makes `PARK` and `PARKED` together mean *is parked and stays so*: a thread that leaves cannot
//! miss a new request to park, because its exchange fails then.

use core::fmt;
use core::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicUsize, Ordering};

use machine::CpuId;
use sched::{CpuMask, NameBuffer, Sleep, Slot, Task, TaskRef, WaitQueue, state};
use sync::{Linked, Links, LockClass, SpinLock};

use crate::request::Request;

/// A leaf lock.
static JOINER_LOCK: LockClass = LockClass::new("kthread.joiner");

pub(crate) const STARTED: u32 = 1 << 0;
pub(crate) const STOP: u32 = 1 << 1;
pub(crate) const PARK: u32 = 1 << 2;
pub(crate) const PARKED: u32 = 1 << 3;

/// How much of a thread's full name is kept.
pub const NAME_LENGTH: usize = 63;

/// The longest name that formatting produces.
pub(crate) type Name = NameBuffer<NAME_LENGTH>;

/// How a thread's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum End {
    /// It has not.
    Running = 0,
    /// Its function returned a result.
    Returned = 1,
    /// It was stopped before its function began.
    NeverRan = 2,
    /// Its function panicked.
    Panicked = 3,
}

impl End {
    fn from_stored(number: u8) -> Self {
        match number {
            1 => Self::Returned,
            2 => Self::NeverRan,
            3 => Self::Panicked,
            _ => Self::Running,
        }
    }
}

/// The thread has a stack and may run.
const STAYS: u8 = 0;
/// It is about to leave its stack for the last time.
const LEAVES: u8 = 1;
/// It has left, and its task has been given back.
const GONE: u8 = 2;

/// Records that exist, for leak checks.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// How many kernel threads' records exist: threads that are being made or have not ended, and ended ones that somebody still holds.
pub fn live_threads() -> usize {
    LIVE.load(Ordering::SeqCst)
}

/// A kernel thread's record, made by who wants the thread. The thread's task holds one reference, its holder another.
pub(crate) struct Record {
    /// Its place on `kthread_create_list`.
    links: Links<Record>,
    /// The hand-shake by which it is made.
    pub(crate) request: Request,
    name: Name,
    word: AtomicU32,
    end: AtomicU8,
    result: AtomicI32,
    /// [`STAYS`], then [`LEAVES`], then [`GONE`].
    departure: AtomicU8,
    /// Who waits for it to be gone: whoever had the handle.
    joiner: SpinLock<Option<TaskRef>>,
    /// Those who wait for it to park.
    pub(crate) waiters: WaitQueue,
    /// For a per-CPU thread: where it is bound again when it is unparked.
    pub(crate) cpu: Option<CpuId>,
}

impl Linked for Record {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

impl Record {
    /// Inlined, so that it is built where it will lie.
    #[inline(always)]
    pub(crate) fn new(name: Name, cpu: Option<CpuId>, request: Request) -> Self {
        LIVE.fetch_add(1, Ordering::SeqCst);
        Self {
            links: Links::new(),
            request,
            name,
            word: AtomicU32::new(0),
            end: AtomicU8::new(End::Running as u8),
            result: AtomicI32::new(0),
            departure: AtomicU8::new(STAYS),
            joiner: SpinLock::new(&JOINER_LOCK, None),
            waiters: WaitQueue::new(),
            cpu,
        }
    }

    pub(crate) fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// The word. SeqCst: it is looked at after the thread has set its state to asleep.
    pub(crate) fn word(&self) -> u32 {
        machine::irq::point();
        self.word.load(Ordering::SeqCst)
    }

    pub(crate) fn has(&self, bit: u32) -> bool {
        self.word() & bit != 0
    }

    /// Sets a bit, and returns the word as it was.
    pub(crate) fn set(&self, bit: u32) -> u32 {
        machine::irq::point();
        self.word.fetch_or(bit, Ordering::SeqCst)
    }

    pub(crate) fn clear(&self, bit: u32) -> u32 {
        machine::irq::point();
        self.word.fetch_and(!bit, Ordering::SeqCst)
    }

    /// Says "parked", if parking is still wanted.
    pub(crate) fn enter_park(&self) -> bool {
        self.change(|word| (word & PARK != 0).then_some(word | PARKED))
    }

    /// Says "no longer parked", if parking is no longer wanted.
    pub(crate) fn leave_park(&self) -> bool {
        self.change(|word| (word & PARK == 0).then_some(word & !PARKED))
    }

    fn change(&self, step: impl Fn(u32) -> Option<u32>) -> bool {
        machine::irq::point();
        self.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step).is_ok()
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.word() & (PARK | PARKED) == PARK | PARKED
    }

    /// The thread's own last word.
    pub(crate) fn finish(&self, end: End, result: i32) {
        self.result.store(result, Ordering::Relaxed);
        // Release pairs with the Acquire in `end`.
        self.end.store(end as u8, Ordering::Release);
    }

    pub(crate) fn end(&self) -> (End, i32) {
        let end = End::from_stored(self.end.load(Ordering::Acquire));
        (end, self.result.load(Ordering::Relaxed))
    }

    /// Whether the thread is about to leave its stack for the last time, or has.
    pub(crate) fn is_leaving(&self) -> bool {
        machine::irq::point();
        self.departure.load(Ordering::SeqCst) != STAYS
    }

    /// Sleeps until the thread has left its stack for the last time and its task has been given back. For one task: what is
    /// consumed for this is there once.
    pub(crate) fn wait_gone(&self) {
        if self.note_joiner() {
            let leaves = || self.is_leaving().then_some(());
            let waited = sched::wait_to_be_woken(Sleep::Uninterruptible, None, leaves);
            debug_assert!(waited.is_ok(), "nothing ends an uninterruptible wait early");
        }
        self.spin_until_gone();
    }

    /// As [`wait_gone`](Self::wait_gone), and wakes the thread, whose task this is, to do what it was asked for.
    pub(crate) fn wake_and_wait_gone(&self, task: TaskRef) {
        if self.note_joiner() {
            let (mask, sleep) = (state::NORMAL | state::FROZEN, Sleep::Uninterruptible);
            let leaves = || self.is_leaving().then_some(());
            let waited = sched::wake_and_wait(task, mask, sleep, leaves);
            debug_assert!(waited.is_ok(), "nothing ends an uninterruptible wait early");
        }
        self.spin_until_gone();
    }

    /// Says who is to be woken when the thread leaves; false if it has begun to. The lock is what loses no wake-up: if the thread takes it
    /// first to look for a joiner, the joiner sees that it leaves.
    fn note_joiner(&self) -> bool {
        if self.is_leaving() {
            return false;
        }
        let nobody = self.joiner.lock_irq().replace(sched::current_ref());
        debug_assert!(nobody.is_none(), "a thread is joined once");
        true
    }

    /// It leaves on another CPU, with interrupts off there: some instructions more.
    fn spin_until_gone(&self) {
        while self.departure.load(Ordering::SeqCst) != GONE {
            machine::cpu::relax();
        }
    }

    /// Called by the thread itself right before its last switch, interrupts off. Returns who waits for that, to be woken.
    #[must_use]
    pub(crate) fn set_leaving(&self) -> Option<TaskRef> {
        machine::irq::point();
        self.departure.store(LEAVES, Ordering::SeqCst);
        let joiner = self.joiner.lock_irqs_off().take();
        self.waiters.wake_all();
        joiner
    }

    /// Called when the thread's task has left its stack.
    pub(crate) fn set_gone(&self) {
        self.departure.store(GONE, Ordering::SeqCst);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A task's record, if it is a kernel thread made by kthreadd.
pub(crate) fn record_of(task: &Task) -> Option<&Record> {
    task.attached(Slot::Kthread)
}

/// The full name of a kernel thread, which `comm` cuts; `None` for a task that was not made by kthreadd.
pub fn full_name(task: &Task) -> Option<&[u8]> {
    record_of(task).map(|record| record.name())
}

/// Formats a name.
pub(crate) fn format_name(name: fmt::Arguments<'_>) -> Name {
    let mut buffer = Name::new();
    buffer.format(name);
    buffer
}

/// How often who waits for a task to leave its CPU lets others go first, before it sleeps.
const YIELDS: u32 = 16;
/// How long it sleeps, in nanoseconds.
const NAP: u64 = 20 * time::MICROSECOND;

/// Waits, without sleeping for long, until a task that is about to sleep in one of the given states has left its CPU. Returns
/// false if it does not sleep so (any more).
pub(crate) fn wait_inactive(task: &TaskRef, mask: u32) -> bool {
    let mut yields = 0;
    loop {
        let now = task.state();
        if now & mask == 0 {
            return false;
        }
        if now & state::OFF_QUEUE != 0 && !task.is_on_cpu() {
            return true;
        }
        // It is on its way: on another CPU for some instructions more, or preempted, and then it needs a CPU.
        if yields < YIELDS {
            yields += 1;
            sched::yield_now();
            machine::cpu::relax();
        } else {
            nap();
        }
    }
}

/// Lets a task get to where it is on its way: a caller of a higher class yields to nobody that the task is one of.
pub(crate) fn nap() {
    sched::sleep_for(NAP);
}

/// The mask of a per-CPU thread.
pub(crate) fn mask_of(cpu: Option<CpuId>) -> CpuMask {
    cpu.map_or_else(sched::housekeeping, CpuMask::of)
}
