//! Per-CPU threads: one for each CPU, made before the CPU comes, unparked when it is there, parked when it goes.
//!
//! A kind of thread is registered once. Its loop is the same for all: park when asked, call `work` when there is some, sleep otherwise.

use alloc::vec::Vec;

use errno::Errno;
use machine::CpuId;
use sched::{Attributes, Mutex, TaskRef, WaitQueue};
use sync::{LockClass, PerCpu, per_cpu};

use crate::builder::Builder;
use crate::handle::Handle;
use crate::this::This;

/// Outermost: CPUs come and go, and kinds are registered, one at a time.
static THREADS_LOCK: LockClass = LockClass::new("smpboot_threads");
static THREADS: Mutex<Vec<Registered>> = Mutex::new(&THREADS_LOCK, Vec::new());

/// A kind of per-CPU thread. The functions run in the thread, on its CPU, but for `created`.
pub struct PerCpuThread {
    /// The name before the slash: `migration` for `migration/0`.
    pub name: &'static str,
    /// How it is scheduled.
    pub attributes: Attributes,
    /// Whether there is work. Called with the thread's state set to asleep: must not sleep.
    pub should_run: fn(CpuId) -> bool,
    /// Does what there is to do. May sleep.
    pub work: fn(CpuId),
    /// The CPU is there (again). Before the first work.
    pub online: fn(CpuId),
    /// The CPU is about to go.
    pub offline: fn(CpuId),
    /// The thread of this CPU has been made; called by its maker.
    pub created: fn(CpuId, &TaskRef),
    /// Whoever registered it parks and unparks it by [`park_thread`] and [`unpark_thread`], as the stopper's keeper does.
    pub kept_apart: bool,
}

struct Registered {
    kind: &'static PerCpuThread,
    threads: Vec<(CpuId, Handle)>,
}

/// What the threads of a CPU sleep on.
static WAKE: PerCpu<WaitQueue> = per_cpu!(WaitQueue::new());

/// Registers a kind and makes its thread on every CPU that is online. May sleep.
///
/// # Errors
/// As [`Builder::create`]; no thread is left then.
pub fn register(kind: &'static PerCpuThread) -> Result<(), Errno> {
    let mut all = THREADS.lock();
    let mut registered = Registered { kind, threads: Vec::new() };
    for cpu in sched::online().iter() {
        match make(kind, cpu) {
            Ok(thread) => {
                if !kind.kept_apart {
                    thread.unpark();
                }
                registered.threads.push((cpu, thread));
            }
            Err(error) => {
                registered.threads.into_iter().for_each(|(_, thread)| {
                    thread.stop();
                });
                return Err(error);
            }
        }
    }
    all.push(registered);
    Ok(())
}

/// Makes the threads of a CPU that has none yet, parked. May sleep.
///
/// # Errors
/// As [`Builder::create`]; those already made stay for the next try.
pub fn create_threads(cpu: CpuId) -> Result<(), Errno> {
    let mut all = THREADS.lock();
    for registered in all.iter_mut() {
        if !registered.threads.iter().any(|&(other, _)| other == cpu) {
            let thread = make(registered.kind, cpu)?;
            registered.threads.push((cpu, thread));
        }
    }
    Ok(())
}

/// Lets the threads of a CPU that has come go on, bound to it. May sleep.
pub fn unpark_threads(cpu: CpuId) {
    for registered in THREADS.lock().iter() {
        if registered.kind.kept_apart {
            continue;
        }
        for (_, thread) in registered.threads.iter().filter(|&&(other, _)| other == cpu) {
            thread.unpark();
        }
    }
}

/// Parks the threads of a CPU that is about to go, the last registered first. May sleep.
pub fn park_threads(cpu: CpuId) {
    for registered in THREADS.lock().iter().rev() {
        if registered.kind.kept_apart {
            continue;
        }
        for (_, thread) in registered.threads.iter().filter(|&&(other, _)| other == cpu) {
            if let Err(error) = thread.park() {
                log::error!("smpboot: {}/{cpu} did not park: {error}", registered.kind.name);
            }
        }
    }
}

/// Lets the thread of one kind on one CPU go on. May sleep.
pub fn unpark_thread(kind: &'static PerCpuThread, cpu: CpuId) {
    with_thread(kind, cpu, Handle::unpark);
}

/// Parks the thread of one kind on one CPU. May sleep.
pub fn park_thread(kind: &'static PerCpuThread, cpu: CpuId) {
    with_thread(kind, cpu, |thread| {
        if let Err(error) = thread.park() {
            log::error!("smpboot: {}/{cpu} did not park: {error}", kind.name);
        }
    });
}

fn with_thread(kind: &'static PerCpuThread, cpu: CpuId, action: impl Fn(&Handle)) {
    for registered in THREADS.lock().iter().filter(|one| core::ptr::eq(one.kind, kind)) {
        for (_, thread) in registered.threads.iter().filter(|&&(other, _)| other == cpu) {
            action(thread);
        }
    }
}

/// Wakes the threads of a CPU: one of them has something to do. Any context.
pub fn wake(cpu: CpuId) {
    WAKE.of(cpu).wake_all();
}

/// Stops all threads of a kind and forgets it. May sleep.
pub fn unregister(kind: &'static PerCpuThread) {
    let mut all = THREADS.lock();
    let place = all.iter().position(|registered| core::ptr::eq(registered.kind, kind));
    let registered = place.map(|place| all.remove(place));
    drop(all);
    for (_, thread) in registered.into_iter().flat_map(|registered| registered.threads) {
        thread.stop();
    }
}

fn make(kind: &'static PerCpuThread, cpu: CpuId) -> Result<Handle, Errno> {
    let created = Builder::new(format_args!("{}/{cpu}", kind.name))
        .cpu(cpu)
        .attributes(kind.attributes)
        .create(move |this| {
            live(this, kind, cpu);
            0
        })?;
    (kind.created)(cpu, created.task());
    Ok(created.park())
}

/// The life of a per-CPU thread. A function of its own, so that its name shows in `/proc/PID/wchan`.
#[inline(never)]
fn live(this: &This, kind: &PerCpuThread, cpu: CpuId) {
    (kind.online)(cpu);
    loop {
        if this.should_park() {
            (kind.offline)(cpu);
            this.parkme();
            if this.should_stop() {
                return;
            }
            (kind.online)(cpu);
        } else if this.should_stop() {
            (kind.offline)(cpu);
            return;
        } else if this.wait(WAKE.of(cpu), || (kind.should_run)(cpu)) {
            (kind.work)(cpu);
        }
    }
}
