//! The watchers: hung tasks, and CPUs that do not go on.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use kthread::{Builder, Exit, Handle};
use machine::CpuId;
use sched::{Completion, Sleep};
use sync::{IrqGuard, PreemptGuard};
use time::SECOND;
use watchdog::{hung_task, lockup};

use crate::tools::{cpus, random, spin_until};

/// Seconds of sleep after which a task counts as hung: on a real machine nobody waits for two minutes.
const TIMEOUT: u64 = if cfg!(target_os = "none") { 2 } else { 120 };
/// `watchdog_thresh`, in seconds.
pub(crate) const THRESHOLD: u64 = if cfg!(target_os = "none") { 1 } else { 10 };
/// The time between two looks of the lockup detector.
pub(crate) const PERIOD: u64 = THRESHOLD * 2 * SECOND / 5;

/// Lines of the kernel log from a moment on.
pub(crate) struct LogTail(u64);

impl LogTail {
    pub(crate) fn from_now() -> Self {
        Self(klog::next_sequence())
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let mut next = self.0;
        core::iter::from_fn(|| {
            let record = klog::read(next)?;
            next = record.sequence + 1;
            Some(record.text.as_str().to_string())
        })
        .collect()
    }

    pub(crate) fn count(&self, part: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(part)).count()
    }

    /// The lines of the report that begins with a line with `part` in it, up to the next report.
    fn report(&self, part: &str) -> Vec<String> {
        let lines = self.lines();
        let Some(start) = lines.iter().position(|line| line.contains(part)) else {
            panic!("nothing in the log says {part:?}: {lines:#?}");
        };
        let begins = |line: &&String| line.starts_with("INFO: ") || line.contains("atchdog: ");
        let end = lines[start + 1..].iter().position(|line| begins(&line));
        lines[start..].iter().take(end.map_or(usize::MAX, |end| end + 1)).cloned().collect()
    }
}

fn has_address(lines: &[String]) -> bool {
    lines.iter().any(|line| line.trim_start().starts_with("[<"))
}

/// Changes settings of the hung-task watch while it lives, and runs the watch.
pub(crate) struct HungTaskWatch {
    timeout: i64,
    interval: i64,
    warnings: i64,
}

impl HungTaskWatch {
    pub(crate) fn start(timeout: u64, warnings: i64) -> Self {
        let before = Self {
            timeout: hung_task::timeout(),
            interval: hung_task::check_interval(),
            warnings: hung_task::WARNINGS.swap(warnings, Ordering::SeqCst),
        };
        hung_task::set_timeout(timeout as i64);
        hung_task::start().expect("the thread can be made");
        before
    }
}

impl Drop for HungTaskWatch {
    fn drop(&mut self) {
        hung_task::stop();
        hung_task::set_timeout(self.timeout);
        hung_task::set_check_interval(self.interval);
        hung_task::WARNINGS.store(self.warnings, Ordering::SeqCst);
    }
}

/// A thread that sleeps so until it is released.
pub(crate) fn sleeper(sleep: Sleep) -> (Handle, Arc<Completion>) {
    let release = Arc::new(Completion::new());
    let theirs = release.clone();
    let thread = Builder::new(format_args!("sleeper"))
        .run(move |_| {
            // It ends by its release only.
            let _ = theirs.wait_as(sleep, None);
            0
        })
        .expect("a thread can be made");
    (thread, release)
}

pub(crate) fn release((thread, release): (Handle, Arc<Completion>)) {
    release.complete_all();
    assert_eq!(thread.join(), Exit::Returned(0));
}

pub(crate) fn blocked(thread: &Handle) -> String {
    alloc::format!("INFO: task sleeper:{} blocked for more than", thread.task().pid())
}

pub(crate) fn hung_task_is_reported_once() {
    let log = LogTail::from_now();
    let watch = HungTaskWatch::start(TIMEOUT, -1);
    sched::sleep_for(random(TIMEOUT * SECOND));
    let sleeping = sleeper(Sleep::Uninterruptible);
    sched::sleep_for((TIMEOUT + 1) * SECOND);
    let line = blocked(&sleeping.0);
    assert_eq!(log.count(&line), 1, "{:#?}", log.lines());
    let report = log.report(&line);
    assert!(report[0].ends_with(&alloc::format!("{TIMEOUT} seconds.")), "{report:#?}");
    assert!(report[1].starts_with("      Not tainted "), "{report:#?}");
    assert!(report[2].contains("hung_task_timeout_secs"), "{report:#?}");
    assert!(report[3].starts_with("task:sleeper         state:D "), "{report:#?}");
    assert!(has_address(&report), "no backtrace: {report:#?}");
    // Once more for each interval that it goes on.
    sched::sleep_for(TIMEOUT * SECOND);
    assert_eq!(log.count(&line), 2, "{:#?}", log.lines());
    release(sleeping);
    sched::sleep_for(2 * TIMEOUT * SECOND);
    assert_eq!(log.count(&line), 2, "reported after its end");
    drop(watch);
}

pub(crate) fn sleep_that_is_right_is_not_reported() {
    let log = LogTail::from_now();
    let watch = HungTaskWatch::start(TIMEOUT, -1);
    // As long as it may, again and again.
    let short: Vec<_> = (0..2).map(|_| sleeper(Sleep::Uninterruptible)).collect();
    sched::sleep_for(TIMEOUT * SECOND - SECOND / 2);
    short.into_iter().for_each(release);
    // However long, if it is of another kind, or nobody wants to know.
    let killable = sleeper(Sleep::Killable);
    let idle = sleeper(Sleep::Idle);
    let interruptible = sleeper(Sleep::Interruptible);
    sched::sleep_for(2 * TIMEOUT * SECOND);
    hung_task::set_timeout(0);
    let unwatched = sleeper(Sleep::Uninterruptible);
    sched::sleep_for(5 * TIMEOUT * SECOND / 2);
    assert_eq!(log.count("INFO: task sleeper"), 0, "{:#?}", log.lines());
    // It is looked at again as soon as somebody does.
    hung_task::set_timeout(TIMEOUT as i64);
    sched::sleep_for(SECOND / 2);
    assert_eq!(log.count(&blocked(&unwatched.0)), 1, "{:#?}", log.lines());
    assert_eq!(log.count("INFO: task sleeper"), 1, "{:#?}", log.lines());
    [killable, idle, interruptible, unwatched].into_iter().for_each(release);
    drop(watch);
}

pub(crate) fn warnings_are_counted() {
    let log = LogTail::from_now();
    let watch = HungTaskWatch::start(TIMEOUT, 3);
    let hung: Vec<_> = (0..4).map(|_| sleeper(Sleep::Uninterruptible)).collect();
    sched::sleep_for((TIMEOUT + 1) * SECOND);
    // PID 1 may be among them: it waits for this scenario.
    assert_eq!(log.count(" blocked for more than "), 3, "{:#?}", log.lines());
    assert_eq!(hung_task::WARNINGS.load(Ordering::SeqCst), 0);
    hung.into_iter().for_each(release);
    drop(watch);
}

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
fn stuck(nanoseconds: u64, spin: impl FnOnce(u64) + Send + 'static) -> Handle {
    Builder::new(format_args!("stuck"))
        .cpu(victim())
        .run(move |_| {
            spin(time::monotonic() + nanoseconds);
            0
        })
        .expect("a thread can be made")
}

fn spin_unpreempted(deadline: u64) {
    let _here = PreemptGuard::new();
    spin_until(deadline);
}

pub(crate) fn spin_uninterrupted(deadline: u64) {
    let _here = IrqGuard::new();
    spin_until(deadline);
}

fn soft_lockup(cpu: CpuId) -> String {
    alloc::format!("watchdog: BUG: soft lockup - CPU#{cpu} stuck for ")
}

pub(crate) fn soft_lockup_is_reported() {
    let log = LogTail::from_now();
    let watch = LockupWatch::start();
    // Sometimes all CPUs have gone to rest before.
    sched::sleep_for(random(4 * PERIOD));
    let thread = stuck(2 * THRESHOLD * SECOND + 2 * PERIOD, spin_unpreempted);
    let pid = thread.task().pid();
    assert_eq!(thread.join(), Exit::Returned(0));
    let line = soft_lockup(victim());
    assert_eq!(log.count("soft lockup"), 1, "{:#?}", log.lines());
    let report = log.report(&line);
    assert!(report[0].ends_with(&alloc::format!("s! [stuck:{pid}]")), "{report:#?}");
    assert!(report.iter().any(|line| line.contains("Comm: stuck")), "{report:#?}");
    // Code for the host may keep no frame pointers.
    let named = has_address(&report) || cfg!(not(target_os = "none"));
    assert!(named, "no backtrace: {report:#?}");
    drop(watch);
}

pub(crate) fn busy_cpu_is_no_lockup() {
    let log = LogTail::from_now();
    let watch = LockupWatch::start();
    // Preempted, it spins as long as it likes; unpreempted, for as long as no look can find too long; and longer, if it says so.
    let busy = stuck(2 * THRESHOLD * SECOND + 2 * PERIOD, spin_until);
    assert_eq!(busy.join(), Exit::Returned(0));
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
    assert_eq!(log.count("LOCKUP"), 0, "{:#?}", log.lines());
    assert_eq!(log.count("soft lockup"), 0, "{:#?}", log.lines());
    drop(watch);
}

pub(crate) fn hard_lockup_is_reported() {
    let log = LogTail::from_now();
    let watch = LockupWatch::start();
    sched::sleep_for(random(4 * PERIOD));
    let thread = stuck(THRESHOLD * SECOND + 3 * PERIOD, spin_uninterrupted);
    assert_eq!(thread.join(), Exit::Returned(0));
    // A CPU that is alone has nobody to notice.
    let expected = usize::from(cpus().len() > 1);
    let line = alloc::format!("Watchdog detected hard LOCKUP on cpu {}", victim());
    assert_eq!(log.count("LOCKUP"), expected, "{:#?}", log.lines());
    assert_eq!(log.count(&line), expected, "{:#?}", log.lines());
    if expected == 1 {
        let report = log.report(&line);
        let named = alloc::format!("CPU: {} PID: ", victim());
        let named =
            report.iter().any(|line| line.starts_with(&named) && line.ends_with(" Comm: stuck"));
        assert!(named, "{report:#?}");
    }
    drop(watch);
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
    assert_eq!(log.count("ockup"), 0, "{:#?}", log.lines());
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
        assert_eq!(log.count(&soft_lockup(cpu)), 1, "CPU {cpu}: {:#?}", log.lines());
    }
    drop(watch);
}

/// Turns a setting on that makes the kernel panic, and says that this is meant.
#[cfg(not(target_os = "none"))]
fn panic_on(setting: &core::sync::atomic::AtomicI64, message: &'static str) {
    setting.store(1, Ordering::SeqCst);
    crate::tools::expect_panic(message);
}

#[cfg(not(target_os = "none"))]
pub(crate) fn hung_task_panic() {
    let _watch = HungTaskWatch::start(TIMEOUT, 0);
    panic_on(&hung_task::PANIC, "hung_task: blocked tasks");
    let _sleeping = sleeper(Sleep::Uninterruptible);
    sched::sleep_for((TIMEOUT + 1) * SECOND);
    panic!("a hung task did not end the kernel");
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
