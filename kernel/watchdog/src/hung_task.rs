//! `khungtaskd`: tasks that sleep uninterruptibly for too long.
//!
//! A task is hung when it has slept in the state D for `hung_task_timeout_secs` without a switch. Sleeps that a fatal signal
//! ends, and those that do not count as load (a daemon that waits for work), are not looked at. A task is reported when its
//! time is up and then once in every interval for as long as it goes on sleeping.
//!
//! ```text
//!   since ───── timeout ─────> due ── interval ──> due ── interval ──> due ...
//! ```
//!
//! The thread wakes when the first sleeping task becomes due, and at the latest after an interval: whoever falls asleep
//! after its look is not due before then. Nothing is kept about a task between two looks, so none can be missed or leak: it
//! is reported if one of its due times lies after the last look.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed, Ordering::SeqCst};

use errno::{Errno, Result};
use kthread::{Builder, Handle, This, backtrace};
use sched::{Mutex, Task, TaskRef, WaitQueue, state};
use sync::LockClass;
use trace::{SCHED_PROCESS_HANG, SchedProcessHang};

/// Outermost: the thread is made and stopped by one at a time.
static THREAD_LOCK: LockClass = LockClass::new("khungtaskd");
static THREAD: Mutex<Option<Handle>> = Mutex::new(&THREAD_LOCK, None);

/// Where the thread sleeps, and whether a setting has changed since it looked at them.
static CHANGED_QUEUE: WaitQueue = WaitQueue::new();
static CHANGED: AtomicBool = AtomicBool::new(false);

/// The longest time that can be set, in seconds: as on Linux with 250 ticks a second.
pub const MAX_SECONDS: i64 = i64::MAX / 250;

/// `hung_task_timeout_secs`; 0: nobody is reported.
static TIMEOUT: AtomicI64 = AtomicI64::new(120);
/// `hung_task_check_interval_secs`; 0: as long as the timeout.
static INTERVAL: AtomicI64 = AtomicI64::new(0);
/// `hung_task_check_count`: the most tasks that one look goes through.
pub static CHECK_COUNT: AtomicI64 = AtomicI64::new(process::PID_MAX_LIMIT as i64);
/// `hung_task_warnings`: how many more reports there may be; below 0: any number.
pub static WARNINGS: AtomicI64 = AtomicI64::new(10);
/// `hung_task_panic`: a hung task is the kernel's end.
pub static PANIC: AtomicI64 = AtomicI64::new(0);
/// `hung_task_all_cpu_backtrace`: a report shows what each CPU does.
pub static ALL_CPU_BACKTRACE: AtomicI64 = AtomicI64::new(0);

/// Seconds of sleep after which a task counts as hung; 0: never.
pub fn timeout() -> i64 {
    TIMEOUT.load(Relaxed)
}

/// Sets [`timeout`]; what is asleep is looked at with the new value at once. Any context.
pub fn set_timeout(seconds: i64) {
    TIMEOUT.store(seconds, Relaxed);
    changed();
}

/// Seconds between two reports of the same task; 0: as long as the timeout.
pub fn check_interval() -> i64 {
    INTERVAL.load(Relaxed)
}

/// Sets [`check_interval`]. Any context.
pub fn set_check_interval(seconds: i64) {
    INTERVAL.store(seconds, Relaxed);
    changed();
}

fn changed() {
    CHANGED.store(true, SeqCst);
    CHANGED_QUEUE.wake_all();
}

/// Starts the thread. May sleep.
///
/// # Errors
/// As [`Builder::create`]. EEXIST: it runs already.
pub fn start() -> Result<()> {
    let mut thread = THREAD.lock();
    if thread.is_some() {
        return Err(Errno::EEXIST);
    }
    *thread = Some(Builder::new(format_args!("khungtaskd")).run(watch)?);
    Ok(())
}

/// Ends the thread. May sleep.
pub fn stop() {
    let thread = THREAD.lock().take();
    if let Some(thread) = thread {
        thread.stop();
    }
}

/// The times of one look, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rhythm {
    timeout: u64,
    interval: u64,
}

impl Rhythm {
    /// By the settings; None: nobody is to be reported.
    fn now() -> Option<Self> {
        let nanoseconds = |seconds: i64| seconds.unsigned_abs().saturating_mul(time::SECOND);
        let timeout = nanoseconds(timeout());
        let interval = match nanoseconds(check_interval()) {
            0 => timeout,
            interval => interval.min(timeout),
        };
        (timeout != 0).then_some(Self { timeout, interval })
    }

    /// The last time at or before `now` at which a task that sleeps since `since` was due.
    fn last_due(self, since: u64, now: u64) -> Option<u64> {
        let over = now.checked_sub(since.checked_add(self.timeout)?)?;
        Some(now - over % self.interval)
    }

    /// The first time after `now` at which it will be due.
    fn next_due(self, since: u64, now: u64) -> u64 {
        match self.last_due(since, now) {
            Some(due) => due.saturating_add(self.interval),
            None => since.saturating_add(self.timeout),
        }
    }
}

/// The thread's life.
fn watch(this: &This) -> i32 {
    let mut last_look = time::sched_clock();
    while !this.should_stop() {
        CHANGED.store(false, SeqCst);
        let next = match Rhythm::now() {
            None => u64::MAX,
            Some(rhythm) => {
                let now = time::sched_clock();
                let next = look(rhythm, last_look, now);
                last_look = now;
                next
            }
        };
        sleep_until(this, next);
    }
    0
}

/// Until the time has come, a setting has changed, or the thread is asked for something.
fn sleep_until(this: &This, deadline: u64) {
    if deadline == u64::MAX {
        this.wait(&CHANGED_QUEUE, || CHANGED.load(SeqCst));
    } else {
        this.wait_until(&CHANGED_QUEUE, time::from_sched_clock(deadline), || CHANGED.load(SeqCst));
    }
}

/// A task whose time is up, and for how long it has slept.
struct Hung {
    task: TaskRef,
    slept: u64,
}

/// Goes through all tasks, reports those that became due after `last_look`, and returns when to look again.
fn look(rhythm: Rhythm, last_look: u64, now: u64) -> u64 {
    let mut next = now.saturating_add(rhythm.interval);
    let mut hung = Vec::new();
    let mut left = CHECK_COUNT.load(Relaxed);
    process::for_each_task(|task| {
        if left == 0 {
            return;
        }
        left -= 1;
        let Some(since) = asleep_since(task) else { return };
        if rhythm.last_due(since, now).is_some_and(|due| due > last_look) {
            // Without memory for the list, it is reported the next time.
            if hung.try_reserve(1).is_ok() {
                hung.push(Hung { task: task.clone(), slept: now - since });
            }
        }
        next = next.min(rhythm.next_due(since, now));
    });
    if !hung.is_empty() {
        report_all(&hung);
    }
    next
}

/// Since when a task has slept in the state D; None if it does not.
fn asleep_since(task: &Task) -> Option<u64> {
    let state = task.state();
    let counts = state & state::UNINTERRUPTIBLE != 0
        && state & (state::WAKEKILL | state::NOLOAD) == 0
        && state & state::OFF_QUEUE != 0;
    // Once it has left its CPU, the time at which it did is there to be read.
    if !counts || task.is_on_cpu() {
        return None;
    }
    // Woken in between, it may have written something newer: that is later than the time of this look, and so not due.
    Some(task.times().waits_since)
}

fn report_all(hung: &[Hung]) {
    let panic = PANIC.load(Relaxed) != 0;
    let mut shown = false;
    for hung in hung {
        SCHED_PROCESS_HANG.record(|| {
            let (comm, pid, _) = hung.task.trace_identity();
            SchedProcessHang { comm, pid }
        });
        if take_warning() || panic {
            print(hung);
            shown = true;
        }
    }
    if shown && ALL_CPU_BACKTRACE.load(Relaxed) != 0 {
        let _here = sync::PreemptGuard::new();
        backtrace::print_cpus(sched::online().without(machine::cpu::id()));
    }
    if panic {
        kthread::oops::panic(format_args!("hung_task: blocked tasks"));
    }
}

/// Whether one more report may be made; counts it.
fn take_warning() -> bool {
    let left = |left: i64| if left > 0 { Some(left - 1) } else { None };
    match WARNINGS.fetch_update(Relaxed, Relaxed, left) {
        Ok(_) => true,
        Err(left) => left < 0,
    }
}

fn print(hung: &Hung) {
    let task = &hung.task;
    let seconds = hung.slept / time::SECOND;
    log::error!(
        "INFO: task {}:{} blocked for more than {seconds} seconds.",
        task.comm(),
        task.pid()
    );
    log::error!("      {}", backtrace::KernelName);
    log::error!("\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.");
    backtrace::print_task(task);
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm = Rhythm { timeout: 120, interval: 50 };

    #[test]
    fn due_after_the_timeout_and_then_once_an_interval() {
        assert_eq!(RHYTHM.last_due(1000, 1119), None);
        assert_eq!(RHYTHM.last_due(1000, 1120), Some(1120));
        assert_eq!(RHYTHM.last_due(1000, 1169), Some(1120));
        assert_eq!(RHYTHM.last_due(1000, 1170), Some(1170));
        assert_eq!(RHYTHM.next_due(1000, 1000), 1120);
        assert_eq!(RHYTHM.next_due(1000, 1120), 1170);
        assert_eq!(RHYTHM.next_due(1000, 1169), 1170);
    }

    #[test]
    fn times_that_never_come_do_not_overflow() {
        let never = Rhythm { timeout: u64::MAX, interval: u64::MAX };
        assert_eq!(never.last_due(5, u64::MAX), None);
        assert_eq!(never.next_due(5, 10), u64::MAX);
    }
}
