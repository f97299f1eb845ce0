//! `/proc/sys/kernel`: what the watchers are told.

use core::ops::RangeInclusive;
use core::sync::atomic::AtomicI64;

use errno::{Errno, Result};
use sched::CpuMask;
use watchdog::hung_task;
use watchdog::lockup::{self, Watch};

use super::{Sysctl, register_sysctl};

const SWITCH: RangeInclusive<i64> = 0..=1;
const COUNT: RangeInclusive<i64> = 0..=i32::MAX as i64;

pub(super) fn register() -> Result<()> {
    hung_tasks()?;
    lockups()
}

fn add(name: &str, sysctl: Sysctl) -> Result<()> {
    register_sysctl(&alloc::format!("kernel/{name}"), 0o644, sysctl)
}

fn hung_tasks() -> Result<()> {
    let seconds = 0..=hung_task::MAX_SECONDS;
    let timeout = Sysctl::number(hung_task::timeout, seconds.clone(), |seconds| {
        hung_task::set_timeout(seconds);
        Ok(())
    });
    add("hung_task_timeout_secs", timeout)?;
    let interval = Sysctl::number(hung_task::check_interval, seconds, |seconds| {
        hung_task::set_check_interval(seconds);
        Ok(())
    });
    add("hung_task_check_interval_secs", interval)?;
    let values: [(&str, &'static AtomicI64, RangeInclusive<i64>); 4] = [
        ("hung_task_check_count", &hung_task::CHECK_COUNT, COUNT),
        ("hung_task_warnings", &hung_task::WARNINGS, -1..=i64::from(i32::MAX)),
        ("hung_task_panic", &hung_task::PANIC, SWITCH),
        ("hung_task_all_cpu_backtrace", &hung_task::ALL_CPU_BACKTRACE, SWITCH),
    ];
    values
        .into_iter()
        .try_for_each(|(name, value, bounds)| add(name, Sysctl::integer(value, bounds)))
}

fn lockups() -> Result<()> {
    let any = || i64::from(lockup::is_any_enabled());
    add("watchdog", Sysctl::number(any, SWITCH, |on| lockup::set_any(on != 0)))?;
    for (name, watch) in [("soft_watchdog", Watch::Soft), ("nmi_watchdog", Watch::Hard)] {
        let shown = move || i64::from(lockup::is_enabled(watch));
        add(name, Sysctl::number(shown, SWITCH, move |on| lockup::set(watch, on != 0)))?;
    }
    let bounds = 0..=lockup::MAX_THRESHOLD;
    add("watchdog_thresh", Sysctl::number(lockup::threshold, bounds, lockup::set_threshold))?;
    let cpus = Sysctl::new(
        |text| {
            use core::fmt::Write;
            Ok(writeln!(text, "{}", lockup::cpus())?)
        },
        |bytes| lockup::set_cpus(parse_mask(bytes)?),
    );
    add("watchdog_cpumask", cpus)?;
    let values: [(&str, &'static AtomicI64); 4] = [
        ("softlockup_panic", &lockup::SOFTLOCKUP_PANIC),
        ("hardlockup_panic", &lockup::HARDLOCKUP_PANIC),
        ("softlockup_all_cpu_backtrace", &lockup::SOFTLOCKUP_ALL_CPU_BACKTRACE),
        ("hardlockup_all_cpu_backtrace", &lockup::HARDLOCKUP_ALL_CPU_BACKTRACE),
    ];
    values.into_iter().try_for_each(|(name, value)| add(name, Sysctl::integer(value, SWITCH)))
}

/// The list of CPUs that a line begins with, such as `0-1,3`; an empty line is none.
fn parse_mask(bytes: &[u8]) -> Result<CpuMask> {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let is_right = |&byte: &u8| matches!(byte, b'0'..=b'9' | b',' | b'-');
    let list = core::str::from_utf8(line).ok().filter(|_| line.iter().all(is_right));
    list.and_then(CpuMask::parse).ok_or(Errno::EINVAL)
}
