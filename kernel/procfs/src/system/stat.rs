//! Where the CPUs' time went.

use core::fmt::Write;

use errno::Result;
use kernfs::Text;
use sched::{CpuMask, CpuTimes};

use super::interrupts;

/// Nanoseconds in the unit that user space is shown.
const CLOCK_TICK: u64 = time::SECOND / 100;

fn times(text: &mut Text, times: &CpuTimes) -> Result<()> {
    let CpuTimes { user, nice, system, softirq, idle } = times;
    for time in [user, nice, system, idle] {
        write!(text, " {}", time / CLOCK_TICK)?;
    }
    // Waiting for a disk, interrupts, and, behind the softirqs, time that a hypervisor took, guests:
    // not told apart.
    writeln!(text, " 0 0 {} 0 0 0", softirq / CLOCK_TICK)?;
    Ok(())
}

/// `stat`
pub(super) fn stat(text: &mut Text) -> Result<()> {
    let mut all = CpuTimes::default();
    for cpu in CpuMask::present().iter() {
        let one = sched::cpu_times(cpu);
        all.user += one.user;
        all.nice += one.nice;
        all.system += one.system;
        all.softirq += one.softirq;
        all.idle += one.idle;
    }
    // Two blanks here, one in the lines of single CPUs.
    text.push(b"cpu ")?;
    times(text, &all)?;
    for cpu in sched::online().iter() {
        write!(text, "cpu{cpu}")?;
        times(text, &sched::cpu_times(cpu))?;
    }
    interrupts::totals(text)?;
    writeln!(text, "ctxt {}", sched::total_switches())?;
    writeln!(text, "btime {}", time::realtime_offset() / time::SECOND)?;
    writeln!(text, "processes {}", process::init_pid_ns().last_number())?;
    writeln!(text, "procs_running {}", sched::runnable())?;
    writeln!(text, "procs_blocked {}", sched::uninterruptible().max(0))?;
    interrupts::softirq_totals(text)
}

/// `schedstat`: of what is there, only the time of tasks on each CPU is counted.
pub(super) fn schedstat(text: &mut Text) -> Result<()> {
    writeln!(text, "version 15\ntimestamp {}", time::monotonic() / sched::TICK)?;
    for cpu in sched::online().iter() {
        let one = sched::cpu_times(cpu);
        let busy = one.user + one.nice + one.system + one.softirq;
        let switches = sched::counters(cpu).switches;
        writeln!(text, "cpu{cpu} 0 0 {switches} 0 0 0 {busy} 0 {switches}")?;
    }
    Ok(())
}
