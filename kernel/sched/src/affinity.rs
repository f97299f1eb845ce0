//! Where tasks may run, and moving those that run where they may not.
//!
//! The race to close is between a change of affinity and a wake-up that has already chosen a CPU:
//!
//! ```text
//!   set_allowed                          waker
//!   writes the new mask                  claims the task: state = WAKING
//!   looks at the state, then the queue   reads the mask, chooses, queues the task
//! ```
//!
//! All four are SeqCst. If the waker claims after the mask was written it reads the new mask; if before, `set_allowed` sees
//! WAKING and looks again until the task is queued, and then moves it like any queued task. So neither looks twice: who claims after
//! `set_allowed` has seen no WAKING has read the new mask, whatever becomes of the task then.
//!
//! A CPU that goes is like a change of all masks. A waker has interrupts off from its claim to the end, and a CPU is taken out of the masks
//! before `stop_machine` has all others stand still: when that empties the CPU's queue, whoever had chosen it has queued its task there.

use core::sync::atomic::{AtomicU64, Ordering};

use errno::Errno;
use machine::CpuId;

use crate::cpumask::CpuMask;
use crate::current::current_ref;
use crate::deadline;
use crate::runqueue;
use crate::state::{NEW, WAKING};
use crate::stopper;
use crate::task::{Task, TaskFlags, TaskRef};
use crate::tracepoints;
use crate::wake::reschedule;

/// CPUs that run the scheduler.
static ONLINE: AtomicU64 = AtomicU64::new(0);
/// CPUs that take tasks of any kind: those online and not about to go.
static ACTIVE: AtomicU64 = AtomicU64::new(0);
/// CPUs for tasks that were not bound on purpose; `isolcpus=` takes CPUs out.
static HOUSEKEEPING: AtomicU64 = AtomicU64::new(u64::MAX);

fn set_bit(mask: &AtomicU64, cpu: CpuId, on: bool) {
    if on {
        mask.fetch_or(1 << cpu, Ordering::SeqCst);
    } else {
        mask.fetch_and(!(1 << cpu), Ordering::SeqCst);
    }
}

/// The CPUs that run the scheduler.
pub fn online() -> CpuMask {
    CpuMask::from_bits(ONLINE.load(Ordering::SeqCst))
}

/// The CPUs that take tasks of any kind.
pub fn active() -> CpuMask {
    CpuMask::from_bits(ACTIVE.load(Ordering::SeqCst))
}

/// For CPU hotplug: the CPU runs the scheduler from now on, or no longer.
pub fn set_online(cpu: CpuId, on: bool) {
    set_bit(&ONLINE, cpu, on);
}

/// For CPU hotplug: the CPU takes any task from now on, or only those bound to it.
pub fn set_active(cpu: CpuId, on: bool) {
    set_bit(&ACTIVE, cpu, on);
}

/// The CPUs for tasks that are not bound on purpose.
pub fn housekeeping() -> CpuMask {
    CpuMask::from_bits(HOUSEKEEPING.load(Ordering::Relaxed)).and(CpuMask::present())
}

/// Takes CPUs out of the housekeeping set, at boot. At least one stays in, or the call does nothing and returns false.
pub fn set_housekeeping(mask: CpuMask) -> bool {
    let leaves_some = !mask.and(CpuMask::present()).is_empty();
    if leaves_some {
        HOUSEKEEPING.store(mask.bits(), Ordering::Relaxed);
    }
    leaves_some
}

/// Whether a task may be queued on a CPU now.
#[inline]
pub(crate) fn may_run_on(task: &Task, cpu: CpuId) -> bool {
    // Nearly always one of the CPUs that it was given; those that are active are candidates in every case below.
    task.allowed().and(active()).contains(cpu) || candidates(task).contains(cpu)
}

/// The CPUs that a task may be queued on now. Kernel threads bound to a CPU run there while it is online,
/// also while it comes up or goes down. A task none of whose CPUs is left runs anywhere; where one of a program is put, it
/// forgets them: see [`forget_lost_cpus`].
pub(crate) fn candidates(task: &Task) -> CpuMask {
    let allowed = task.allowed();
    if allowed.count() == 1 && task.is_kthread() {
        let bound = allowed.and(online());
        if !bound.is_empty() {
            return bound;
        }
    }
    let usable = allowed.and(active());
    if !usable.is_empty() {
        return usable;
    }
    let anywhere = active();
    if anywhere.is_empty() { online() } else { anywhere }
}

/// For whoever is about to choose a CPU for a task: a program's task none of whose CPUs takes tasks may run on all from now on, also
/// when its own come back, so that it is never without any. Kernel threads are bound for a reason, and keep theirs.
pub(crate) fn forget_lost_cpus(task: &Task) {
    let (allowed, active) = (task.allowed(), active());
    if task.is_kthread() || active.is_empty() || !allowed.and(active).is_empty() {
        return;
    }
    let all = CpuMask::present().bits();
    // If somebody has just given it others, those count.
    let _ = task.allowed.compare_exchange(allowed.bits(), all, Ordering::SeqCst, Ordering::Relaxed);
}

/// Changes where a task may run, and does not return before it runs there or sleeps. May sleep.
///
/// # Errors
/// EINVAL: none of the CPUs is online.
pub fn set_allowed(task: &TaskRef, mask: CpuMask) -> Result<(), Errno> {
    sync::might_sleep();
    if mask.and(online()).is_empty() {
        return Err(Errno::EINVAL);
    }
    // SeqCst: see the head of this file.
    task.allowed.store(mask.bits(), Ordering::SeqCst);
    leave_forbidden_cpu(task)
}

/// As [`set_allowed`], for user space: `NO_SETAFFINITY` forbids it. Who binds a task sets that flag before the mask. May sleep.
///
/// # Errors
/// EINVAL: none of the CPUs takes such a task; the task is bound. EBUSY: it is a deadline task, and not all CPUs are in the mask.
pub fn set_allowed_from_user(task: &TaskRef, mask: CpuMask) -> Result<(), Errno> {
    sync::might_sleep();
    // A program's task would lose a CPU that is about to go at once, and with it all that it has asked for.
    let usable = if task.is_kthread() { online() } else { active() };
    if mask.and(usable).is_empty() {
        return Err(Errno::EINVAL);
    }
    let is_bound = || task.flags().contains(TaskFlags::NO_SETAFFINITY);
    let exchange = |from: u64, to: u64| {
        task.allowed.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    };
    loop {
        let old = task.allowed.load(Ordering::SeqCst);
        if is_bound() {
            return Err(Errno::EINVAL);
        }
        if deadline::allow_from_user(task, old, mask.bits())? {
            if is_bound() {
                // Bound meanwhile: either to what was there before, or to what has replaced ours by now, or is about to.
                exchange(mask.bits(), old);
                return Err(Errno::EINVAL);
            }
            return leave_forbidden_cpu(task);
        }
    }
}

/// Binds a task that has not been woken yet, or sleeps, without waiting for anything. Any context.
pub fn bind_sleeping(task: &TaskRef, mask: CpuMask) {
    task.allowed.store(mask.bits(), Ordering::SeqCst);
    // A new task starts from the CPU it was made on; let the choice begin on one of its own.
    if task.state() & NEW != 0
        && let Some(cpu) = mask.first()
    {
        task.cpu.store(cpu, Ordering::Relaxed);
    }
}

/// Goes to a CPU where the running task may be, if it is not on one: after its mask was changed by [`bind_sleeping`] and it did not sleep
/// after all. May sleep.
pub fn settle() {
    let me = current_ref();
    if !may_run_on(&me, me.cpu())
        && let Err(error) = leave_forbidden_cpu(&me)
    {
        log::warn!("{me:?} stays on a CPU that it is not bound to: {error}");
    }
}

/// Moves a task off a CPU on which it may not be.
pub(crate) fn leave_forbidden_cpu(task: &TaskRef) -> Result<(), Errno> {
    loop {
        if task.state() & WAKING != 0 {
            machine::cpu::relax();
            continue;
        }
        let queue = runqueue::lock_of(task);
        let cpu = task.cpu();
        if !task.is_queued() {
            // It sleeps, or a waker has claimed it since the test above, and has read the new mask.
            return Ok(());
        }
        if may_run_on(task, cpu) {
            return Ok(());
        }
        let runs = task.on_cpu.load(Ordering::Acquire);
        drop(queue);
        if runs {
            // Only a task above it can take a running task's CPU: the stopper. It moves what it has preempted.
            let moved = task.clone();
            match stopper::run_on(cpu, move || move_waiting(&moved)) {
                // The CPU went away meanwhile, and with it the task.
                Err(Errno::ENOENT) if !online().contains(cpu) => {}
                other => other?,
            }
        } else {
            move_waiting(task);
        }
    }
}

/// Moves a task that waits on a queue to a CPU where it may run. Does nothing if it runs, sleeps, or is all right.
pub(crate) fn move_waiting(task: &TaskRef) {
    let from = task.cpu();
    forget_lost_cpus(task);
    let Some(to) = candidates(task).first() else { return };
    let to =
        candidates(task).iter().min_by_key(|&cpu| runqueue::counters(cpu).runnable).unwrap_or(to);
    if from == to || may_run_on(task, from) {
        return;
    }
    move_between(task, from, to);
}

/// Moves a waiting task between two CPUs, if it is still where it was and may still go where it is sent.
pub(crate) fn move_between(task: &TaskRef, from: CpuId, to: CpuId) {
    let mut queues = runqueue::lock_two(from, to);
    if task.cpu() != from || !task.is_queued() || task.on_cpu.load(Ordering::Acquire) {
        return;
    }
    if !may_run_on(task, to) {
        return;
    }
    let Some(task) = queues.first.remove(task) else { return };
    tracepoints::migrate(&task, to);
    let preempts = queues.second.enqueue(to, task, time::sched_clock());
    drop(queues);
    if preempts {
        reschedule(to);
    }
}
