//! Where the CPUs' time went.

use core::fmt::Write;

use errno::Result;
use kernfs::Text;
use sched::{CpuMask, CpuTimes};

/// Nanoseconds in the unit that user space is shown.
const CLOCK_TICK: u64 = time::SECOND / 100;

fn times(text: &mut Text, times: &CpuTimes) -> Result<()> {
    let CpuTimes { user, nice, system, idle, .. } = times;
    for time in [user, nice, system, idle] {
        write!(text, " {}", time / CLOCK_TICK)?;
    }
    // Waiting for a disk, interrupts, softirqs, time that a hypervisor took, guests: not told
    // apart.
    text.push(b" 0 0 0 0 0 0\n")
}

/// `stat`
pub(super) fn stat(text: &mut Text) -> Result<()> {
    let mut all = CpuTimes::default();
    for cpu in CpuMask::present().iter() {
        let one = sched::cpu_times(cpu);
        all.user += one.user;
        all.nice += one.nice;
        all.system += one.system;
        all.idle += one.idle;
    }
    // Two blanks here, one in the lines of single CPUs.
    text.push(b"cpu ")?;
    times(text, &all)?;
    for cpu in sched::online().iter() {
        write!(text, "cpu{cpu}")?;
        times(text, &sched::cpu_times(cpu))?;
    }
    let interrupts: u64 = CpuMask::present()
        .iter()
        .map(|cpu| {
            let counts = machine::irq::counts(cpu);
            counts.timer + counts.reschedule + counts.call_function + counts.tlb + counts.console
        })
        .sum();
    writeln!(text, "intr {interrupts}")?;
    writeln!(text, "ctxt {}", sched::total_switches())?;
    writeln!(text, "btime {}", time::realtime_offset() / time::SECOND)?;
    writeln!(text, "processes {}", process::init_pid_ns().last_number())?;
    writeln!(text, "procs_running {}", sched::runnable())?;
    writeln!(text, "procs_blocked {}", sched::uninterruptible().max(0))?;
    Ok(())
}

/// `schedstat`: of what is there, only the time of tasks on each CPU is counted.
pub(super) fn schedstat(text: &mut Text) -> Result<()> {
    writeln!(text, "version 15\ntimestamp {}", time::monotonic() / sched::TICK)?;
    for cpu in sched::online().iter() {
        let one = sched::cpu_times(cpu);
        let busy = one.user + one.nice + one.system;
        let switches = sched::counters(cpu).switches;
        writeln!(text, "cpu{cpu} 0 0 {switches} 0 0 0 {busy} 0 {switches}")?;
    }
    Ok(())
}
