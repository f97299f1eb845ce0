//! A pool's workers: who runs, who is idle, who is woken, and when there are too many.

use alloc::sync::Arc;

use bitflags::bitflags;
use errno::Errno;
use sched::TaskRef;

use super::State;
use crate::hand::Hand;
use crate::home::Home;

bitflags! {
    /// Why a worker is not counted as running, or will not be for long.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct WorkerFlags: u8 {
        /// It does not take items: it is idle, or preparing to work.
        const PREPARING = 1 << 0;
        /// Its item uses the CPU for long.
        const CPU_INTENSIVE = 1 << 1;
        /// It is not bound to the pool's CPU: the pool is unbound, or the CPU is gone.
        const UNBOUND = 1 << 2;
        /// It is asleep in its item.
        const ASLEEP = 1 << 3;
        /// It is to end.
        const DYING = 1 << 4;
    }
}

impl WorkerFlags {
    /// None of these: it runs, and keeps its CPU busy.
    const NOT_RUNNING: Self =
        Self::PREPARING.union(Self::CPU_INTENSIVE).union(Self::UNBOUND).union(Self::ASLEEP);
}

/// A worker as its pool sees it.
pub(crate) struct Worker {
    /// None while it is being made.
    pub(crate) task: Option<TaskRef>,
    pub(crate) flags: WorkerFlags,
    /// Idle, and woken since: it will look at the list, and need not be woken again.
    woken: bool,
    idle_since: u64,
    /// It is at items, or at what comes with their end.
    pub(crate) at_work: bool,
    /// Where they were at home.
    pub(crate) home: Home,
    pub(crate) hand: Arc<Hand>,
    /// How many of those that it has done are counted out.
    pub(super) settled: u32,
    /// Somebody else has counted the last ones out for it, and flushes are to be told.
    pub(crate) has_news: bool,
    /// The queue whose item it ran last, for its name in `/proc`. The number tells whether it is still right.
    pub(crate) last_queue: u64,
    pub(crate) description: Option<Arc<crate::queue::Name>>,
}

impl Worker {
    /// Whether it keeps its CPU busy.
    #[inline]
    pub(super) fn counts_as_running(&self) -> bool {
        !self.flags.intersects(WorkerFlags::NOT_RUNNING)
    }
}

impl State {
    /// There is work, and nobody runs who would get to it.
    #[inline]
    pub(crate) fn need_more_workers(&self) -> bool {
        !self.worklist.is_empty() && self.nr_running == 0
    }

    /// There is work, nobody runs, and nobody is left to be woken.
    pub(crate) fn need_to_make_worker(&self) -> bool {
        self.need_more_workers() && self.idle.is_empty()
    }

    /// A worker goes on as long as it is the only one that runs.
    #[inline]
    pub(crate) fn keep_working(&self) -> bool {
        self.nr_running <= 1
    }

    /// Wakes the worker that went idle last, if it is not on its way already.
    #[inline]
    pub(crate) fn wake_worker(&mut self) {
        let Some(&id) = self.idle.last() else { return };
        let Some(Some(worker)) = self.workers.get_mut(id as usize) else { return };
        self.called = true;
        if core::mem::replace(&mut worker.woken, true) {
            return;
        }
        if let Some(task) = &worker.task {
            sched::wake_up(task);
        }
    }

    /// Changes a worker's flags, and the count of those that run with them. If that changes, no worker keeps anything in its hand.
    #[inline]
    pub(crate) fn change_flags(&mut self, id: u32, set: WorkerFlags, clear: WorkerFlags) {
        let worker = self.worker(id);
        let did_run = worker.counts_as_running();
        worker.flags = worker.flags.difference(clear).union(set);
        let runs = worker.counts_as_running();
        if runs != did_run {
            self.nr_running = self.nr_running + u32::from(runs) - u32::from(did_run);
            self.recall();
        }
    }

    /// A row for a worker that is about to be made: the lowest ID that is free.
    pub(crate) fn reserve_worker(&mut self, hand: Arc<Hand>) -> Result<u32, Errno> {
        let id = match self.workers.iter().position(Option::is_none) {
            Some(id) => id,
            None => {
                self.workers.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                self.workers.push(None);
                self.workers.len() - 1
            }
        };
        // Room for all of them, so that going idle needs no memory.
        let room = self.workers.len().saturating_sub(self.idle.len());
        self.idle.try_reserve(room).map_err(|_| Errno::ENOMEM)?;
        self.workers[id] = Some(Worker {
            task: None,
            flags: WorkerFlags::PREPARING,
            woken: false,
            idle_since: 0,
            at_work: false,
            home: Home::queued(0, 0),
            hand,
            settled: 0,
            has_news: false,
            last_queue: 0,
            description: None,
        });
        Ok(id as u32)
    }

    /// The row's worker was not made.
    pub(crate) fn release_worker(&mut self, id: u32) {
        self.workers[id as usize] = None;
    }

    /// A new worker, which is about to be woken, joins as an idle one.
    pub(crate) fn join(&mut self, id: u32, task: TaskRef, unbound: bool) {
        let worker = self.worker(id);
        worker.task = Some(task);
        worker.woken = true;
        worker.flags.set(WorkerFlags::UNBOUND, unbound);
        self.nr_workers += 1;
        self.idle.push(id);
        self.called = true;
    }

    /// A worker ends. Returns what it held, to be dropped without the lock.
    pub(crate) fn part(&mut self, id: u32) -> Option<Worker> {
        self.change_flags(id, WorkerFlags::PREPARING, WorkerFlags::empty());
        self.idle.retain(|&other| other != id);
        self.look_who_is_last();
        if self.worker(id).flags.contains(WorkerFlags::DYING) {
            self.nr_dismissed -= 1;
        } else {
            self.nr_workers -= 1;
        }
        self.workers[id as usize].take()
    }

    pub(crate) fn enter_idle(&mut self, id: u32) {
        // It was marked as woken while it was idle, and that was taken back when it left.
        self.worker(id).idle_since = time::monotonic();
        self.idle.push(id);
        self.called = false;
    }

    #[inline]
    pub(crate) fn leave_idle(&mut self, id: u32) {
        if self.idle.last() == Some(&id) {
            self.idle.pop();
        } else {
            self.idle.retain(|&other| other != id);
        }
        self.worker(id).woken = false;
        self.look_who_is_last();
    }

    /// The last of the idle ones is another.
    fn look_who_is_last(&mut self) {
        let last = self.idle.last().and_then(|&id| self.workers.get(id as usize)?.as_ref());
        self.called = last.is_some_and(|worker| worker.woken);
    }

    /// Begins to make workers, if nobody else does.
    pub(crate) fn become_manager(&mut self, id: u32) -> bool {
        let free = !self.dying && self.manager.is_none();
        if free {
            self.manager = Some(id);
        }
        free
    }

    pub(crate) fn resign_as_manager(&mut self) {
        self.manager = None;
    }

    /// Whether all workers are gone, and none is being made.
    pub(crate) fn is_deserted(&self) -> bool {
        self.nr_workers + self.nr_dismissed == 0 && self.manager.is_none()
    }

    /// The worker that makes others.
    pub(crate) fn manager(&self) -> Option<u32> {
        self.manager
    }

    /// More idle ones than two, and than a quarter of the busy ones.
    pub(crate) fn too_many_workers(&self) -> bool {
        // The manager counts as idle.
        let idle = self.idle.len() + usize::from(self.manager.is_some());
        let busy = self.nr_workers.saturating_sub(idle);
        idle > 2 && (idle - 2) * 4 >= busy
    }

    /// The worker that has been idle longest, and since when.
    pub(crate) fn longest_idle(&mut self) -> Option<(u32, u64)> {
        let &id = self.idle.first()?;
        Some((id, self.worker(id).idle_since))
    }

    /// Tells an idle worker to end.
    pub(crate) fn dismiss(&mut self, id: u32) {
        self.idle.retain(|&other| other != id);
        self.look_who_is_last();
        self.nr_workers -= 1;
        self.nr_dismissed += 1;
        let worker = self.worker(id);
        worker.flags |= WorkerFlags::DYING;
        if let Some(task) = &worker.task {
            sched::wake_up(task);
        }
    }
}
