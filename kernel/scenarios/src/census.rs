//! What is alive, to find what is left over.

use core::fmt;

use crate::tools::PATIENCE;

/// A count of everything that a scenario could leave behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Census {
    tasks: usize,
    pids: usize,
    threads: usize,
    requests: usize,
    spaces: usize,
    /// Items of work that are queued or running.
    items: usize,
    /// Control groups.
    groups: usize,
    /// What deadline tasks have been promised.
    bandwidth: u64,
}

impl Census {
    /// What is alive when nothing is on its way any more: no work, and no bandwidth of deadline tasks that have had more than their rate.
    pub(crate) fn settled() -> Self {
        let deadline = time::monotonic() + 10 * time::SECOND + PATIENCE;
        let mut last = Self::take();
        while time::monotonic() < deadline {
            sched::sleep_for(time::MILLISECOND);
            let now = Self::take();
            if now == last && now.items == 0 && sched::deadline_bandwidth().1 == 0 {
                break;
            }
            last = now;
        }
        last
    }

    pub(crate) fn take() -> Self {
        let (mut tasks, mut workers) = (0, 0);
        // Pools make workers as they need them, and keep them for minutes.
        process::for_each_task(|task| {
            if task.comm().as_bytes().starts_with(b"kworker/") {
                workers += 1;
            } else {
                tasks += 1;
            }
        });
        Self {
            tasks,
            pids: process::live_pids().wrapping_sub(workers),
            threads: kthread::live_threads().wrapping_sub(workers),
            items: workqueue::unfinished_items(),
            requests: kthread::requests_waiting(),
            spaces: live_spaces(),
            groups: cgroup::live_groups(),
            bandwidth: sched::deadline_bandwidth().0,
        }
    }

    /// Waits until everything that `self` did not have is gone again.
    ///
    /// # Errors
    /// What is there instead, after a second.
    pub(crate) fn wait_for_return(&self) -> Result<(), Self> {
        let deadline = time::monotonic() + time::SECOND + PATIENCE;
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
        let Self { tasks, pids, threads, requests, spaces, items, groups, bandwidth } = self;
        write!(
            f,
            "{tasks} tasks, {pids} PIDs, {threads} thread records, {requests} requests, {spaces} address spaces, \
             {items} items of work, {groups} control groups, {bandwidth} of bandwidth"
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
