//! What both watchers say in the same way.

use core::fmt;

use kthread::backtrace;
use machine::CpuId;

/// Writes a line of the most urgent level. Any context.
pub(crate) fn emergency(text: fmt::Arguments<'_>) {
    klog::write_record(0, text);
}

/// Prints what every online CPU but some does. Any context but a non-maskable interrupt.
pub(crate) fn print_other_cpus(but: &[CpuId]) {
    for cpu in sched::online().iter().filter(|cpu| !but.contains(cpu)) {
        backtrace::print_cpu(cpu);
    }
}
