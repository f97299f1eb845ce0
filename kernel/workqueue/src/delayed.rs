//! Items that are queued when a time has passed.
//!
//! While its timer runs, an item is pending, and the [`Target`] says where it will be queued. Whoever takes the target, under its lock,
//! takes the right to queue the item with it: the timer's function, or a canceller. So nobody ever waits for a timer's
//! function that has begun, which would be a deadlock in an interrupt above it; the function finds no target and is done.

use alloc::sync::Arc;

use machine::CpuId;
use sync::{IrqGuard, LockClass, SpinLock};
use time::Timer;

use crate::cancel;
use crate::home::Place;
use crate::item::Node;
use crate::queue::Queue;
use crate::stranded::{self, Stranded};

/// Taken with interrupts off; timer queues are taken inside.
static TARGET_LOCK: LockClass = LockClass::new("delayed_work");

/// Where the item goes when its time has come.
pub(crate) struct Target {
    /// Keeps the item while its timer runs.
    node: Arc<Node>,
    queue: Arc<Queue>,
    cpu: Option<CpuId>,
    deadline: u64,
}

/// What delayed work has besides.
pub(crate) struct Delay {
    timer: Timer,
    target: SpinLock<Option<Target>>,
    pub(crate) stranded: Stranded,
}

impl Delay {
    pub(crate) fn new(timer: Timer) -> Self {
        let target = SpinLock::new(&TARGET_LOCK, None);
        Self { timer, target, stranded: Stranded::new() }
    }

    /// Takes the target, and the right to queue the item with it. The timer is left to find nothing.
    pub(crate) fn take(&self) -> Option<Target> {
        let target = self.target.lock_irq().take();
        if target.is_some() {
            self.timer.cancel();
        }
        target
    }
}

/// Queues an item after a time, if it is not pending. Any context.
pub(crate) fn queue(
    queue: &Arc<Queue>,
    node: &Arc<Node>,
    cpu: Option<CpuId>,
    nanoseconds: u64,
) -> bool {
    let Some(delay) = node.delay.as_ref().filter(|_| nanoseconds != 0) else {
        return queue.queue(node, cpu);
    };
    if !node.state.may_claim() {
        return false;
    }
    // Interrupts are off from the claim to the end: nobody above this code finds the item pending and nowhere.
    let mut target = delay.target.lock_irq();
    if !node.state.claim() {
        return false;
    }
    arm(delay, &mut target, node, queue, cpu, nanoseconds);
    true
}

/// Queues an item after a time, whether it is pending or not; returns whether it was. Any context.
pub(crate) fn modify(
    queue: &Arc<Queue>,
    node: &Arc<Node>,
    cpu: Option<CpuId>,
    nanoseconds: u64,
) -> bool {
    let _irqs_off = IrqGuard::new();
    let was_pending = loop {
        if cancel::take_pending(node) {
            break true;
        }
        if node.state.claim() {
            break false;
        }
        if !node.state.is_pending() {
            // Somebody takes it back and waits.
            return false;
        }
        machine::cpu::relax();
    };
    // The item is ours.
    match node.delay.as_ref().filter(|_| nanoseconds != 0) {
        Some(delay) => {
            let mut target = delay.target.lock_irq();
            arm(delay, &mut target, node, queue, cpu, nanoseconds);
        }
        // The caller has another reference, so what is given back is not the last.
        None => drop(queue.queue_claimed(node.clone(), cpu)),
    }
    was_pending
}

fn arm(
    delay: &Delay,
    target: &mut Option<Target>,
    node: &Arc<Node>,
    queue: &Arc<Queue>,
    cpu: Option<CpuId>,
    nanoseconds: u64,
) {
    let deadline = time::monotonic().saturating_add(nanoseconds);
    *target = Some(Target { node: node.clone(), queue: queue.clone(), cpu, deadline });
    node.home.set_place(Place::Timer);
    delay.timer.start(deadline);
}

/// The timer's function.
pub(crate) fn timer_fires(delay: &Arc<Delay>) {
    // Between taking the target and queueing the item is nowhere: nobody may come above this and wait for that to end.
    let _irqs_off = IrqGuard::new();
    let mut held = delay.target.lock_irq();
    match &*held {
        Some(target) if time::monotonic() >= target.deadline => {}
        // Started again while this was on its way: the timer is queued for that, here, and fires when this is over.
        Some(_) => {
            debug_assert!(
                delay.timer.is_pending(),
                "a target waits for a timer that is not queued"
            );
            return;
        }
        None => return,
    }
    let target = held.take();
    drop(held);
    if let Some(Target { node, queue, cpu, .. }) = target
        && let Err(node) = queue.queue_claimed(node, cpu)
    {
        stranded::leave(delay, node);
    }
}

/// Queues at once what a timer would queue; returns whether there was such. Any context.
pub(crate) fn queue_now(node: &Arc<Node>) -> bool {
    let _irqs_off = IrqGuard::new();
    let Some(target) = node.delay.as_ref().and_then(|delay| delay.take()) else { return false };
    // As above: the caller has another.
    drop(target.queue.queue_claimed(target.node, target.cpu));
    true
}
