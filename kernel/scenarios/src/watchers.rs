//! Hung tasks, and what scenarios of all watchers use.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use kthread::{Builder, Exit, Handle};
use sched::{Completion, Sleep};
use time::SECOND;
use watchdog::hung_task;

#[cfg(not(target_os = "none"))]
use crate::tools::cpus;
use crate::tools::{ensure, in_one_of_some_tries, random};

/// Seconds of sleep after which a task counts as hung: on a real machine nobody waits for two minutes.
pub(crate) const TIMEOUT: u64 = if cfg!(target_os = "none") { 2 } else { 120 };

/// Lines of the kernel log from a moment on.
pub(crate) struct LogTail(u64);

impl LogTail {
    pub(crate) fn from_now() -> Self {
        Self(klog::next_sequence())
    }

    /// Levels and lines.
    pub(crate) fn records(&self) -> Vec<(u8, String)> {
        let mut next = self.0;
        core::iter::from_fn(|| {
            let record = klog::read(next)?;
            next = record.sequence + 1;
            Some((record.level, record.text.as_str().to_string()))
        })
        .collect()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.records().into_iter().map(|(_, line)| line).collect()
    }

    pub(crate) fn count(&self, part: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(part)).count()
    }

    /// The lines of the report that begins with a line with `part` in it, up to the next report.
    pub(crate) fn report(&self, part: &str) -> Vec<String> {
        let lines = self.lines();
        let Some(start) = lines.iter().position(|line| line.contains(part)) else {
            panic!("nothing in the log says {part:?}: {lines:#?}");
        };
        let begins = |line: &&String| line.starts_with("INFO: ") || line.contains("atchdog: ");
        let end = lines[start + 1..].iter().position(|line| begins(&line));
        lines[start..].iter().take(end.map_or(usize::MAX, |end| end + 1)).cloned().collect()
    }
}

pub(crate) fn has_address(lines: &[String]) -> bool {
    lines.iter().any(|line| line.trim_start().starts_with("[<"))
}

/// Changes settings of the hung-task watch while it lives, and runs the watch.
pub(crate) struct HungTaskWatch {
    timeout: i64,
    interval: i64,
    warnings: i64,
    count: i64,
}

impl HungTaskWatch {
    pub(crate) fn start(timeout: u64, warnings: i64) -> Self {
        let before = Self {
            timeout: hung_task::timeout(),
            interval: hung_task::check_interval(),
            warnings: hung_task::WARNINGS.swap(warnings, Ordering::SeqCst),
            count: hung_task::CHECK_COUNT.load(Ordering::SeqCst),
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
        hung_task::CHECK_COUNT.store(self.count, Ordering::SeqCst);
    }
}

/// Releases a sleeper when it is dropped.
pub(crate) struct Release(Arc<Completion>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.complete_all();
    }
}

/// A thread that sleeps so until it is released.
pub(crate) fn sleeper(sleep: Sleep) -> (Handle, Release) {
    let release = Release(Arc::new(Completion::new()));
    let theirs = release.0.clone();
    let thread = Builder::new(format_args!("sleeper"))
        .run(move |_| {
            // It ends by its release only.
            let _ = theirs.wait_as(sleep, None);
            0
        })
        .expect("a thread can be made");
    (thread, release)
}

pub(crate) fn release((thread, release): (Handle, Release)) {
    drop(release);
    assert_eq!(thread.join(), Exit::Returned(0));
}

pub(crate) fn blocked(thread: &Handle) -> String {
    alloc::format!("INFO: task sleeper:{} blocked for more than", thread.task().pid())
}

pub(crate) fn hung_task_is_reported_once() {
    in_one_of_some_tries(hung_task_once);
}

fn hung_task_once() -> Result<(), String> {
    let log = LogTail::from_now();
    let watch = HungTaskWatch::start(TIMEOUT, -1);
    sched::sleep_for(random(TIMEOUT * SECOND));
    let sleeping = sleeper(Sleep::Uninterruptible);
    sched::sleep_for((TIMEOUT + 1) * SECOND);
    let line = blocked(&sleeping.0);
    ensure!(log.count(&line) == 1, "{:#?}", log.lines());
    let report = log.report(&line);
    ensure!(report[0].ends_with(&alloc::format!("{TIMEOUT} seconds.")), "{report:#?}");
    let kernel = alloc::format!("      {} {} #1", taint::Shown::now(), process::RELEASE);
    ensure!(report[1] == kernel, "{report:#?}");
    ensure!(report[2].contains("hung_task_timeout_secs"), "{report:#?}");
    ensure!(report[3].starts_with("task:sleeper         state:D stack:0     pid:"), "{report:#?}");
    ensure!(has_address(&report), "no backtrace: {report:#?}");
    // Once more for each interval that it goes on.
    sched::sleep_for(TIMEOUT * SECOND);
    ensure!(log.count(&line) == 2, "{:#?}", log.lines());
    release(sleeping);
    sched::sleep_for(2 * TIMEOUT * SECOND);
    ensure!(log.count(&line) == 2, "reported after its end");
    drop(watch);
    Ok(())
}

pub(crate) fn sleep_that_is_right_is_not_reported() {
    in_one_of_some_tries(sleep_is_right);
}

fn sleep_is_right() -> Result<(), String> {
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
    ensure!(log.count("INFO: task sleeper") == 0, "{:#?}", log.lines());
    // It is looked at again as soon as somebody does.
    hung_task::set_timeout(TIMEOUT as i64);
    sched::sleep_for(SECOND / 2);
    ensure!(log.count(&blocked(&unwatched.0)) == 1, "{:#?}", log.lines());
    ensure!(log.count("INFO: task sleeper") == 1, "{:#?}", log.lines());
    [killable, idle, interruptible, unwatched].into_iter().for_each(release);
    drop(watch);
    Ok(())
}

pub(crate) fn warnings_are_counted() {
    in_one_of_some_tries(counted_warnings);
}

fn counted_warnings() -> Result<(), String> {
    let log = LogTail::from_now();
    let watch = HungTaskWatch::start(TIMEOUT, 3);
    let hung: Vec<_> = (0..4).map(|_| sleeper(Sleep::Uninterruptible)).collect();
    sched::sleep_for((TIMEOUT + 1) * SECOND);
    // PID 1 may be among them: it waits for this scenario.
    ensure!(log.count(" blocked for more than ") == 3, "{:#?}", log.lines());
    ensure!(hung_task::WARNINGS.load(Ordering::SeqCst) == 0, "warnings are left");
    hung.into_iter().for_each(release);
    drop(watch);
    Ok(())
}

#[cfg(not(target_os = "none"))]
pub(crate) fn interval_count_and_backtraces() {
    let log = LogTail::from_now();
    let watch = HungTaskWatch::start(TIMEOUT, -1);
    let interval = TIMEOUT / 2;
    hung_task::set_check_interval(interval as i64);
    hung_task::ALL_CPU_BACKTRACE.store(1, Ordering::SeqCst);
    let sleeping = sleeper(Sleep::Uninterruptible);
    let line = blocked(&sleeping.0);
    sched::sleep_for((TIMEOUT + 2 * interval) * SECOND + SECOND / 2);
    hung_task::ALL_CPU_BACKTRACE.store(0, Ordering::SeqCst);
    assert_eq!(log.count(&line), 3, "{:#?}", log.lines());
    // What all others do, once in a look.
    let asked = log.count("Sending NMI from CPU ");
    let others = cpus().len() - 1;
    assert!(asked == 0 && others == 0 || asked >= 3 && others != 0, "{:#?}", log.lines());
    assert_eq!(log.count("NMI backtrace for cpu "), asked * others, "{:#?}", log.lines());
    // A look that goes through no task finds none.
    hung_task::CHECK_COUNT.store(0, Ordering::SeqCst);
    sched::sleep_for(2 * TIMEOUT * SECOND);
    assert_eq!(log.count(&line), 3, "{:#?}", log.lines());
    release(sleeping);
    drop(watch);
}

/// Turns a setting on that makes the kernel panic, and says that this is meant.
#[cfg(not(target_os = "none"))]
pub(crate) fn panic_on(setting: &core::sync::atomic::AtomicI64, message: &'static str) {
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
