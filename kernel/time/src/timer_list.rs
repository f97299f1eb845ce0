//! All timers that are to fire in the hard interrupt, in the lines of Linux's `/proc/timer_list`.
//!
//! A CPU has one queue here, on the monotonic clock, where Linux has one for each clock and kind of interrupt; so the other seven are
//! empty. Of the lines about ticks and devices those are there that have something to say.

use core::fmt;

use machine::CpuId;

use crate::clock::{self, JIFFY, monotonic};
use crate::hrtimer;

/// How many clocks Linux has.
const BASES: usize = 8;

type Line<'a> = &'a mut dyn FnMut(fmt::Arguments<'_>);

/// Gives the lines, without their ends. Any context but a non-maskable interrupt, with no timer queue locked.
pub fn write(line: Line<'_>) {
    let now = monotonic();
    line(format_args!("Timer List Version: v0.9"));
    line(format_args!("HRTIMER_MAX_CLOCK_BASES: {BASES}"));
    line(format_args!("now at {now} nsecs"));
    let cpus = || (0..machine::cpu::count()).filter(|&cpu| machine::cpu::is_running(cpu));
    for cpu in cpus() {
        line(format_args!(""));
        line(format_args!("cpu: {cpu}"));
        for base in 0..BASES {
            write_base(cpu, base, now, line);
        }
        match hrtimer::programmed(cpu) {
            Some(next) => line(format_args!("  .expires_next   : {next} nsecs")),
            None => line(format_args!("  .expires_next   : {} nsecs", i64::MAX)),
        }
        line(format_args!("  .hres_active    : 1"));
        line(format_args!("  .nr_events      : {}", machine::irq::counts(cpu).timer));
        line(format_args!("  .nohz_mode      : 2"));
        line(format_args!("jiffies: {}", monotonic() / JIFFY));
    }
    line(format_args!(""));
    line(format_args!("Tick Device: mode:     1"));
    line(format_args!("Broadcast device"));
    line(format_args!("Clock Event Device: <NULL>"));
    for cpu in cpus() {
        line(format_args!(""));
        line(format_args!("Tick Device: mode:     1"));
        line(format_args!("Per CPU device: {cpu}"));
        line(format_args!("Clock Event Device: timer"));
        line(format_args!(" mode:           3"));
        match hrtimer::programmed(cpu) {
            Some(next) => line(format_args!(" next_event:     {next} nsecs")),
            None => line(format_args!(" next_event:     {} nsecs", i64::MAX)),
        }
        line(format_args!(" event_handler:  hrtimer::interrupt"));
    }
    line(format_args!(""));
}

fn write_base(cpu: CpuId, base: usize, now: u64, line: Line<'_>) {
    let date = i128::from(clock::realtime_offset());
    let (clock, offset) = match base % 4 {
        0 => ("ktime_get", 0),
        1 => ("ktime_get_real", date),
        2 => ("ktime_get_boottime", 0),
        _ => ("ktime_get_clocktai", date + i128::from(clock::tai_offset())),
    };
    line(format_args!(" clock {base}:"));
    line(format_args!("  .base:       {}", hrtimer::queue_identity(cpu)));
    line(format_args!("  .index:      {base}"));
    line(format_args!("  .resolution: 1 nsecs"));
    line(format_args!("  .get_time:   {clock}"));
    line(format_args!("  .offset:     {offset} nsecs"));
    line(format_args!("active timers:"));
    if base != 0 {
        return;
    }
    // One after another, as nobody is to wait for the queue for as long as the lines take.
    let (mut number, mut last) = (0, None);
    while let Some(timer) = hrtimer::after(cpu, last) {
        let hrtimer::Queued { deadline, hrtimer, function, .. } = &timer;
        let away = i128::from(*deadline) - i128::from(now);
        line(format_args!(" #{number}: <{hrtimer}>, {function}, S:01"));
        line(format_args!(" # expires at {deadline}-{deadline} nsecs [in {away} to {away} nsecs]"));
        number += 1;
        last = Some(timer.rank());
    }
}
