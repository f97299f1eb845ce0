//! High-resolution timers: fired in the timer interrupt, in the order of their deadlines.

use alloc::sync::Arc;

use machine::CpuId;
use sync::{IrqGuard, LockClass, PerCpu, SpinLock, per_cpu};
use trace::{
    HRTIMER_CANCEL, HRTIMER_EXPIRE_ENTRY, HRTIMER_EXPIRE_EXIT, HRTIMER_START, HrtimerClass,
    HrtimerExpireEntry, HrtimerStart, Pointer, Symbol,
};

use crate::clock::{monotonic, on_hardware};
use crate::core::{self, Base, Core};
use crate::heap::{Heap, Links, Node};

/// Taken with interrupts off, in interrupts too, inside `timer_wheel`; takes nothing but the heap's locks.
static QUEUE_LOCK: LockClass = LockClass::new("timer_queue");

/// How long one timer interrupt runs functions, in nanoseconds, before it lets the CPU go on.
const LONGEST_RUN: u64 = crate::MILLISECOND;

static QUEUES: PerCpu<SpinLock<Queue>> = per_cpu!(SpinLock::new(&QUEUE_LOCK, Queue::new()));

/// One CPU's high-resolution timers.
struct Queue {
    heap: Heap,
    /// What the hardware was last told.
    programmed: Option<u64>,
    /// The interrupt is running functions, and programs the hardware when it has run them.
    in_interrupt: bool,
}

impl Queue {
    const fn new() -> Self {
        Self { heap: Heap::new(), programmed: None, in_interrupt: false }
    }

    /// Tells this CPU's hardware about the first timer, if it does not know yet.
    fn program_not_before(&mut self, earliest: u64) {
        let first = self.heap.first_deadline().map(|first| first.max(earliest));
        if first != self.programmed {
            self.programmed = first;
            machine::time::set_timer(first.map(on_hardware));
        }
    }
}

impl Base for Queue {
    type Links = Links;

    fn of_all() -> &'static PerCpu<SpinLock<Self>> {
        &QUEUES
    }

    fn insert(&mut self, timer: Arc<Node>, deadline: u64) -> Result<(), Arc<Node>> {
        self.heap.insert(timer, deadline)
    }

    fn remove(&mut self, timer: &Node) -> Option<Arc<Node>> {
        self.heap.remove(timer)
    }

    fn program(&mut self) {
        if !self.in_interrupt {
            self.program_not_before(0);
        }
    }

    #[inline(always)]
    fn trace_start(timer: &Node, deadline: u64) {
        HRTIMER_START.record(|| {
            let (hrtimer, function) = timer.trace_identity();
            let expires = deadline.cast_signed();
            HrtimerStart { hrtimer, function, expires, softexpires: expires, mode: 0 }
        });
    }

    #[inline(always)]
    fn trace_cancel(timer: &Node) {
        HRTIMER_CANCEL.record(|| HrtimerClass { hrtimer: timer.trace_identity().0 });
    }
}

/// A timer's function is about to be called.
#[inline(always)]
fn trace_entry(timer: &Node, now: u64) {
    HRTIMER_EXPIRE_ENTRY.record(|| {
        let (hrtimer, function) = timer.trace_identity();
        HrtimerExpireEntry { hrtimer, now: now.cast_signed(), function }
    });
}

/// A timer's function has returned.
#[inline(always)]
fn trace_exit(timer: &Node) {
    HRTIMER_EXPIRE_EXIT.record(|| HrtimerClass { hrtimer: timer.trace_identity().0 });
}

/// The timer interrupt: runs what is due on this CPU and programs the next.
pub fn interrupt() {
    let shared = QUEUES.this();
    let mut queue = shared.lock_irq();
    queue.programmed = None;
    queue.in_interrupt = true;
    let begin = monotonic();
    let mut earliest = 0;
    // Dropped with the lock released: it may be the timer's last reference, and its function's captures go with it.
    let mut last: Option<Arc<Node>> = None;
    while let Some(deadline) = queue.heap.first_deadline() {
        let now = monotonic();
        if deadline > now {
            break;
        }
        if now - begin > LONGEST_RUN {
            // A program may ask for a period that is shorter than this loop takes: the CPU gets as much time as the timers had.
            earliest = now + (now - begin);
            break;
        }
        if let Some(first) = queue.heap.first() {
            first.now_running();
        }
        let Some((timer, _)) = queue.heap.pop() else { break };
        Queue::trace_cancel(&timer);
        drop(queue);
        drop(last.take());
        trace_entry(&timer, now);
        timer.call();
        trace_exit(&timer);
        queue = shared.lock_irq();
        timer.has_run();
        last = Some(timer);
    }
    queue.in_interrupt = false;
    queue.program_not_before(earliest);
    drop(queue);
    drop(last);
}

/// Moves the timers of a CPU that has gone to this one. Preemption off.
pub(crate) fn migrate_from(gone: CpuId) {
    let here = machine::cpu::id();
    let _irqs_off = IrqGuard::new();
    // Both locked, and nobody else locks two: a timer goes over without being nowhere in between, where its owner would not
    // find it to cancel it, or would start it a second time.
    let mut theirs = QUEUES.of(gone).lock_irq();
    let mut ours = QUEUES.of(here).lock_irq_nested();
    theirs.programmed = None;
    core::move_here(&mut *ours, || {
        theirs.heap.first()?.now_queued_on(here);
        theirs.heap.pop()
    });
    ours.program();
}

/// A timer that is queued, as [`crate::timer_list`] shows it.
pub(crate) struct Queued {
    pub(crate) deadline: u64,
    pub(crate) hrtimer: Pointer,
    pub(crate) function: Symbol,
    address: usize,
}

impl Queued {
    /// What the order goes by; of two of one time, that of their addresses.
    pub(crate) fn rank(&self) -> (u64, usize) {
        (self.deadline, self.address)
    }
}

/// The first timer of a CPU behind one that was found before.
pub(crate) fn after(cpu: CpuId, last: Option<(u64, usize)>) -> Option<Queued> {
    let queue = QUEUES.of(cpu).lock_irq();
    let mut first: Option<((u64, usize), &Arc<Node>)> = None;
    queue.heap.for_each(|timer, deadline| {
        let rank = (deadline, Arc::as_ptr(timer).addr());
        if last.is_none_or(|last| last < rank) && first.is_none_or(|(first, _)| rank < first) {
            first = Some((rank, timer));
        }
    });
    let ((deadline, address), timer) = first?;
    let (hrtimer, function) = timer.trace_identity();
    Some(Queued { deadline, hrtimer, function, address })
}

/// When a CPU's hardware is to interrupt it.
pub(crate) fn programmed(cpu: CpuId) -> Option<u64> {
    QUEUES.of(cpu).lock_irq().programmed
}

/// Which queue a CPU has.
pub(crate) fn queue_identity(cpu: CpuId) -> Pointer {
    Pointer::to(::core::ptr::from_ref(QUEUES.of(cpu)).addr())
}

/// A function to be called at a time, in hard-interrupt context. Dropping the timer cancels it.
pub struct HrTimer {
    core: Arc<Node>,
}

impl HrTimer {
    /// A timer that is not started. `function` runs in hard-interrupt context: it must not sleep, and it may
    /// start the timer again.
    pub fn new(function: impl Fn() + Send + Sync + 'static) -> Self {
        Self { core: Arc::new(Core::new(function)) }
    }

    /// Starts the timer for a time of the monotonic clock (nanoseconds), on this CPU, or, while its function runs, where that does;
    /// a timer that is queued is moved. A time that has passed fires at once. Any context.
    pub fn start(&self, deadline: u64) {
        core::start::<Queue>(&self.core, deadline);
    }

    /// Takes the timer back and returns whether it was queued. The function may still be running on another CPU. Any context.
    pub fn cancel(&self) -> bool {
        core::cancel::<Queue>(&self.core)
    }

    /// Takes the timer back and waits, spinning, until its function is not running. Not from the function
    /// itself, nor with a lock held that the function takes. A function that starts its timer again is outrun: the timer is
    /// idle when this returns.
    pub fn cancel_sync(&self) -> bool {
        core::cancel_sync::<Queue>(&self.core)
    }

    /// Whether the timer waits for its time.
    pub fn is_pending(&self) -> bool {
        self.core.is_queued()
    }
}

impl Drop for HrTimer {
    fn drop(&mut self) {
        self.cancel();
    }
}
