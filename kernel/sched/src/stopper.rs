//! Stopping what a CPU does, to do something else there: the work of the `migration/N` threads.
//!
//! Each CPU has a stopper thread of the highest class. Work is put on its queue, it preempts whatever runs, does the work and sleeps
//! again. Moving a running task is such work, and so is [`stop_machine`], which brings all CPUs to a known place with interrupts off.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use errno::Errno;
use machine::CpuId;
use sync::{IrqGuard, LockClass, PerCpu, SpinLock, per_cpu};

use crate::affinity::{self, online};
use crate::completion::Completion;
use crate::cpumask::CpuMask;
use crate::mutex::Mutex;
use crate::task::TaskRef;
use crate::wake::wake_up;

/// Taken with interrupts off; takes nothing.
static STOPPER_LOCK: LockClass = LockClass::new("stopper");
/// Outermost of the stopper's: one `stop_machine` at a time, and queues filled in the same order everywhere.
static STOP_MACHINE_LOCK: LockClass = LockClass::new("stop_machine");

type Work = Box<dyn FnOnce() + Send>;

/// Places that [`queue`] leaves free in a stopper's list: for [`stop_machine`], of which there is one at a time, and which cannot stop
/// half-way through the CPUs for lack of memory.
const KEPT_PLACES: usize = 1;

struct Stopper {
    thread: Option<TaskRef>,
    enabled: bool,
    works: VecDeque<Work>,
}

static STOPPERS: PerCpu<SpinLock<Stopper>> = per_cpu!(SpinLock::new(
    &STOPPER_LOCK,
    Stopper { thread: None, enabled: false, works: VecDeque::new() }
));

static STOP_MACHINE: Mutex<()> = Mutex::new(&STOP_MACHINE_LOCK, ());

/// Gives a CPU its stopper thread.
pub fn set_thread(cpu: CpuId, thread: TaskRef) {
    let old = STOPPERS.of(cpu).lock_irq().thread.replace(thread);
    drop(old);
}

/// Lets a CPU's stopper take work: the CPU is online and the thread unparked.
pub fn enable(cpu: CpuId) {
    STOPPERS.of(cpu).lock_irq().enabled = true;
}

/// The CPU's stopper takes no more work; what is queued is still done.
pub fn disable(cpu: CpuId) {
    STOPPERS.of(cpu).lock_irq().enabled = false;
}

/// Whether work waits on a CPU. For the stopper thread.
pub fn has_work(cpu: CpuId) -> bool {
    !STOPPERS.of(cpu).lock_irq().works.is_empty()
}

/// Does the work that waits on a CPU. For the stopper thread of that CPU.
pub fn do_work(cpu: CpuId) {
    loop {
        let work = STOPPERS.of(cpu).lock_irq().works.pop_front();
        match work {
            Some(work) => {
                // Work must not sleep: the thread that it would wait for may be the one it has stopped.
                let _stay = sync::PreemptGuard::new();
                work();
            }
            None => return,
        }
    }
}

fn queue(cpu: CpuId, work: Work) -> Result<(), Errno> {
    let mut stopper = STOPPERS.of(cpu).lock_irq();
    if !stopper.enabled {
        return Err(Errno::ENOENT);
    }
    let thread = stopper.thread.clone().ok_or(Errno::ENOENT)?;
    stopper.works.try_reserve(1 + KEPT_PLACES).map_err(|_| Errno::ENOMEM)?;
    stopper.works.push_back(work);
    drop(stopper);
    wake_up(&thread);
    Ok(())
}

/// Runs `work` on a CPU, in its stopper thread with preemption off, and waits until it is done. May sleep.
///
/// # Errors
/// ENOENT: the CPU's stopper takes no work (it is offline). ENOMEM.
pub fn run_on(cpu: CpuId, work: impl FnOnce() + Send + 'static) -> Result<(), Errno> {
    let done = Arc::new(Completion::new());
    let done_there = done.clone();
    queue(
        cpu,
        Box::new(move || {
            work();
            done_there.complete();
        }),
    )?;
    done.wait();
    Ok(())
}

/// Where all CPUs of a `stop_machine` are.
struct Gathering {
    /// CPUs that have come to the present step.
    arrived: AtomicUsize,
    step: AtomicUsize,
    count: usize,
    over: AtomicUsize,
}

impl Gathering {
    /// Waits, spinning, until everybody has come here.
    fn meet(&self) {
        let step = self.step.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.count {
            self.arrived.store(0, Ordering::Relaxed);
            // Release: what was done before is seen by all after.
            self.step.store(step + 1, Ordering::Release);
        } else {
            while self.step.load(Ordering::Acquire) == step {
                // Whoever does the work may take its time.
                crate::watch::touch_nmi_watchdog();
                machine::cpu::relax();
            }
        }
    }
}

/// Runs `work` on one CPU (`on`, or any) while all other online CPUs stand still with interrupts off. May sleep.
///
/// # Errors
/// ENOENT: a stopper takes no work: `on` is offline. ENOMEM.
pub fn stop_machine(on: Option<CpuId>, work: impl FnOnce() + Send + 'static) -> Result<(), Errno> {
    let _one_at_a_time = STOP_MACHINE.lock();
    let cpus = online();
    let on = match on {
        Some(cpu) if cpus.contains(cpu) => cpu,
        Some(_) => return Err(Errno::ENOENT),
        None => cpus.first().ok_or(Errno::ENOENT)?,
    };
    let gathering = Arc::new(Gathering {
        arrived: AtomicUsize::new(0),
        step: AtomicUsize::new(0),
        count: cpus.count(),
        over: AtomicUsize::new(0),
    });
    let done = Arc::new(Completion::new());
    let mut parts = alloc::vec::Vec::new();
    parts.try_reserve_exact(cpus.count()).map_err(|_| Errno::ENOMEM)?;
    let mut work = Some(work);
    for cpu in cpus.iter() {
        let (gathering, done) = (gathering.clone(), done.clone());
        let work = if cpu == on { work.take() } else { None };
        let part: Work = Box::new(move || {
            // First all have come, so that nobody holds a lock that is needed; then all have interrupts off.
            gathering.meet();
            let _irqs_off = IrqGuard::new();
            gathering.meet();
            if let Some(work) = work {
                work();
            }
            gathering.meet();
            if gathering.over.fetch_add(1, Ordering::AcqRel) + 1 == gathering.count {
                done.complete();
            }
        });
        parts.push((cpu, part));
    }
    queue_all(cpus, parts)?;
    done.wait();
    Ok(())
}

/// Queues one part on each CPU, or none at all: CPUs that met would wait for ever for one that does not come.
fn queue_all(cpus: CpuMask, parts: alloc::vec::Vec<(CpuId, Work)>) -> Result<(), Errno> {
    for cpu in cpus.iter() {
        let mut stopper = STOPPERS.of(cpu).lock_irq();
        if !stopper.enabled || stopper.thread.is_none() {
            return Err(Errno::ENOENT);
        }
        stopper.works.try_reserve(KEPT_PLACES).map_err(|_| Errno::ENOMEM)?;
    }
    // CPUs come and go only under the hotplug lock, which callers of `stop_machine` share: none goes between.
    // With preemption off no part begins on this CPU before all are queued.
    let _stay = sync::PreemptGuard::new();
    for (cpu, part) in parts {
        let mut stopper = STOPPERS.of(cpu).lock_irq();
        stopper.works.push_back(part);
        let thread = stopper.thread.clone();
        drop(stopper);
        if let Some(thread) = thread {
            wake_up(&thread);
        }
    }
    Ok(())
}

/// Moves the running task, or whoever waits, off a CPU that is about to go: all that may run elsewhere. In the stopper's work, on that CPU.
pub fn push_all_away(cpu: CpuId) {
    loop {
        let fits = |task: &TaskRef| !affinity::may_run_on(task, cpu);
        let queue = crate::runqueue::RUN_QUEUES.of(cpu).queue.lock_irq();
        let found = queue.find_any(&fits);
        drop(queue);
        match found {
            Some(task) => affinity::move_waiting(&task),
            None => return,
        }
    }
}
