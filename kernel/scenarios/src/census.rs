//! What is alive, to find what is left over.

use core::fmt;

/// A count of everything that a scenario could leave behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Census {
    tasks: usize,
    pids: usize,
    threads: usize,
    requests: usize,
    spaces: usize,
}

impl Census {
    pub(crate) fn take() -> Self {
        let mut tasks = 0;
        process::for_each_task(|_| tasks += 1);
        Self {
            tasks,
            pids: process::live_pids(),
            threads: kthread::live_threads(),
            requests: kthread::requests_waiting(),
            spaces: live_spaces(),
        }
    }

    /// Waits until everything that `self` did not have is gone again.
    ///
    /// # Errors
    /// What is there instead, after a second.
    pub(crate) fn wait_for_return(&self) -> Result<(), Self> {
        let deadline = time::monotonic() + time::SECOND;
        loop {
            let now = Self::take();
            if now == *self {
                return Ok(());
            }
            if time::monotonic() >= deadline {
                return Err(now);
            }
            sched::sleep_for(time::MILLISECOND);
        }
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tasks, pids, threads, requests, spaces } = self;
        write!(
            f,
            "{tasks} tasks, {pids} PIDs, {threads} thread records, {requests} requests, {spaces} address spaces"
        )
    }
}

#[cfg(not(target_os = "none"))]
fn live_spaces() -> usize {
    machine::sim::live().address_spaces
}

/// The real machine does not count them.
#[cfg(target_os = "none")]
fn live_spaces() -> usize {
    0
}
