//! How long and how hard the machine has been working.

use core::fmt::Write;

use errno::Result;
use kernfs::Text;
use sched::CpuMask;

use super::write_seconds;

/// `uptime`: seconds since boot, and idle seconds of all CPUs together.
pub(super) fn uptime(text: &mut Text) -> Result<()> {
    let idle = CpuMask::present().iter().map(|cpu| sched::cpu_times(cpu).idle).sum();
    write_seconds(text, time::monotonic())?;
    text.push(b" ")?;
    write_seconds(text, idle)?;
    text.push(b"\n")
}

/// `loadavg`: the averages over 1, 5 and 15 minutes, running tasks of all tasks, the number given
/// out last.
pub(super) fn loadavg(text: &mut Text) -> Result<()> {
    for average in sched::load_average() {
        write!(text, "{}.{:02} ", average / 100, average % 100)?;
    }
    let tasks: usize = process::processes().iter().map(|process| process.thread_count()).sum();
    let last = process::current_pid_namespace().last_number();
    writeln!(text, "{}/{tasks} {last}", sched::runnable())?;
    Ok(())
}
