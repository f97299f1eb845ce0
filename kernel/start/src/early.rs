//! The first steps: what must be there before there are tasks.

use crate::reaper;
use crate::upcalls::UPCALLS;

/// Starts the log, memory and the scheduler, and lets interrupts in. On the boot CPU, once, with interrupts and preemption off; afterwards this
/// code is the boot CPU's idle task, still with preemption off.
pub fn early() {
    klog::init();
    memory::init();
    machine::boot::install(&UPCALLS);
    sched::start_on_boot_cpu();
    process::init();
    process::set_init_exit_hook(init_has_ended);
    kthread::reaper::install(reaper::kick);
    machine::irq::enable();
}

fn init_has_ended(code: u32) -> ! {
    kthread::oops::panic(format_args!("Attempted to kill init! exitcode={code:#010x}"))
}
