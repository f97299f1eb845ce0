//! What is pending on each CPU, who serves it, and raising.
//!
//! A CPU's pending word is changed by that CPU only, but for one that is offline, whose word another CPU takes over. Its
//! changes are single steps, so interrupts may come in between.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use machine::CpuId;
use machine::preempt::{NO_RESCHED, PREEMPT_UNIT};
use sync::{Once, PerCpu, PreemptGuard, per_cpu};
use trace::{SOFTIRQ_ENTRY, SOFTIRQ_EXIT, SOFTIRQ_RAISE, Softirq};

use crate::serve;
use crate::tasklet;
use crate::vector::Vector;

/// One CPU's softirqs.
pub(crate) struct Row {
    /// A bit for each vector that has been raised and not yet served.
    pub(crate) pending: AtomicU32,
    /// How often each vector's handler has run here.
    served: [AtomicU64; Vector::COUNT],
}

pub(crate) static ROWS: PerCpu<Row> = per_cpu!(Row {
    pending: AtomicU32::new(0),
    served: [const { AtomicU64::new(0) }; Vector::COUNT],
});

static HANDLERS: [Once<fn()>; Vector::COUNT] = [const { Once::new() }; Vector::COUNT];

/// The task that serves what nobody else can, on each CPU. Its functions are called with preemption off, in any context.
#[derive(Clone, Copy)]
pub struct Daemon {
    /// Wakes it.
    pub wake: fn(CpuId),
    /// Whether it runs or waits for its turn.
    pub is_awake: fn(CpuId) -> bool,
}

static DAEMON: Once<Daemon> = Once::new();

/// Says how the daemon is woken. Once; until then what only it could serve waits for the next interrupt.
pub fn set_daemon(daemon: Daemon) {
    let fresh = DAEMON.set(daemon).is_ok();
    assert!(fresh, "there is one ksoftirqd");
}

/// Gives a vector its handler. Once for each. The handler runs with interrupts on and preemption off, on the
/// CPU where the vector was raised, and must not sleep. Data that it shares with tasks is locked there with softirqs or
/// interrupts off.
pub fn open(vector: Vector, handler: fn()) {
    let fresh = HANDLERS[vector as usize].set(handler).is_ok();
    assert!(fresh, "softirq {} has a handler already", vector.name());
}

/// Raises a vector on this CPU. Any context, but with interrupts off in a task no lock of the scheduler may be held: `ksoftirqd`
/// is woken.
///
/// In an interrupt, in a softirq or with softirqs off, the handler runs when that ends. A task that could be preempted serves it
/// before this returns, as it would after an interrupt at this place.
#[inline]
pub fn raise(vector: Vector) {
    raise_under(vector, PreemptGuard::new());
}

/// As [`raise`], under the only guard that the caller has made.
#[inline]
pub(crate) fn raise_under(vector: Vector, _here: PreemptGuard) {
    SOFTIRQ_RAISE.record(|| Softirq { vec: vector as u32 });
    ROWS.this().pending.fetch_or(vector.bit(), Relaxed);
    // Whoever is interrupted here, or has softirqs off, looks at the word when that ends.
    if !sync::in_interrupt() {
        see_to_it();
    }
}

/// In a task, with something pending.
fn see_to_it() {
    let only_ours = machine::cpu::preempt_count() & !NO_RESCHED == PREEMPT_UNIT;
    if only_ours && machine::irq::enabled() {
        serve::serve_in_task();
    } else {
        wake_daemon();
    }
}

/// Has the daemon of this CPU serve what is pending.
pub(crate) fn wake_daemon() {
    if let Some(daemon) = DAEMON.get() {
        (daemon.wake)(machine::cpu::id());
    }
}

/// Whether the daemon of this CPU is awake and what is pending can wait for its turn. Tasklets do not wait.
pub(crate) fn is_left_to_daemon(pending: u32) -> bool {
    const AT_ONCE: u32 = Vector::Hi.bit() | Vector::Tasklet.bit();
    pending & AT_ONCE == 0
        && DAEMON.get().is_some_and(|daemon| (daemon.is_awake)(machine::cpu::id()))
}

/// Runs the handler of each vector in `pending`. On this CPU, softirq level counted, interrupts on.
pub(crate) fn run_handlers(row: &Row, mut pending: u32) {
    while pending != 0 {
        let number = pending.trailing_zeros() as usize;
        pending &= pending - 1;
        let served = &row.served[number];
        // Only this CPU writes: load and store are enough.
        served.store(served.load(Relaxed) + 1, Relaxed);
        if let Some(handler) = HANDLERS.get(number).and_then(Once::get) {
            let before = machine::cpu::preempt_count() & !NO_RESCHED;
            SOFTIRQ_ENTRY.record(|| Softirq { vec: number as u32 });
            handler();
            SOFTIRQ_EXIT.record(|| Softirq { vec: number as u32 });
            debug_assert_eq!(
                machine::cpu::preempt_count() & !NO_RESCHED,
                before,
                "softirq {number} has left a section open"
            );
        }
    }
}

/// Whether something waits to be served on a CPU.
pub fn is_pending(cpu: CpuId) -> bool {
    ROWS.of(cpu).pending.load(Relaxed) != 0
}

/// How often a vector's handler has run on a CPU.
pub fn count(cpu: CpuId, vector: Vector) -> u64 {
    ROWS.of(cpu).served[vector as usize].load(Relaxed)
}

/// Moves what is pending on a CPU that has gone offline to the CPU that this runs on. In a task.
pub fn take_over(gone: CpuId) {
    let here = PreemptGuard::new();
    tasklet::take_over(gone);
    let pending = ROWS.of(gone).pending.swap(0, Relaxed);
    if ROWS.this().pending.fetch_or(pending, Relaxed) | pending != 0 {
        see_to_it();
    }
    drop(here);
}
