//! CPUs come and go.
//!
//! The workers of a CPU are bound to it. When it goes, they are let off: they finish what they are at, and what is still queued
//! there, elsewhere, and as they no longer share a CPU, nobody is counted as running: each item that waits wakes a worker. When the CPU
//! comes back, they are bound to it again.
//!
//! Workers of an unbound pool that are to run on some CPUs only run elsewhere while none of those is there.

use core::sync::atomic::Ordering::Relaxed;

use errno::Errno;
use hotplug::Callback;
use machine::CpuId;
use sched::{CpuMask, TaskRef};

use crate::manager::{self, ATTACH};
use crate::pool::{Pool, WorkerFlags};
use crate::pools;

/// The workqueue's part in a CPU's coming and going.
pub(crate) static CALLBACK: Callback = Callback { name: "workqueue", online, offline };

/// The CPU is there: its workers are bound to it, and it gets its first ones.
///
/// # Errors
/// As making a worker.
pub(crate) fn online(cpu: CpuId) -> Result<(), Errno> {
    set_usable(cpu, true);
    for pool in pools::all_of_cpu(cpu) {
        rebind(pool, CpuMask::of(cpu), false);
        if pool.lock().nr_workers == 0 {
            manager::make_worker(pool).inspect_err(|_| offline(cpu))?;
        }
    }
    Ok(())
}

fn offline(cpu: CpuId) {
    set_usable(cpu, false);
    for pool in pools::all_of_cpu(cpu) {
        rebind(pool, CpuMask::ALL, true);
    }
}

/// Says where a CPU's workers may run, and whether those that run are counted.
fn rebind(pool: &Pool, cpus: CpuMask, disassociated: bool) {
    let _one_at_a_time = ATTACH.lock();
    let (set, clear) = if disassociated {
        (WorkerFlags::UNBOUND, WorkerFlags::empty())
    } else {
        (WorkerFlags::empty(), WorkerFlags::UNBOUND)
    };
    if !disassociated {
        // First where they belong, then counted.
        move_workers(pool, cpus);
    }
    {
        let mut held = pool.lock();
        held.disassociated = disassociated;
        for id in 0..held.workers.len() {
            if held.workers[id].as_ref().is_some_and(|worker| worker.task.is_some()) {
                held.change_flags(id as u32, set, clear);
            }
        }
        if held.need_more_workers() {
            held.wake_worker();
        }
    }
    if disassociated {
        move_workers(pool, cpus);
    }
}

/// Moves the workers of unbound pools to where they belong now. May sleep.
pub(crate) fn gather_unbound() {
    pools::for_each(|pool| {
        if pool.cpu.is_none() {
            gather(pool);
        }
    });
}

fn gather(pool: &Pool) {
    let _one_at_a_time = ATTACH.lock();
    let cpus = pool.cpus();
    // Who has joined since the last time found the same.
    if pool.gathered.swap(cpus.bits(), Relaxed) != cpus.bits() {
        move_workers(pool, cpus);
    }
}

/// Whether a CPU takes workers has changed, and with it perhaps where those of unbound pools go that are to be there.
fn set_usable(cpu: CpuId, usable: bool) {
    {
        // Who makes a worker looks under this lock, and the CPU stays as it is meanwhile.
        let _one_at_a_time = ATTACH.lock();
        pools::set_usable(cpu, usable);
    }
    gather_unbound();
}

/// One after the other: none joins meanwhile, and one that ends meanwhile need not be moved.
fn move_workers(pool: &Pool, cpus: CpuMask) {
    let task_of = |id: usize| -> Option<Option<TaskRef>> {
        let held = pool.lock();
        Some(held.workers.get(id)?.as_ref().and_then(|worker| worker.task.clone()))
    };
    let mut id = 0;
    while let Some(task) = task_of(id) {
        id += 1;
        if let Some(task) = task
            && let Err(error) = sched::set_allowed(&task, cpus)
        {
            kthread::warn_once!("workqueue: {task:?} cannot be moved: {error}");
        }
    }
}
