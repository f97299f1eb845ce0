//! What both kinds of timers have in common: where a timer is, and the steps of starting and cancelling it.
//!
//! A timer is queued on one CPU at most, and runs on one at most; one word says both, so that one look gives a picture that was
//! true at some time. It changes only under the lock of the CPU's queue that it names:
//!
//! - A timer that becomes queued is first linked into the queue. Links are claimed, so of two who start it at the same time one
//!   gets it, and the other takes it out again and starts over.
//! - A timer that leaves a queue first changes its word and then gives its links back, so whoever gets the links finds a
//!   word that nobody else will write.
//! - A timer whose function is running is queued where it runs. So the function never runs twice at once, and the CPU that
//!   runs it looks at its queue again before it is done: it need not be told of a timer that another CPU put there.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use machine::CpuId;
use sync::{IrqGuard, PerCpu, SpinLock};
use trace::{Pointer, Symbol};

/// A timer: where it is, the links of its kind of queue, and what it calls.
pub(crate) struct Core<L> {
    /// See [`Place`].
    place: AtomicU32,
    pub(crate) links: L,
    /// Boxed, although that is one allocation more: the queues' references are thin then, and all that follows them is shorter.
    function: Box<dyn Function>,
}

/// What a timer calls.
trait Function: Send + Sync {
    fn call(&self);

    /// For who reads a trace.
    fn name(&self) -> &'static str;
}

impl<F: Fn() + Send + Sync> Function for F {
    #[inline]
    fn call(&self) {
        self();
    }

    fn name(&self) -> &'static str {
        core::any::type_name::<F>()
    }
}

/// One CPU's queue of timers of one kind.
pub(crate) trait Base: Send + Sized + 'static {
    /// What a timer carries to be in it.
    type Links: Default + Send + Sync + 'static;

    /// The queues of all CPUs.
    fn of_all() -> &'static PerCpu<SpinLock<Self>>;

    /// Links a timer in, or gives it back if its links are in use.
    fn insert(&mut self, timer: Arc<CoreOf<Self>>, deadline: u64) -> Result<(), Arc<CoreOf<Self>>>;

    /// Unlinks a timer that is in this queue.
    fn remove(&mut self, timer: &CoreOf<Self>) -> Option<Arc<CoreOf<Self>>>;

    /// Sees to it that this CPU is interrupted when the first one's time has come. On the queue's CPU.
    fn program(&mut self);

    /// A timer has been queued for a time: a place for a trace event.
    fn trace_start(timer: &CoreOf<Self>, deadline: u64);

    /// A timer leaves its queue.
    fn trace_cancel(timer: &CoreOf<Self>);
}

/// A timer of a kind.
pub(crate) type CoreOf<B> = Core<<B as Base>::Links>;

/// Where a timer is: the CPU on which it is queued, plus one, in the lower half, and the one on which it runs in the upper.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u32);

impl Place {
    const IDLE: Self = Self(0);
    const QUEUED: u32 = 0xffff;
    const RUNNING_SHIFT: u32 = 16;

    fn queued_on(self) -> Option<CpuId> {
        (self.0 & Self::QUEUED).checked_sub(1).map(|cpu| cpu as CpuId)
    }

    fn running_on(self) -> Option<CpuId> {
        (self.0 >> Self::RUNNING_SHIFT).checked_sub(1).map(|cpu| cpu as CpuId)
    }
}

impl<L: Default> Core<L> {
    pub(crate) fn new(function: impl Fn() + Send + Sync + 'static) -> Self {
        let function = Box::new(function);
        Self { place: AtomicU32::new(Place::IDLE.0), links: L::default(), function }
    }
}

impl<L> Core<L> {
    fn place(&self) -> Place {
        // Acquire: who sees that the function has ended sees what it did.
        Place(self.place.load(Ordering::Acquire))
    }

    pub(crate) fn is_queued(&self) -> bool {
        self.queued_on().is_some()
    }

    pub(crate) fn queued_on(&self) -> Option<CpuId> {
        self.place().queued_on()
    }

    /// It has been linked into a CPU's queue, whose lock is held.
    pub(crate) fn now_queued_on(&self, cpu: CpuId) {
        let place = self.place.load(Ordering::Relaxed) & !Place::QUEUED;
        self.place.store(place | (cpu as u32 + 1), Ordering::Release);
    }

    /// It is about to be unlinked, to be cancelled. The queue's lock is held.
    fn no_longer_queued(&self) {
        let place = self.place.load(Ordering::Relaxed) & !Place::QUEUED;
        self.place.store(place, Ordering::Release);
    }

    /// It is about to be unlinked, to be run on this CPU, whose queue's lock is held.
    pub(crate) fn now_running(&self) {
        let here = machine::cpu::id() as u32 + 1;
        debug_assert!(self.place().running_on().is_none(), "a timer runs twice at once");
        self.place.store(here << Place::RUNNING_SHIFT, Ordering::Release);
    }

    /// Its function has returned. The lock of this CPU's queue is held.
    pub(crate) fn has_run(&self) {
        let place = self.place.load(Ordering::Relaxed) & Place::QUEUED;
        self.place.store(place, Ordering::Release);
    }

    pub(crate) fn call(&self) {
        self.function.call();
    }

    /// Which timer, and what it calls, as trace events show them.
    pub(crate) fn trace_identity(&self) -> (Pointer, Symbol) {
        (Pointer::to(core::ptr::from_ref(&self.place).addr()), Symbol::of(self.function.name()))
    }
}

/// Queues a timer for `deadline`, on this CPU or on the one where its function is running; one that is queued is moved.
pub(crate) fn start<B: Base>(timer: &Arc<CoreOf<B>>, deadline: u64) {
    let _irqs_off = IrqGuard::new();
    let here = machine::cpu::id();
    loop {
        cancel::<B>(timer);
        let target = timer.place().running_on().unwrap_or(here);
        let mut base = B::of_all().of(target).lock_irqs_off();
        if base.insert(timer.clone(), deadline).is_err() {
            // Somebody else has started it since it was taken out above.
            drop(base);
            machine::cpu::relax();
            continue;
        }
        // Its links are ours: if it does not run now, it does not begin to.
        match timer.place().running_on() {
            None if target == here => {
                timer.now_queued_on(here);
                B::trace_start(timer, deadline);
                base.program();
                return;
            }
            Some(running) if running == target => {
                timer.now_queued_on(target);
                B::trace_start(timer, deadline);
                return;
            }
            _ => {
                let unlinked = base.remove(timer);
                drop(base);
                drop(unlinked);
            }
        }
    }
}

/// Takes a timer out of its queue; returns whether it was in one.
pub(crate) fn cancel<B: Base>(timer: &CoreOf<B>) -> bool {
    while let Some(cpu) = timer.place().queued_on() {
        let mut base = B::of_all().of(cpu).lock_irq();
        if timer.place().queued_on() != Some(cpu) {
            continue;
        }
        timer.no_longer_queued();
        let unlinked = base.remove(timer);
        B::trace_cancel(timer);
        // The hardware is left as it is: an interrupt too early costs less than setting it twice.
        drop(base);
        debug_assert!(unlinked.is_some(), "a queued timer is in no queue");
        return true;
    }
    false
}

/// As [`cancel`], and waits until the function does not run.
pub(crate) fn cancel_sync<B: Base>(timer: &CoreOf<B>) -> bool {
    let mut was_queued = false;
    loop {
        was_queued |= cancel::<B>(timer);
        let place = timer.place();
        if place == Place::IDLE {
            return was_queued;
        }
        let is_caller = place.running_on() == Some(machine::cpu::id()) && sync::in_interrupt();
        assert!(!is_caller, "a timer's function waits for its own end");
        machine::cpu::relax();
    }
}

/// Moves all that `pop` takes out of a queue into this CPU's. Both locked; `pop` gives each with its deadline.
pub(crate) fn move_here<B: Base>(
    ours: &mut B,
    mut pop: impl FnMut() -> Option<(Arc<CoreOf<B>>, u64)>,
) {
    while let Some((timer, deadline)) = pop() {
        // Refused: somebody who has found it in no queue before it came into the one that is being emptied starts it just now.
        let _ = ours.insert(timer, deadline);
    }
}
