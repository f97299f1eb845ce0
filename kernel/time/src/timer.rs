//! Timers on the wheel: time-outs, fired in the softirq `TIMER`.

use alloc::sync::Arc;

use errno::Errno;
use machine::CpuId;
use softirq::Vector;
use sync::{IrqGuard, LockClass, Once, PerCpu, SpinLock, per_cpu};
use trace::{
    TIMER_CANCEL, TIMER_EXPIRE_ENTRY, TIMER_EXPIRE_EXIT, TIMER_START, TimerClass, TimerExpireEntry,
    TimerStart,
};

use crate::clock::{JIFFY, monotonic};
use crate::core::{self, Base, Core};
use crate::hrtimer::HrTimer;
use crate::wheel::{Links, NEVER, Spoke, Wheel, jiffy_at};

/// Taken with interrupts off, in any context; `timer_queue` is taken inside.
static WHEEL_LOCK: LockClass = LockClass::new("timer_wheel");

static WHEELS: PerCpu<SpinLock<Queue>> =
    per_cpu!(SpinLock::new(&WHEEL_LOCK, Queue { wheel: Wheel::new(), programmed: NEVER }));

/// What raises the softirq of each CPU when its wheel's next bucket is due.
static EVENTS: PerCpu<Once<HrTimer>> = per_cpu!(Once::new());

/// Opens the softirq; once.
static OPENED: Once<()> = Once::new();

/// One CPU's time-outs.
struct Queue {
    wheel: Wheel,
    /// The jiffy for which this CPU's event is started, or [`NEVER`].
    programmed: u64,
}

impl Base for Queue {
    type Links = Links;

    fn of_all() -> &'static PerCpu<SpinLock<Self>> {
        &WHEELS
    }

    #[inline]
    fn insert(&mut self, timer: Arc<Spoke>, deadline: u64) -> Result<(), Arc<Spoke>> {
        self.wheel.insert(timer, deadline, jiffy_at(monotonic()))
    }

    #[inline]
    fn remove(&mut self, timer: &Spoke) -> Option<Arc<Spoke>> {
        self.wheel.remove(timer)
    }

    #[inline]
    fn program(&mut self) {
        if self.wheel.next() < self.programmed
            && !self.wheel.turning
            && let Some(event) = EVENTS.this().get()
        {
            self.programmed = self.wheel.next();
            event.start(self.programmed.saturating_mul(JIFFY));
        }
    }

    #[inline(always)]
    fn trace_start(timer: &Spoke, deadline: u64) {
        TIMER_START.record(|| {
            let (identity, function) = timer.trace_identity();
            let (expires, now) = (deadline.div_ceil(JIFFY), jiffy_at(monotonic()));
            let flags = timer.queued_on().map_or(0, |cpu| cpu as u32);
            TimerStart { timer: identity, function, expires, now, flags }
        });
    }

    #[inline(always)]
    fn trace_cancel(timer: &Spoke) {
        TIMER_CANCEL.record(|| TimerClass { timer: timer.trace_identity().0 });
    }
}

/// A timer's function is about to be called, in its turn of the wheel.
#[inline(always)]
fn trace_entry(timer: &Spoke, baseclk: u64) {
    TIMER_EXPIRE_ENTRY.record(|| {
        let (identity, function) = timer.trace_identity();
        TimerExpireEntry { timer: identity, now: jiffy_at(monotonic()), function, baseclk }
    });
}

/// A timer's function has returned.
#[inline(always)]
fn trace_exit(timer: &Spoke) {
    TIMER_EXPIRE_EXIT.record(|| TimerClass { timer: timer.trace_identity().0 });
}

/// Gives a CPU its wheel, before it starts a timer. May sleep, unless it is the boot CPU's.
///
/// # Errors
/// ENOMEM.
pub fn prepare(cpu: CpuId) -> Result<(), Errno> {
    if OPENED.set(()).is_ok() {
        softirq::open(Vector::Timer, run);
    }
    // A CPU that comes back has both already.
    let _ = EVENTS.of(cpu).set(HrTimer::new(|| softirq::raise(Vector::Timer)));
    let not_needed = WHEELS.of(cpu).lock_irq().wheel.prepare(Wheel::buckets()?);
    drop(not_needed);
    Ok(())
}

/// The softirq: runs what is due on this CPU.
fn run() {
    let shared = WHEELS.this();
    let mut queue = shared.lock_irq();
    queue.programmed = NEVER;
    queue.wheel.turning = true;
    // Dropped with the lock released: it may be the timer's last reference, and its function's captures go with it.
    let mut last: Option<Arc<Spoke>> = None;
    while let Some(jiffy) = queue.wheel.turn(jiffy_at(monotonic())) {
        while let Some(timer) = queue.wheel.pop_due(jiffy) {
            Queue::trace_cancel(&timer);
            drop(queue);
            drop(last.take());
            trace_entry(&timer, jiffy);
            timer.call();
            trace_exit(&timer);
            queue = shared.lock_irq();
            timer.has_run();
            last = Some(timer);
        }
    }
    queue.wheel.turning = false;
    queue.program();
    drop(queue);
    drop(last);
}

/// Moves the timers of a CPU that has gone to this one. Preemption off.
pub(crate) fn migrate_from(gone: CpuId) {
    let here = machine::cpu::id();
    if let Some(event) = EVENTS.of(gone).get() {
        event.cancel();
    }
    let _irqs_off = IrqGuard::new();
    // As for the high-resolution ones: both locked, so that no timer is nowhere in between.
    let mut theirs = WHEELS.of(gone).lock_irq();
    let mut ours = WHEELS.of(here).lock_irq_nested();
    theirs.programmed = NEVER;
    core::move_here(&mut *ours, || theirs.wheel.pop_any(here));
    ours.program();
}

/// A function to be called when a time has passed, in a softirq. Dropping the timer cancels it.
///
/// For time-outs: the function is called at the first [`JIFFY`] at or after the time, or up to an eighth of the time later, and never
/// early. Starting and cancelling take the same few steps however many timers there are.
pub struct Timer {
    core: Arc<Spoke>,
}

impl Timer {
    /// A timer that is not started. `function` runs in a softirq: it must not sleep, and it may start the timer again.
    pub fn new(function: impl Fn() + Send + Sync + 'static) -> Self {
        Self { core: Arc::new(Core::new(function)) }
    }

    /// Starts the timer for a time of the monotonic clock (nanoseconds), on this CPU, or, while its function runs, where that does;
    /// a timer that is queued is moved. A time that has passed fires at the next jiffy. Any context.
    pub fn start(&self, deadline: u64) {
        core::start::<Queue>(&self.core, deadline);
    }

    /// Takes the timer back and returns whether it was queued. The function may still be running on another CPU. Any context.
    pub fn cancel(&self) -> bool {
        core::cancel::<Queue>(&self.core)
    }

    /// Takes the timer back and waits, spinning, until its function is not running. Not from the function itself nor a hard
    /// interrupt, nor with a lock held that the function takes. A function that starts its timer again is outrun: the timer is idle when
    /// this returns.
    pub fn cancel_sync(&self) -> bool {
        core::cancel_sync::<Queue>(&self.core)
    }

    /// Whether the timer waits for its time.
    pub fn is_pending(&self) -> bool {
        self.core.is_queued()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.cancel();
    }
}
