//! CPUs that do not go on.

use alloc::string::String;

use kthread::{Builder, Exit, Handle};
use machine::CpuId;
use sched::CpuMask;
use sync::{IrqGuard, PreemptGuard};
use time::SECOND;
use watchdog::lockup;

use crate::tools::{cpus, ensure, in_one_of_some_tries, random, spin_until};
#[cfg(not(target_os = "none"))]
use crate::watchers::panic_on;
use crate::watchers::{LogTail, has_address};

/// `watchdog_thresh`, in seconds.
pub(crate) const THRESHOLD: u64 = if cfg!(target_os = "none") { 1 } else { 2 };
/// The time between two looks of the lockup detector.
pub(crate) const PERIOD: u64 = THRESHOLD * 2 * SECOND / 5;

/// Runs the lockup detector while it lives.
pub(crate) struct LockupWatch {
    threshold: i64,
}

impl LockupWatch {
    pub(crate) fn start() -> Self {
        let threshold = lockup::threshold();
        lockup::set_threshold(THRESHOLD as i64).expect("its threads can be made");
        lockup::start().expect("its threads can be made");
        Self { threshold }
    }
}

impl Drop for LockupWatch {
    fn drop(&mut self) {
        lockup::set_cpus(CpuMask::ALL).expect("nothing is made");
        lockup::stop();
        // What cannot be started again is not running either.
        lockup::preset(lockup::Preset { threshold: Some(self.threshold), ..Default::default() });
    }
}

/// The CPU on which threads get stuck: not the one where the kernel does its own things, if there are two.
pub(crate) fn victim() -> CpuId {
    cpus().last().copied().unwrap_or(0)
}

/// A thread that spins for so long, in its own way, on the victim.
pub(crate) fn stuck(nanoseconds: u64, spin: impl FnOnce(u64) + Send + 'static) -> Handle {
    Builder::new(format_args!("stuck"))
        .cpu(victim())
        .run(move |_| {
            spin(time::monotonic() + nanoseconds);
            0
        })
        .expect("a thread can be made")
}

pub(crate) fn spin_unpreempted(deadline: u64) {
    let _here = PreemptGuard::new();
    spin_until(deadline);
}

pub(crate) fn spin_uninterrupted(deadline: u64) {
    let _here = IrqGuard::new();
    spin_until(deadline);
}

pub(crate) fn soft_lockup(cpu: CpuId) -> String {
    alloc::format!("watchdog: BUG: soft lockup - CPU#{cpu} stuck for ")
}

pub(crate) fn soft_lockup_is_reported() {
    in_one_of_some_tries(soft_lockup_once);
}

fn soft_lockup_once() -> Result<(), String> {
    let log = LogTail::from_now();
    let tainted = taint::Shown::now();
    let watch = LockupWatch::start();
    // Sometimes all CPUs have gone to rest before.
    sched::sleep_for(random(4 * PERIOD));
    let thread = stuck(2 * THRESHOLD * SECOND + 2 * PERIOD, spin_unpreempted);
    let pid = thread.task().pid();
    assert_eq!(thread.join(), Exit::Returned(0));
    let line = soft_lockup(victim());
    ensure!(log.count("soft lockup") == 1, "{:#?}", log.lines());
    let report = log.report(&line);
    ensure!(report[0].ends_with(&alloc::format!("s! [stuck:{pid}]")), "{report:#?}");
    let header = alloc::format!("Comm: stuck {tainted} ");
    ensure!(report.iter().any(|line| line.contains(&header)), "{report:#?}");
    ensure!(taint::mask() & taint::Flag::SoftLockup.bit() != 0, "not remembered");
    // Code for the host may keep no frame pointers.
    let named = has_address(&report) || cfg!(not(target_os = "none"));
    ensure!(named, "no backtrace: {report:#?}");
    drop(watch);
    Ok(())
}

pub(crate) fn busy_cpu_is_no_lockup() {
    in_one_of_some_tries(busy_is_fine);
}

fn busy_is_fine() -> Result<(), String> {
    let log = LogTail::from_now();
    let watch = LockupWatch::start();
    // Preempted, it spins as long as it likes; unpreempted, for as long as no look can find too long; and longer, if it says so.
    let busy = stuck(2 * THRESHOLD * SECOND + 2 * PERIOD, spin_until);
    assert_eq!(busy.join(), Exit::Returned(0));
    // What a CPU did before it rested does not count.
    sched::sleep_for(2 * THRESHOLD * SECOND);
    let short = stuck(2 * THRESHOLD * SECOND - 2 * PERIOD, spin_unpreempted);
    assert_eq!(short.join(), Exit::Returned(0));
    let touching = stuck(3 * THRESHOLD * SECOND, |deadline| {
        let _here = IrqGuard::new();
        while time::monotonic() < deadline {
            sched::watch::touch_nmi_watchdog();
            machine::cpu::relax();
        }
    });
    assert_eq!(touching.join(), Exit::Returned(0));
    // Nor are the CPUs that are held while somebody stops the machine for long, and says so for itself.
    sched::stopper::stop_machine(None, || {
        let deadline = time::monotonic() + 3 * THRESHOLD * SECOND;
        while time::monotonic() < deadline {
            sched::watch::touch_nmi_watchdog();
            machine::cpu::relax();
        }
    })
    .expect("all stoppers are there");
    sched::sleep_for(2 * PERIOD);
    ensure!(log.count("LOCKUP") == 0, "{:#?}", log.lines());
    ensure!(log.count("soft lockup") == 0, "{:#?}", log.lines());
    drop(watch);
    Ok(())
}

pub(crate) fn hard_lockup_is_reported() {
    in_one_of_some_tries(hard_lockup_once);
}

fn hard_lockup_once() -> Result<(), String> {
    let log = LogTail::from_now();
    let watch = LockupWatch::start();
    sched::sleep_for(random(4 * PERIOD));
    // Before the soft lockup that may be seen, too, when interrupts go on again.
    let taint = taint::Shown::now();
    let thread = stuck(THRESHOLD * SECOND + 3 * PERIOD, spin_uninterrupted);
    assert_eq!(thread.join(), Exit::Returned(0));
    // A CPU that is alone has nobody to notice.
    let expected = usize::from(cpus().len() > 1);
    let line = alloc::format!("Watchdog detected hard LOCKUP on cpu {}", victim());
    ensure!(log.count("LOCKUP") == expected, "{:#?}", log.lines());
    ensure!(log.count(&line) == expected, "{:#?}", log.lines());
    if expected == 1 {
        let report = log.report(&line);
        let named = alloc::format!("CPU: {} PID: ", victim());
        let header = alloc::format!(" Comm: stuck {taint} ");
        let named = report.iter().any(|line| line.starts_with(&named) && line.contains(&header));
        ensure!(named, "{report:#?}");
    }
    drop(watch);
    Ok(())
}

#[cfg(not(target_os = "none"))]
pub(crate) fn idle_cpus_are_not_woken() {
    let watch = LockupWatch::start();
    // Until all have seen that there is nothing to do.
    sched::sleep_for(4 * PERIOD);
    let taken = || -> u64 { cpus().into_iter().map(|cpu| machine::irq::counts(cpu).timer).sum() };
    let before = taken();
    sched::sleep_for(100 * PERIOD);
    // One for the sleep's end, and what woke CPUs since the first look.
    let timers = taken() - before;
    assert!(timers <= 2 + 2 * cpus().len() as u64, "{timers} timer interrupts on an idle machine");
    drop(watch);
}

pub(crate) fn watch_against_hotplug() {
    in_one_of_some_tries(watched_after_all);
}

fn watched_after_all() -> Result<(), String> {
    let log = LogTail::from_now();
    let watch = LockupWatch::start();
    for _ in 0..4 {
        let all = cpus();
        if let Some(&cpu) = all.get(1 + random(all.len().max(2) as u64 - 1) as usize) {
            hotplug::down(cpu).expect("it is not the last");
            sched::sleep_for(random(PERIOD));
            match random(4) {
                0 => lockup::set_threshold(THRESHOLD as i64).expect("nothing is made"),
                1 => {
                    lockup::set_any(false).expect("nothing is made");
                    lockup::set_any(true).expect("its threads can be made");
                }
                _ => {}
            }
            hotplug::up(cpu).expect("it was there before");
        }
        sched::sleep_for(random(2 * PERIOD));
    }
    ensure!(log.count("ockup") == 0, "{:#?}", log.lines());
    // Whoever watches whom now: all are watched.
    for cpu in cpus() {
        let thread = Builder::new(format_args!("stuck"))
            .cpu(cpu)
            .run(|_| {
                spin_unpreempted(time::monotonic() + 2 * THRESHOLD * SECOND + 2 * PERIOD);
                0
            })
            .expect("a thread can be made");
        assert_eq!(thread.join(), Exit::Returned(0));
        ensure!(log.count(&soft_lockup(cpu)) == 1, "CPU {cpu}: {:#?}", log.lines());
    }
    drop(watch);
    Ok(())
}

#[cfg(not(target_os = "none"))]
pub(crate) fn softlockup_panic() {
    let _watch = LockupWatch::start();
    panic_on(&lockup::SOFTLOCKUP_PANIC, "softlockup: hung tasks");
    stuck(2 * THRESHOLD * SECOND + 2 * PERIOD, spin_unpreempted).join();
    panic!("a soft lockup did not end the kernel");
}

#[cfg(not(target_os = "none"))]
pub(crate) fn hardlockup_panic() {
    if cpus().len() > 1 {
        let _watch = LockupWatch::start();
        panic_on(&lockup::HARDLOCKUP_PANIC, "Hard LOCKUP");
        stuck(THRESHOLD * SECOND + 3 * PERIOD, spin_uninterrupted).join();
        panic!("a hard lockup did not end the kernel");
    }
}
