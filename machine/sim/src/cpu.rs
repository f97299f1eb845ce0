//! Virtual CPUs, and the words that each of them has.

use core::fmt;

use contract::{CpuId, NodeId, StartError};

use crate::machine::{State, here};
use crate::schedule;
use crate::thread::Context;
use crate::trace::Event;

/// CPUs present, started or not.
#[must_use]
pub fn count() -> usize {
    here().cpus().len()
}

/// The CPU this runs on.
#[inline]
#[must_use]
pub fn id() -> CpuId {
    here().this()
}

/// The NUMA node of a CPU.
#[must_use]
pub fn node(cpu: CpuId) -> NodeId {
    here().node_of(cpu)
}

/// Makes a stopped CPU run `idle`.
///
/// # Errors
/// [`StartError::Absent`] and [`StartError::Running`] as they say; [`StartError::Silent`] if the
/// run's fault plan says so at the point `cpu_start`.
///
/// # Panics
/// If `idle` is neither new nor the context in which this CPU parked.
pub fn start(cpu: CpuId, idle: &Context) -> Result<(), StartError> {
    let machine = here();
    let target = machine.cpus().get(cpu).ok_or(StartError::Absent)?;
    if target.state.get() != State::Stopped {
        return Err(StartError::Running);
    }
    if !machine.active.get() || crate::sim::should_fail("cpu_start") {
        return Err(StartError::Silent);
    }
    if let Some(stack_pointer) = idle.take_for_start(cpu) {
        target.stack_pointer.set(stack_pointer);
    }
    target.interrupts.set(false);
    target.state.set(State::Running);
    target.waits_since.set(machine.points.get());
    machine.trace.record(machine, Event::Start, "", cpu as u64);
    schedule::point(machine);
    Ok(())
}

/// Takes the calling CPU out of service. Interrupts off. Returns when another CPU starts it again.
///
/// # Panics
/// If interrupts are on.
pub fn park() {
    let machine = here();
    assert!(!machine.cpu().interrupts.get(), "park with interrupts on");
    assert!(machine.active.get(), "park outside of a run");
    machine.trace.record(machine, Event::Park, "", 0);
    schedule::stop(machine);
}

/// Whether the CPU has been started and has not parked.
#[must_use]
pub fn is_running(cpu: CpuId) -> bool {
    here().cpus().get(cpu).is_some_and(|cpu| cpu.state.get() != State::Stopped)
}

/// One turn of a spin loop: most often another CPU goes on.
///
/// # Panics
/// In a reporter ([`crate::sim::set_reporter`]) and [aside](crate::sim::aside), where nobody goes on.
#[inline]
pub fn relax() {
    let machine = here();
    if machine.active.get() {
        schedule::relax(machine);
    } else if crate::run::is_over() || machine.aside.get() {
        panic!("who is waited for will not go on");
    } else {
        std::thread::yield_now();
    }
}

/// Called with interrupts off; lets them in and stops until one was taken. Returns with interrupts
/// on.
///
/// # Panics
/// If interrupts are on, or outside of a run.
pub fn wait_for_interrupt() {
    let machine = here();
    assert!(!machine.cpu().interrupts.get(), "wait_for_interrupt with interrupts on");
    assert!(machine.active.get(), "wait_for_interrupt outside of a run: nothing would ever come");
    schedule::halt(machine);
}

/// The preemption word.
#[inline]
#[must_use]
pub fn preempt_count() -> u32 {
    here().cpu().preempt.get()
}

/// Adds to the preemption word.
#[inline]
pub fn preempt_add(units: u32) {
    let machine = here();
    // The last moment at which this CPU can be taken away from the task.
    schedule::point(machine);
    let word = &machine.cpu().preempt;
    word.set(word.get().wrapping_add(units));
}

/// Subtracts from the preemption word and returns the new value.
///
/// # Panics
/// If more is subtracted than was added.
#[inline]
pub fn preempt_sub(units: u32) -> u32 {
    let word = &here().cpu().preempt;
    let old = word.get();
    assert!(
        old & !contract::preempt::NO_RESCHED >= units,
        "preemption word {old:#x} cannot lose {units:#x}"
    );
    word.set(old - units);
    old - units
}

/// Overwrites the preemption word.
#[inline]
pub fn preempt_set(value: u32) {
    here().cpu().preempt.set(value);
}

/// Notes that this CPU should reschedule.
#[inline]
pub fn set_need_resched() {
    let word = &here().cpu().preempt;
    word.set(word.get() & !contract::preempt::NO_RESCHED);
}

/// Takes the note back.
#[inline]
pub fn clear_need_resched() {
    let word = &here().cpu().preempt;
    word.set(word.get() | contract::preempt::NO_RESCHED);
}

/// This CPU's word for the running task.
#[inline]
#[must_use]
pub fn current() -> *const () {
    here().cpu().current.get()
}

/// Sets the word. The trace shows the number that [`crate::sim::set_task_number`] finds.
#[inline]
pub fn set_current(task: *const ()) {
    let machine = here();
    machine.cpu().current.set(task);
    if let Some(number) = machine.hooks.task_number.get()
        && machine.active.get()
    {
        let number = number();
        machine.cpu().left_task.set(machine.cpu().task.replace(number));
        machine.trace.record(machine, Event::Task, "", number);
    }
}

/// Text for `/proc/cpuinfo`.
///
/// # Errors
/// What `out` says.
pub fn describe(cpu: CpuId, out: &mut dyn fmt::Write) -> fmt::Result {
    writeln!(out, "processor\t: {cpu}")?;
    writeln!(out, "vendor_id\t: Simulated")?;
    writeln!(out, "model name\t: virtual CPU in a host process")
}

/// Programs here are lists of steps, and do not look where they run.
#[must_use]
pub fn user_number() -> bool {
    false
}
