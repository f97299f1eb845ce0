//! `migration/N`: the stopper threads.

use kthread::smpboot::{self, PerCpuThread};
use machine::CpuId;
use sched::{Attributes, TaskRef, stopper};

/// Of the stop class, so nothing keeps it from running; shown as FIFO 99. It is parked by the hotplug code itself, as the last
/// thread of its CPU.
pub(crate) static MIGRATION: PerCpuThread = PerCpuThread {
    name: "migration",
    attributes: Attributes::STOP,
    should_run: stopper::has_work,
    work: stopper::do_work,
    online: |_| {},
    offline: |_| {},
    created,
    kept_apart: true,
};

fn created(cpu: CpuId, thread: &TaskRef) {
    stopper::set_thread(cpu, thread.clone());
}

/// Lets the stopper of a CPU that is there take work.
pub(crate) fn enable(cpu: CpuId) {
    smpboot::unpark_thread(&MIGRATION, cpu);
    stopper::enable(cpu);
}

/// Parks the stopper of a CPU that is not online any more.
pub(crate) fn park(cpu: CpuId) {
    stopper::disable(cpu);
    smpboot::park_thread(&MIGRATION, cpu);
}
