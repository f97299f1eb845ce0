//! Bringing a CPU up and taking it down.

use errno::Errno;
use kthread::smpboot;
use machine::{CpuId, StartError};
use sched::{Completion, Mutex, stopper};
use sync::{LockClass, PerCpu, per_cpu};

use crate::callbacks::{self, CPUHP};
use crate::migration::{self, MIGRATION};

/// Outermost: `cpu_hotplug_lock`.
static HOTPLUG_LOCK: LockClass = LockClass::new("cpu_hotplug");
static HOTPLUG: Mutex<()> = Mutex::new(&HOTPLUG_LOCK, ());

/// The CPU has come: said by its idle task.
static ARRIVED: PerCpu<Completion> = per_cpu!(Completion::new());

/// Makes the boot CPU's own threads. Once, when kthreadd is there. May sleep.
///
/// # Errors
/// As [`kthread::Builder::create`].
pub fn init() -> Result<(), Errno> {
    sched::set_idle_offline_hook(leave);
    smpboot::register(&MIGRATION)?;
    for cpu in sched::online().iter() {
        migration::enable(cpu);
    }
    smpboot::register(&CPUHP)
}

/// Whether a CPU is online.
pub fn is_online(cpu: CpuId) -> bool {
    sched::online().contains(cpu)
}

/// Brings up all CPUs that are not; at boot, by PID 1. Those that do not come are logged and left. At most `limit` are online afterwards. May sleep.
pub fn bring_up_others(limit: usize) {
    for cpu in 0..machine::cpu::count() {
        if sched::online().count() >= limit {
            break;
        }
        if !is_online(cpu)
            && let Err(error) = up(cpu)
        {
            log::error!("CPU{cpu} does not start: {error}");
        }
    }
    log::info!("smp: Brought up {} CPUs", sched::online().count());
}

/// Brings a CPU up. May sleep.
///
/// # Errors
/// EINVAL: there is no such CPU. ENOMEM, EAGAIN: its threads could not be made. EIO: it does not start. What a
/// callback says. Nothing is changed then, unless there is no memory to take it down again: then it stays, without what failed.
pub fn up(cpu: CpuId) -> Result<(), Errno> {
    if cpu >= machine::cpu::count() {
        return Err(Errno::EINVAL);
    }
    let _one_at_a_time = HOTPLUG.lock();
    if is_online(cpu) {
        return Ok(());
    }
    smpboot::create_threads(cpu)?;
    let idle = sched::new_idle(cpu, first_steps)?;
    match machine::cpu::start(cpu, idle.context()) {
        Ok(()) => {}
        Err(StartError::Absent) => return Err(Errno::EINVAL),
        Err(StartError::Running | StartError::Silent) => return Err(Errno::EIO),
    }
    ARRIVED.of(cpu).wait();
    migration::enable(cpu);
    smpboot::unpark_threads(cpu);
    if let Err(error) = callbacks::run_online(cpu) {
        if let Err(second) = retire(cpu) {
            // As after a `down` that fails: it stays, and a subsystem is without it.
            log::error!("CPU{cpu} was to go again and stays online: {second}");
            sched::set_active(cpu, true);
        }
        return Err(error);
    }
    sched::set_active(cpu, true);
    Ok(())
}

/// Takes a CPU down: everything that runs or waits there goes on elsewhere. May sleep.
///
/// # Errors
/// EINVAL: there is no such CPU. EBUSY: it is the last one, or the last that user tasks may use, or deadline
/// tasks have been promised more than the others have. ENOMEM.
pub fn down(cpu: CpuId) -> Result<(), Errno> {
    if cpu >= machine::cpu::count() {
        return Err(Errno::EINVAL);
    }
    let _one_at_a_time = HOTPLUG.lock();
    if !is_online(cpu) {
        return Ok(());
    }
    if sched::active().without(cpu).is_empty() {
        return Err(Errno::EBUSY);
    }
    sched::set_inactive(cpu)?;
    callbacks::run_offline(cpu);
    let outcome = retire(cpu);
    if outcome.is_err() {
        // It stays. A callback that fails now leaves its subsystem without this CPU, and has been logged.
        let _ = callbacks::run_online(cpu);
        sched::set_active(cpu, true);
    }
    outcome
}

/// Empties a CPU that takes no new tasks, and lets it go.
fn retire(cpu: CpuId) -> Result<(), Errno> {
    stopper::run_on(cpu, move || stopper::push_all_away(cpu))?;
    smpboot::park_threads(cpu);
    let gone = stopper::stop_machine(Some(cpu), move || {
        // All other CPUs stand still, and nobody holds a spin lock: nobody is about to queue something here.
        sched::set_online(cpu, false);
        stopper::push_all_away(cpu);
    });
    if let Err(error) = gone {
        smpboot::unpark_threads(cpu);
        return Err(error);
    }
    migration::park(cpu);
    sched::leave_when_idle(cpu);
    while machine::cpu::is_running(cpu) {
        sched::sleep_for(10 * time::MICROSECOND);
    }
    time::migrate_from(cpu);
    softirq::take_over(cpu);
    log::info!("CPU{cpu} is now offline");
    Ok(())
}

/// Where the idle task of a CPU begins when it is started for the first time.
fn first_steps() -> ! {
    arrive();
    sched::idle_loop()
}

/// The CPU is there. Interrupts off, preemption off, on its idle task.
fn arrive() {
    let cpu = machine::cpu::id();
    sched::start_on_this_cpu();
    sched::set_online(cpu, true);
    ARRIVED.of(cpu).complete();
}

/// What the idle task of a CPU that leaves does, with interrupts off; it comes back when the CPU does.
fn leave() {
    sched::drop_lazy_space();
    sched::stack_cache::drain_this_cpu();
    memory::drain_cpu();
    machine::cpu::park();
    arrive();
}
