//! CPUs that get stuck in the moments between two states of who watches whom, and CPUs that are fine in them.

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use kthread::{Builder, Exit, Handle};
use machine::{CpuId, Ipi};
use sched::{Completion, CpuMask, stopper};
use time::{SECOND, Timer};
use watchdog::lockup::{self, Watch};

use crate::lockups::{
    LockupWatch, PERIOD, THRESHOLD, soft_lockup, spin_uninterrupted, spin_unpreempted, stuck,
    victim,
};
use crate::tools::{cpus, ensure, in_one_of_some_tries, random};
use crate::watchers::LogTail;

/// Until all have seen that there is nothing to do.
const REST: u64 = 3 * PERIOD;
/// For so long a CPU keeps interrupts out until it is reported for certain: its watcher may have looked just before.
const HARD: u64 = THRESHOLD * SECOND + 3 * PERIOD;
/// The same for one that takes them and does not switch.
const SOFT: u64 = 2 * THRESHOLD * SECOND + 2 * PERIOD;

fn hard_lockup(cpu: CpuId) -> String {
    alloc::format!("Watchdog detected hard LOCKUP on cpu {cpu}")
}

/// Says how many reports there are of CPUs that take no interrupts, and that none is of another CPU than this one.
fn expect_hard_lockups(log: &LogTail, cpu: CpuId, expected: usize) -> Result<(), String> {
    ensure!(log.count(&hard_lockup(cpu)) == expected, "{:#?}", log.lines());
    ensure!(log.count("hard LOCKUP") == expected, "{:#?}", log.lines());
    Ok(())
}

/// Keeps this CPU from switching, and if it is to be `hard` from its interrupts, for as long as it takes to be reported.
fn get_stuck(hard: bool) {
    let now = time::monotonic();
    if hard { spin_uninterrupted(now + HARD) } else { spin_unpreempted(now + SOFT) }
}

/// Says that this CPU, which got stuck, has been reported, if there is another to do so, and no other.
fn expect_lockup(log: &LogTail, cpu: CpuId, hard: bool) -> Result<(), String> {
    expect_hard_lockups(log, cpu, usize::from(hard && cpus().len() > 1))?;
    ensure!(hard || log.count(&soft_lockup(cpu)) == 1, "{:#?}", log.lines());
    Ok(())
}

/// A thread on the boot CPU, which stays online.
fn on_boot_cpu(function: impl FnOnce() + Send + 'static) {
    let thread = Builder::new(format_args!("story")).cpu(0).run(|_| {
        function();
        0
    });
    assert_eq!(thread.expect("a thread can be made").join(), Exit::Returned(0));
}

/// A thread that sleeps on a CPU until all rest, and then does this.
fn out_of_rest(cpu: CpuId, function: impl FnOnce() + Send + 'static) -> Handle {
    let from = time::monotonic() + REST + random(2 * PERIOD);
    Builder::new(format_args!("stuck"))
        .cpu(cpu)
        .run(move |_| {
            sched::sleep_until(from);
            function();
            0
        })
        .expect("a thread can be made")
}

/// All CPUs rest, and one of them leaves that and gets stuck at once.
pub(crate) fn lockup_out_of_rest() {
    in_one_of_some_tries(stuck_out_of_rest);
}

fn stuck_out_of_rest() -> Result<(), String> {
    let log = LogTail::from_now();
    let watch = LockupWatch::start();
    let all = cpus();
    let cpu = all[random(all.len() as u64) as usize];
    let hard = random(2) == 0;
    let thread = out_of_rest(cpu, move || get_stuck(hard));
    assert_eq!(thread.join(), Exit::Returned(0));
    expect_lockup(&log, cpu, hard)?;
    drop(watch);
    Ok(())
}

/// All CPUs rest, and a softirq that comes to one of them does not end.
pub(crate) fn softirq_out_of_rest() {
    in_one_of_some_tries(softirq_stuck_out_of_rest);
}

fn softirq_stuck_out_of_rest() -> Result<(), String> {
    let log = LogTail::from_now();
    let watch = LockupWatch::start();
    let all = cpus();
    let cpu = all[random(all.len() as u64) as usize];
    let hard = random(2) == 0;
    let from = time::monotonic() + REST + random(2 * PERIOD);
    let thread = Builder::new(format_args!("timer"))
        .cpu(cpu)
        .run(move |_| {
            let over = Arc::new(Completion::new());
            let done = over.clone();
            let timer = Timer::new(move || {
                get_stuck(hard);
                done.complete();
            });
            timer.start(from);
            over.wait();
            0
        })
        .expect("a thread can be made");
    assert_eq!(thread.join(), Exit::Returned(0));
    expect_lockup(&log, cpu, hard)?;
    if !hard {
        let idle = alloc::format!("s! [swapper/{cpu}:0]");
        ensure!(log.count(&idle) == 1, "{:#?}", log.lines());
    }
    drop(watch);
    Ok(())
}

/// How often the next one tries to hit its moment, and the time from one try to the next.
const TRIES: u64 = if cfg!(target_os = "none") { 1 } else { 4 };
const TRY: u64 = REST + PERIOD + HARD + REST;

/// A CPU begins to work, and is stuck, just when its watcher, which somebody had called a period before, is about to rest.
pub(crate) fn lockup_as_its_watcher_looks() {
    in_one_of_some_tries(stuck_as_its_watcher_looks);
}

fn stuck_as_its_watcher_looks() -> Result<(), String> {
    if cpus().len() < 3 {
        return Ok(());
    }
    let (watcher, cpu, caller) = (0, 1, 2);
    let log = LogTail::from_now();
    let watch = LockupWatch::start();
    let moment = time::monotonic() + REST + PERIOD;
    let moments = move || (0..TRIES).map(move |one| moment + one * TRY);
    let calls = Builder::new(format_args!("caller")).cpu(caller).run(move |_| {
        for moment in moments() {
            sched::sleep_until(moment - PERIOD + random(1 << random(17)));
            machine::irq::send(watcher, Ipi::CallFunction);
        }
        0
    });
    let stuck = Builder::new(format_args!("stuck")).cpu(cpu).run(move |_| {
        for moment in moments() {
            sched::sleep_until(moment);
            spin_uninterrupted(moment + HARD);
        }
        0
    });
    for thread in [calls, stuck] {
        assert_eq!(thread.expect("a thread can be made").join(), Exit::Returned(0));
    }
    expect_hard_lockups(&log, cpu, TRIES as usize)?;
    drop(watch);
    Ok(())
}

/// A CPU comes while those next to it rest, and is stuck at once.
pub(crate) fn lockup_as_its_cpu_comes() {
    in_one_of_some_tries(stuck_as_its_cpu_comes);
}

fn stuck_as_its_cpu_comes() -> Result<(), String> {
    let log = LogTail::from_now();
    let watch = LockupWatch::start();
    // With four, neither its watcher nor whom that watched before is the CPU that this runs on.
    let cpu = cpus().len() / 2;
    if cpu != 0 {
        on_boot_cpu(move || {
            hotplug::down(cpu).expect("it is not the last");
            sched::sleep_for(REST);
            hotplug::up(cpu).expect("it was there before");
            stopper::run_on(cpu, || spin_uninterrupted(time::monotonic() + HARD))
                .expect("its stopper is there");
        });
        expect_hard_lockups(&log, cpu, 1)?;
    }
    drop(watch);
    Ok(())
}

/// Whoever watches a CPU that is stuck leaves: it is reported once.
pub(crate) fn watcher_goes_during_a_lockup() {
    in_one_of_some_tries(watcher_goes);
}

fn watcher_goes() -> Result<(), String> {
    let all = cpus();
    if all.len() < 3 {
        return Ok(());
    }
    let log = LogTail::from_now();
    let watch = LockupWatch::start();
    let cpu = 1 + random(all.len() as u64 - 1) as usize;
    on_boot_cpu(move || {
        let from = time::monotonic() + PERIOD;
        let thread = Builder::new(format_args!("stuck"))
            .cpu(cpu)
            .run(move |_| {
                sched::sleep_until(from);
                spin_uninterrupted(from + HARD + THRESHOLD * SECOND);
                0
            })
            .expect("a thread can be made");
        sched::sleep_until(from + random(HARD));
        let others = CpuMask::ALL.without(cpu - 1);
        lockup::set_cpus(others).expect("nothing is made");
        assert_eq!(thread.join(), Exit::Returned(0));
    });
    expect_hard_lockups(&log, cpu, 1)?;
    drop(watch);
    Ok(())
}

/// A CPU that is not watched, or not there, is not reported, and is watched again when it is to be.
pub(crate) fn left_out_is_not_reported() {
    in_one_of_some_tries(left_out);
}

fn left_out() -> Result<(), String> {
    let log = LogTail::from_now();
    let watch = LockupWatch::start();
    let cpu = victim();
    on_boot_cpu(move || {
        if cpu != 0 && random(2) == 0 {
            hotplug::down(cpu).expect("it is not the last");
            sched::sleep_for(HARD);
            hotplug::up(cpu).expect("it was there before");
        } else {
            lockup::set_cpus(CpuMask::ALL.without(cpu)).expect("nothing is made");
            sched::sleep_for(REST);
            let hard = random(2) == 0;
            let thread = match hard {
                true => stuck(HARD, spin_uninterrupted),
                false => stuck(SOFT, spin_unpreempted),
            };
            assert_eq!(thread.join(), Exit::Returned(0));
            lockup::set_cpus(CpuMask::ALL).expect("nothing is made");
        }
    });
    ensure!(log.count("ockup") == 0, "{:#?}", log.lines());
    expect_hard_lockups(&log, cpu, 0)?;
    assert_eq!(stuck(HARD, spin_uninterrupted).join(), Exit::Returned(0));
    expect_hard_lockups(&log, cpu, usize::from(cpu != 0))?;
    drop(watch);
    Ok(())
}

/// With one of the two watches off, the other goes on alone.
pub(crate) fn each_watch_alone() {
    in_one_of_some_tries(one_watch_then_the_other);
}

fn one_watch_then_the_other() -> Result<(), String> {
    let log = LogTail::from_now();
    let watch = LockupWatch::start();
    let cpu = victim();
    // A try before this one may have ended anywhere.
    for watch in [Watch::Soft, Watch::Hard] {
        lockup::set(watch, true).expect("its threads can be made");
    }
    lockup::set(Watch::Soft, false).expect("nothing is made");
    assert_eq!(stuck(SOFT, spin_unpreempted).join(), Exit::Returned(0));
    assert_eq!(stuck(HARD, spin_uninterrupted).join(), Exit::Returned(0));
    expect_hard_lockups(&log, cpu, usize::from(cpu != 0))?;
    ensure!(log.count("soft lockup") == 0, "{:#?}", log.lines());
    lockup::set(Watch::Soft, true).expect("nothing is made");
    lockup::set(Watch::Hard, false).expect("nothing is made");
    assert_eq!(stuck(HARD, spin_uninterrupted).join(), Exit::Returned(0));
    expect_hard_lockups(&log, cpu, usize::from(cpu != 0))?;
    sched::sleep_for(2 * PERIOD);
    let (before, asked) = (log.count("soft lockup"), log.count("NMI backtrace for cpu "));
    lockup::SOFTLOCKUP_ALL_CPU_BACKTRACE.store(1, Ordering::SeqCst);
    assert_eq!(stuck(SOFT, spin_unpreempted).join(), Exit::Returned(0));
    lockup::SOFTLOCKUP_ALL_CPU_BACKTRACE.store(0, Ordering::SeqCst);
    ensure!(log.count("soft lockup") == before + 1, "{:#?}", log.lines());
    let asked = log.count("NMI backtrace for cpu ") - asked;
    ensure!(asked == cpus().len() - 1, "{:#?}", log.lines());
    // All but the two that have to do with it are shown, beside the one that is stuck.
    lockup::set(Watch::Hard, true).expect("nothing is made");
    let asked = log.count("NMI backtrace for cpu ");
    lockup::HARDLOCKUP_ALL_CPU_BACKTRACE.store(1, Ordering::SeqCst);
    assert_eq!(stuck(HARD, spin_uninterrupted).join(), Exit::Returned(0));
    lockup::HARDLOCKUP_ALL_CPU_BACKTRACE.store(0, Ordering::SeqCst);
    let asked = log.count("NMI backtrace for cpu ") - asked;
    ensure!(asked == cpus().len() - 1, "{:#?}", log.lines());
    drop(watch);
    Ok(())
}
