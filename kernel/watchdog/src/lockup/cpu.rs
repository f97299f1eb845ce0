//! One CPU's part in the watch: its timer, its thread, and the CPU that it watches in its turn.
//!
//! Each watched CPU watches the next one, in a ring. Its timer is armed as long as it or the next one has something to do.
//! A CPU writes its own part only, and says itself when it begins to work:
//!
//! ```text
//!   a CPU that leaves its idle task                its watcher's timer expires
//!   part = Working                                 reads the other's part
//!   interrupts its watcher ──────────────────────> if that does not work, goes to rest
//! ```
//!
//! The watcher takes the interrupt before its look, which sees the other work then, or after it, and goes on watching: no order of the
//! two leaves a CPU at work without a watcher. It arms its timer in the interrupt and stays in its idle task: if it had to leave
//! that, it would need a watcher in its turn, and one CPU at work would wake them all.
//!
//! A CPU that joins the ring begins to work like one that leaves its idle task. One that leaves the ring works until then, so its
//! watcher has its timer armed, and finds whom it has to watch from then on when that expires.

use core::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};

use kthread::smpboot::PerCpuThread;
use machine::{CpuId, Ipi};
use sched::{Attributes, TaskRef, watch};
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

/// A CPU's part in the watch. Changes on that CPU only, with interrupts off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Part {
    /// It is not in the ring: it watches nobody, and nobody watches it.
    Out,
    /// It has something to do, and is watched. Its timer is armed.
    Working,
    /// It has nothing to do but to watch the next one, which works. Its timer is armed.
    Watching,
    /// Neither has anything to do. Its timer is not armed.
    Resting,
}

impl Part {
    const ALL: [Self; 4] = [Self::Out, Self::Working, Self::Watching, Self::Resting];
}

struct Watch {
    /// A [`Part`].
    part: AtomicU8,
    /// Made when the CPU is watched for the first time.
    timer: Once<HrTimer>,
    thread: SpinLock<Option<TaskRef>>,
    /// The thread is to run.
    due: AtomicBool,
    /// The thread is to look at the settings.
    changed: AtomicBool,
}

static WATCHES: PerCpu<Watch> = per_cpu!(Watch {
    part: AtomicU8::new(Part::Out as u8),
    timer: Once::new(),
    thread: SpinLock::new(&THREAD_LOCK, None),
    due: AtomicBool::new(false),
    changed: AtomicBool::new(false),
});

fn part(cpu: CpuId) -> Part {
    machine::irq::point();
    Part::ALL[usize::from(WATCHES.of(cpu).part.load(SeqCst))]
}

/// On that CPU, interrupts off.
fn set_part(cpu: CpuId, part: Part) {
    machine::irq::point();
    WATCHES.of(cpu).part.store(part as u8, SeqCst);
}

/// The first CPU of the ring at some distance from `cpu`, which is not looked at itself. None: there is no other.
fn find(cpu: CpuId, distances: impl Iterator<Item = usize>) -> Option<CpuId> {
    distances
        .map(|distance| (cpu + distance) % machine::cpu::count())
        .find(|&other| part(other) != Part::Out)
}

/// The CPU that `cpu` watches.
fn next(cpu: CpuId) -> Option<CpuId> {
    find(cpu, 1..machine::cpu::count())
}

/// The CPU that watches `cpu`.
fn watcher_of(cpu: CpuId) -> Option<CpuId> {
    find(cpu, (1..machine::cpu::count()).rev())
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

/// The settings have changed: all begin anew.
pub(super) fn restart_all() {
    for cpu in sched::online().iter() {
        WATCHES.of(cpu).changed.store(true, SeqCst);
        wake_thread(cpu);
    }
}

/// The thread is on its CPU, which has come, or the settings have changed.
fn online(cpu: CpuId) {
    // A CPU that comes back has its timer already.
    let _ = WATCHES.of(cpu).timer.set(HrTimer::new(expired));
    offline(cpu);
    if super::cpus().contains(cpu) {
        let _irqs_off = IrqGuard::new();
        begin_work(cpu);
    }
}

/// The CPU is about to go, or is not to be watched any more. On that CPU.
fn offline(cpu: CpuId) {
    let _irqs_off = IrqGuard::new();
    set_part(cpu, Part::Out);
    if let Some(timer) = WATCHES.of(cpu).timer.get() {
        timer.cancel();
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

/// This CPU has something to do from now on, and is watched: it joins the ring, leaves its idle task, or serves softirqs there.
/// Interrupts off.
pub(super) fn begin_work(cpu: CpuId) {
    let now = time::monotonic();
    soft::start_over(cpu, now);
    let before = part(cpu);
    set_part(cpu, Part::Working);
    if matches!(before, Part::Out | Part::Resting) {
        arm(cpu, now);
    }
    // Not before its part has changed: see above.
    if let Some(watcher) = watcher_of(cpu) {
        machine::irq::send(watcher, Ipi::CallFunction);
    }
}

/// The interrupt by which a CPU that begins to work asks this one to watch it.
pub(super) fn answer_summons() {
    let cpu = machine::cpu::id();
    if part(cpu) == Part::Resting {
        set_part(cpu, Part::Watching);
        arm(cpu, time::monotonic());
    }
}

/// On that CPU, interrupts off.
fn arm(cpu: CpuId, now: u64) {
    if let Some(timer) = WATCHES.of(cpu).timer.get() {
        timer.start(now + period());
    }
}

/// The timer's interrupt. Only on a CPU of the ring: one that leaves it takes its timer back.
fn expired() {
    let cpu = machine::cpu::id();
    let now = time::monotonic();
    let works = next(cpu).filter(|&other| part(other) == Part::Working);
    if let Some(other) = works {
        hard::look(other, now);
    }
    if watch::rests() {
        watch::call_when_leaving_idle();
        set_part(cpu, if works.is_some() { Part::Watching } else { Part::Resting });
    } else {
        soft::look(cpu, now);
    }
    if part(cpu) != Part::Resting {
        arm(cpu, now);
    }
}
