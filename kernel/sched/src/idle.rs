//! PID 0 of each CPU: what runs when nothing else wants to.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use errno::Errno;
use machine::CpuId;
use machine::thread::Context;
use sync::{Once, PerCpu, per_cpu};

use crate::runqueue::RUN_QUEUES;
use crate::schedule::{install_idle, schedule_from_idle};
use crate::task::{Task, TaskRef};
use crate::{stack_cache, tick};

/// What an idle task does when its CPU is to leave.
static OFFLINE: Once<fn()> = Once::new();
/// The idle task of this CPU is to call the hook above.
static LEAVING: PerCpu<AtomicBool> = per_cpu!(AtomicBool::new(false));

/// Says what the idle task of a CPU that is told to leave calls, with interrupts off. The function returns when the CPU comes back. Once.
pub fn set_idle_offline_hook(hook: fn()) {
    let fresh = OFFLINE.set(hook).is_ok();
    assert!(fresh, "the offline hook is set once");
}

/// Tells the idle task of a CPU to call the offline hook the next time it has nothing to run.
pub fn leave_when_idle(cpu: CpuId) {
    LEAVING.of(cpu).store(true, Ordering::SeqCst);
    crate::wake::reschedule(cpu);
}

/// A CPU's idle task, if it has been made.
pub fn idle_task(cpu: CpuId) -> Option<TaskRef> {
    RUN_QUEUES.of(cpu).idle_task.get().cloned()
}

/// Makes the idle task of a CPU that has none yet; `entry` is where it begins. May sleep.
///
/// # Errors
/// ENOMEM.
pub fn new_idle(cpu: CpuId, entry: fn() -> !) -> Result<TaskRef, Errno> {
    if let Some(task) = RUN_QUEUES.of(cpu).idle_task.get() {
        return Ok(task.clone());
    }
    time::prepare(cpu)?;
    let stack = stack_cache::allocate(machine::cpu::node(cpu))?;
    let task = Arc::new(Task::idle(cpu, Context::new(stack, entry)));
    install_idle(&task);
    Ok(task)
}

/// The life of PID 0: runs what there is to run, and waits for an interrupt when there is nothing. Called with preemption off.
pub fn idle_loop() -> ! {
    machine::irq::enable();
    loop {
        schedule_from_idle();
        let _ = machine::irq::disable();
        if LEAVING.this().swap(false, Ordering::SeqCst)
            && let Some(offline) = OFFLINE.get()
        {
            tick::stop();
            offline();
            machine::irq::enable();
            continue;
        }
        // No tick will do it while nothing runs.
        klog::wake_readers();
        if machine::cpu::preempt_count() & machine::preempt::NO_RESCHED == 0 {
            // Asked for between the choice and here.
            machine::irq::enable();
            continue;
        }
        tick::pause();
        // Lets interrupts in and stops in one step: a wake-up cannot fall in between.
        machine::cpu::wait_for_interrupt();
    }
}
