//! `/proc/sys/kernel`.

use alloc::sync::Arc;
use core::fmt::Write;

use errno::{Errno, Result};
use kernfs::Text;
use process::{RELEASE, SYSNAME, Thread, UtsNamespace, VERSION};

use super::{Sysctl, line, parse_numbers, register_sysctl};

/// The highest capability number there is.
const CAP_LAST_CAP: i64 = 40;
/// The most supplementary groups of a process.
const NGROUPS_MAX: i64 = 65536;
/// Nanoseconds in the unit of the real-time limits.
const MICROSECOND: i64 = time::MICROSECOND as i64;

pub(super) fn register() -> Result<()> {
    names()?;
    numbers()?;
    crashes()?;
    real_time()?;
    let sysrq = Sysctl::integer(&sysrq::ENABLED, i64::from(i32::MIN)..=i64::from(i32::MAX));
    register_sysctl("kernel/sysrq", 0o644, sysrq)?;
    register_sysctl("kernel/printk", 0o644, Sysctl::new(show_printk, set_printk))
}

fn uts() -> Arc<UtsNamespace> {
    Thread::of(&sched::current()).uts()
}

fn show_line(text: &mut Text, name: &[u8]) -> Result<()> {
    text.push(name)?;
    text.push(b"\n")
}

fn names() -> Result<()> {
    register_sysctl("kernel/ostype", 0o444, Sysctl::constant(SYSNAME))?;
    register_sysctl("kernel/osrelease", 0o444, Sysctl::constant(RELEASE))?;
    register_sysctl("kernel/version", 0o444, Sysctl::constant(VERSION))?;
    let host = Sysctl::new(
        |text| show_line(text, &uts().host_name()),
        |bytes| uts().set_host_name(line(bytes)),
    );
    register_sysctl("kernel/hostname", 0o644, host)?;
    let domain = Sysctl::new(
        |text| show_line(text, &uts().domain_name()),
        |bytes| uts().set_domain_name(line(bytes)),
    );
    register_sysctl("kernel/domainname", 0o644, domain)
}

fn numbers() -> Result<()> {
    let bounds = i64::from(process::PID_MAX_MIN)..=i64::from(process::PID_MAX_LIMIT);
    let pid_max = Sysctl::number(
        || i64::from(process::pid_max()),
        bounds,
        |value| process::set_pid_max(value as u32),
    );
    register_sysctl("kernel/pid_max", 0o644, pid_max)?;
    let threads = Sysctl::number(
        || process::max_threads() as i64,
        1..=process::THREADS_MAX_LIMIT as i64,
        |value| process::set_max_threads(value as usize),
    );
    register_sysctl("kernel/threads-max", 0o644, threads)?;
    let shown = |value: i64| Sysctl::shown(move |text| Ok(writeln!(text, "{value}")?));
    register_sysctl("kernel/cap_last_cap", 0o444, shown(CAP_LAST_CAP))?;
    register_sysctl("kernel/ngroups_max", 0o444, shown(NGROUPS_MAX))?;
    // Addresses are always random: mappings, stack and heap.
    register_sysctl("kernel/randomize_va_space", 0o444, shown(2))
}

fn crashes() -> Result<()> {
    let panic = Sysctl::number(
        || i64::from(kthread::oops::panic_timeout()),
        i64::from(i32::MIN)..=i64::from(i32::MAX),
        |seconds| {
            kthread::oops::set_panic_timeout(seconds as i32);
            Ok(())
        },
    );
    register_sysctl("kernel/panic", 0o644, panic)?;
    let on_oops = Sysctl::number(
        || i64::from(kthread::oops::panic_on_oops()),
        0..=1,
        |on| {
            kthread::oops::set_panic_on_oops(on != 0);
            Ok(())
        },
    );
    register_sysctl("kernel/panic_on_oops", 0o644, on_oops)?;
    let print = Sysctl::integer(&kthread::oops::PANIC_PRINT, 0..=i64::MAX);
    register_sysctl("kernel/panic_print", 0o644, print)?;
    let all = Sysctl::integer(&kthread::oops::ALL_CPU_BACKTRACE, 0..=1);
    register_sysctl("kernel/oops_all_cpu_backtrace", 0o644, all)
}

fn real_time() -> Result<()> {
    let period = Sysctl::number(
        || sched::rt_bandwidth().0 as i64 / MICROSECOND,
        1..=i64::from(i32::MAX),
        |value| sched::set_rt_bandwidth((value * MICROSECOND) as u64, sched::rt_bandwidth().1),
    );
    register_sysctl("kernel/sched_rt_period_us", 0o644, period)?;
    // -1: real-time tasks may use all of the time.
    let runtime = Sysctl::number(
        || sched::rt_bandwidth().1.map_or(-1, |runtime| runtime as i64 / MICROSECOND),
        -1..=i64::from(i32::MAX),
        |value| {
            let runtime = (value >= 0).then_some((value * MICROSECOND) as u64);
            sched::set_rt_bandwidth(sched::rt_bandwidth().0, runtime)
        },
    );
    register_sysctl("kernel/sched_rt_runtime_us", 0o644, runtime)?;
    let longest = Sysctl::number(
        || i64::from(sched::deadline_period_bounds().1),
        0..=i64::from(u32::MAX),
        |value| sched::set_deadline_period_bounds(sched::deadline_period_bounds().0, value as u32),
    );
    register_sysctl("kernel/sched_deadline_period_max_us", 0o644, longest)?;
    let shortest = Sysctl::number(
        || i64::from(sched::deadline_period_bounds().0),
        0..=i64::from(u32::MAX),
        |value| sched::set_deadline_period_bounds(value as u32, sched::deadline_period_bounds().1),
    );
    register_sysctl("kernel/sched_deadline_period_min_us", 0o644, shortest)
}

/// `printk`: the console's level, then three that Linux has and that change nothing here.
fn show_printk(text: &mut Text) -> Result<()> {
    // Linux's level is the first that is not shown.
    Ok(writeln!(text, "{}\t4\t1\t7", klog::console_level() + 1)?)
}

fn set_printk(bytes: &[u8]) -> Result<()> {
    let &level = parse_numbers(bytes)?.first().ok_or(Errno::EINVAL)?;
    let level = u8::try_from(level).map_err(|_| Errno::EINVAL)?;
    klog::set_console_level(level.saturating_sub(1));
    Ok(())
}
