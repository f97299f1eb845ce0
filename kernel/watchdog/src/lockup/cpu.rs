//! One CPU's part in the watch: its timer, its thread, and the CPU that it watches in its turn.
//!
//! Each watched CPU watches the next one, in a ring. Its timer is armed as long as it or the next one has something to do.
//! When both rest the timer is not armed again, and whoever of the two leaves its idle task first has it armed:
//!
//! ```text
//!   the watcher's timer expires                    the other CPU
//!   resting = true                                 locks its run queue
//!   has the other call when it leaves idle         leaves idle
//!   looks under the run queue's lock               unlocks it
//!   whether the other rests                        looks whether it is to call
//! ```
//!
//! Whoever has the lock second sees what the other did, so one of the two arms the timer: the watcher, which sees that the
//! other does not rest, or the other, which interrupts the watcher. That one arms its timer in the interrupt and stays in its
//! idle task: if it had to leave that, it would need a watcher in its turn, and one CPU at work would wake them all.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use kthread::smpboot::PerCpuThread;
use machine::{CpuId, Ipi};
use sched::{Attributes, CpuMask, TaskRef, watch};
use sync::{IrqGuard, LockClass, Once, PerCpu, SpinLock, per_cpu};
use time::HrTimer;

use super::{hard, soft, threshold};

/// Taken with interrupts off; takes nothing.
static THREAD_LOCK: LockClass = LockClass::new("watchdog_thread");

/// `watchdog/N`. Of the stop class, so that nothing but a lockup keeps it from running; shown as FIFO 99.
pub(super) static THREADS: PerCpuThread = PerCpuThread {
    name: "watchdog",
    attributes: Attributes::STOP,
    should_run: |cpu| WATCHES.of(cpu).due.load(SeqCst),
    work,
    online,
    offline,
    created: |cpu, thread| set_thread(cpu, Some(thread.clone())),
    kept_apart: false,
};

/// The CPUs in the ring.
static WATCHED: AtomicU64 = AtomicU64::new(0);

struct Watch {
    /// Made when the CPU is watched for the first time.
    timer: Once<HrTimer>,
    thread: SpinLock<Option<TaskRef>>,
    /// The thread is to run.
    due: AtomicBool,
    /// The thread is to look at the settings.
    changed: AtomicBool,
    /// The timer is not armed: this CPU and the one that it watches have nothing to do.
    resting: AtomicBool,
}

static WATCHES: PerCpu<Watch> = per_cpu!(Watch {
    timer: Once::new(),
    thread: SpinLock::new(&THREAD_LOCK, None),
    due: AtomicBool::new(false),
    changed: AtomicBool::new(false),
    resting: AtomicBool::new(false),
});

fn watched() -> CpuMask {
    CpuMask::from_bits(WATCHED.load(SeqCst))
}

/// The CPU that `cpu` watches, or would if it were in the ring. None: there is no other.
fn next(cpu: CpuId) -> Option<CpuId> {
    let others = watched().without(cpu);
    others.iter().find(|&other| other > cpu).or_else(|| others.first())
}

/// The CPU that watches `cpu`.
fn watcher_of(cpu: CpuId) -> Option<CpuId> {
    let others = watched().without(cpu);
    others.iter().filter(|&other| other < cpu).last().or_else(|| others.iter().last())
}

/// The time between two looks, in nanoseconds: five of them before a soft lockup is reported.
fn period() -> u64 {
    threshold().unsigned_abs() * 2 * time::SECOND / 5
}

fn set_thread(cpu: CpuId, thread: Option<TaskRef>) {
    let old = core::mem::replace(&mut *WATCHES.of(cpu).thread.lock_irq(), thread);
    drop(old);
}

/// The threads have been stopped.
pub(super) fn forget_threads() {
    for cpu in 0..machine::cpu::count() {
        set_thread(cpu, None);
    }
}

/// Has `watchdog/N` run. Any context without a run-queue lock.
pub(super) fn wake_thread(cpu: CpuId) {
    let watch = WATCHES.of(cpu);
    watch.due.store(true, SeqCst);
    let thread = watch.thread.lock_irq().clone();
    if let Some(thread) = thread {
        sched::wake_up(&thread);
    }
}

/// Sees to it that somebody watches a CPU that has something to do. Any context.
fn summon_watcher_of(cpu: CpuId) {
    if let Some(watcher) = watcher_of(cpu)
        && WATCHES.of(watcher).resting.load(SeqCst)
    {
        machine::irq::send(watcher, Ipi::CallFunction);
    }
}

/// The interrupt by which a CPU that rests is asked to watch again. It does not leave its idle task for that, so it needs no
/// watcher of its own.
pub(super) fn answer_summons() {
    let cpu = machine::cpu::id();
    if watched().contains(cpu) && WATCHES.of(cpu).resting.load(SeqCst) {
        arm(cpu);
    }
}

/// The settings have changed: all begin anew.
pub(super) fn restart_all() {
    for cpu in sched::online().iter() {
        WATCHES.of(cpu).changed.store(true, SeqCst);
        wake_thread(cpu);
    }
}

/// The thread is on its CPU, which has come or is to be watched from now on.
fn online(cpu: CpuId) {
    // A CPU that comes back has its timer already.
    let _ = WATCHES.of(cpu).timer.set(HrTimer::new(expired));
    if super::cpus().contains(cpu) {
        WATCHED.fetch_or(CpuMask::of(cpu).bits(), SeqCst);
        arm(cpu);
        // Whoever watches it from now on may have been watching another one, and both rested.
        summon_watcher_of(cpu);
    } else {
        offline(cpu);
    }
}

/// The CPU is about to go, or is not to be watched any more. On that CPU.
fn offline(cpu: CpuId) {
    let watch = WATCHES.of(cpu);
    WATCHED.fetch_and(!CpuMask::of(cpu).bits(), SeqCst);
    {
        // The timer is this CPU's: it does not expire in between, and will not arm itself again.
        let _irqs_off = IrqGuard::new();
        watch.resting.store(false, SeqCst);
        if let Some(timer) = watch.timer.get() {
            timer.cancel();
        }
    }
    if let Some(orphan) = next(cpu) {
        summon_watcher_of(orphan);
    }
}

/// `watchdog/N` runs: so its CPU switches tasks.
fn work(cpu: CpuId) {
    let watch = WATCHES.of(cpu);
    watch.due.store(false, SeqCst);
    soft::start_over(cpu, time::monotonic());
    if watch.changed.swap(false, SeqCst) {
        online(cpu);
    }
}

/// Starts this CPU's timer; what it has seen before does not count.
fn arm(cpu: CpuId) {
    let _irqs_off = IrqGuard::new();
    let now = time::monotonic();
    let watch = WATCHES.of(cpu);
    watch.resting.store(false, SeqCst);
    soft::start_over(cpu, now);
    hard::start_over(cpu);
    if let Some(timer) = watch.timer.get() {
        timer.start(now + period());
    }
}

/// A CPU leaves its idle task after it, or its watcher, has gone to rest. Interrupts off.
pub(super) fn leaves_idle(cpu: CpuId) {
    if !watched().contains(cpu) {
        return;
    }
    if WATCHES.of(cpu).resting.load(SeqCst) {
        arm(cpu);
    }
    summon_watcher_of(cpu);
}

/// The timer's interrupt.
fn expired() {
    let cpu = machine::cpu::id();
    if !watched().contains(cpu) {
        return;
    }
    let now = time::monotonic();
    let other = next(cpu);
    soft::look(cpu, now);
    if let Some(other) = other {
        hard::look(cpu, other, now);
    }
    let this_rests = watch::rests(cpu);
    if this_rests && other.is_none_or(watch::rests) {
        rest(cpu, other);
        return;
    }
    if let Some(timer) = WATCHES.of(cpu).timer.get() {
        timer.start(now + period());
    }
    if !this_rests {
        summon_watcher_of(cpu);
    }
}

/// This CPU and the one that it watches have nothing to do: its timer is not armed again.
fn rest(cpu: CpuId, other: Option<CpuId>) {
    WATCHES.of(cpu).resting.store(true, SeqCst);
    watch::call_when_leaving_idle(cpu);
    if let Some(other) = other {
        watch::call_when_leaving_idle(other);
    }
    let still_rests = other.is_none_or(watch::rests_for_certain);
    // A CPU that came or went has looked whether its new watcher rests, after it changed the ring.
    if !still_rests || next(cpu) != other {
        arm(cpu);
    }
}
