//! What was used: the counters behind `getrusage`, `times` and `wait4`.

use sched::Task;

/// Nanoseconds in a tick of the clock that `times` and `/proc/PID/stat` count in.
pub const CLOCK_TICK: u64 = 10_000_000;

/// What a task, a process or its children have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nanoseconds in user mode.
    pub user: u64,
    /// Nanoseconds in the kernel.
    pub system: u64,
    /// Switches because it slept.
    pub voluntary: u64,
    /// Switches because it was preempted.
    pub involuntary: u64,
}

impl Usage {
    /// What one task has used so far.
    pub fn of_task(task: &Task) -> Self {
        let times = task.times();
        Self {
            user: times.user,
            system: times.system,
            voluntary: times.voluntary,
            involuntary: times.involuntary,
        }
    }

    /// Nanoseconds in both.
    pub fn total(&self) -> u64 {
        self.user + self.system
    }

    /// Adds what somebody else used.
    pub fn add(&mut self, other: &Self) {
        self.user += other.user;
        self.system += other.system;
        self.voluntary += other.voluntary;
        self.involuntary += other.involuntary;
    }
}
