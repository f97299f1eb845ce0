//! Who used how much time.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use machine::CpuId;

use crate::runqueue::RUN_QUEUES;
use crate::task::Task;

/// What a task has used; nanoseconds. Written by the CPU it runs on.
#[derive(Debug)]
pub(crate) struct Account {
    /// Exact: on a CPU.
    run: AtomicU64,
    /// Sampled by the tick: in user mode, in the kernel.
    user: AtomicU64,
    system: AtomicU64,
    voluntary: AtomicU64,
    involuntary: AtomicU64,
    /// Runnable and waiting.
    delay: AtomicU64,
    turns: AtomicU64,
    queued_at: AtomicU64,
    last_switch: AtomicU64,
}

fn add(counter: &AtomicU64, amount: u64) {
    // One writer at a time: load and store are enough.
    counter.store(counter.load(Relaxed) + amount, Relaxed);
}

impl Account {
    /// Of a task that is made now.
    pub(crate) fn new(now: u64) -> Self {
        Self {
            run: AtomicU64::new(0),
            user: AtomicU64::new(0),
            system: AtomicU64::new(0),
            voluntary: AtomicU64::new(0),
            involuntary: AtomicU64::new(0),
            delay: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            queued_at: AtomicU64::new(0),
            last_switch: AtomicU64::new(now),
        }
    }

    pub(crate) fn ran(&self, nanoseconds: u64) {
        add(&self.run, nanoseconds);
    }

    pub(crate) fn queued(&self, now: u64) {
        self.queued_at.store(now, Relaxed);
    }

    pub(crate) fn starts(&self, now: u64) {
        let waited = now.saturating_sub(self.queued_at.load(Relaxed));
        add(&self.delay, waited);
        add(&self.turns, 1);
        self.last_switch.store(now, Relaxed);
    }

    pub(crate) fn switched(&self, voluntarily: bool, now: u64) {
        self.queued_at.store(now, Relaxed);
        add(if voluntarily { &self.voluntary } else { &self.involuntary }, 1);
    }

    pub(crate) fn switches(&self) -> u64 {
        self.voluntary.load(Relaxed) + self.involuntary.load(Relaxed)
    }

    pub(crate) fn tick(&self, in_user: bool, nanoseconds: u64) {
        add(if in_user { &self.user } else { &self.system }, nanoseconds);
    }
}

/// What a task has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskTimes {
    /// In user mode, nanoseconds.
    pub user: u64,
    /// In the kernel, nanoseconds.
    pub system: u64,
    /// On a CPU, nanoseconds, exact.
    pub run: u64,
    /// Runnable and waiting for a CPU, nanoseconds.
    pub delay: u64,
    /// Turns on a CPU.
    pub turns: u64,
    /// Switches because it slept.
    pub voluntary: u64,
    /// Switches because it was preempted.
    pub involuntary: u64,
    /// When it last began to run, on the monotonic clock.
    pub last_switch: u64,
    /// When it last stopped running, or was last made runnable, on the monotonic clock.
    pub waits_since: u64,
}

impl Task {
    /// What the task has used so far. The split into user and system time is the tick's sample, scaled to
    /// the exact total.
    pub fn times(&self) -> TaskTimes {
        let account = &self.account;
        let run = account.run.load(Relaxed);
        let (user, system) = (account.user.load(Relaxed), account.system.load(Relaxed));
        let sampled = user + system;
        let user = if sampled == 0 {
            0
        } else {
            (u128::from(run) * u128::from(user) / u128::from(sampled)) as u64
        };
        TaskTimes {
            user,
            system: run - user,
            run,
            delay: account.delay.load(Relaxed),
            turns: account.turns.load(Relaxed),
            voluntary: account.voluntary.load(Relaxed),
            involuntary: account.involuntary.load(Relaxed),
            last_switch: account.last_switch.load(Relaxed),
            waits_since: account.queued_at.load(Relaxed),
        }
    }
}

/// Where a CPU's time went; nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) user: u64,
    pub(crate) nice: u64,
    pub(crate) system: u64,
    pub(crate) softirq: u64,
    pub(crate) idle: u64,
}

impl Times {
    pub(crate) const fn new() -> Self {
        Self { user: 0, nice: 0, system: 0, softirq: 0, idle: 0 }
    }
}

/// Where a CPU's time went, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTimes {
    /// User mode, nice 0 or below.
    pub user: u64,
    /// User mode, nice above 0.
    pub nice: u64,
    /// The kernel.
    pub system: u64,
    /// Softirqs, whoever they interrupted.
    pub softirq: u64,
    /// Nothing to run.
    pub idle: u64,
}

/// Where a CPU's time went since boot.
pub fn cpu_times(cpu: CpuId) -> CpuTimes {
    let queue = RUN_QUEUES.of(cpu).queue.lock_irq();
    let Times { user, nice, system, softirq, mut idle } = queue.times;
    if queue.idle_since != 0 {
        idle += time::sched_clock().saturating_sub(queue.idle_since);
    }
    CpuTimes { user, nice, system, softirq, idle }
}
