//! The real-time class: FIFO and round robin, by priority.
//!
//! Waiting tasks are kept in one list, highest priority first, and in order of arrival among equals. A
//! task that was preempted goes before its equals, one that has used up its turn or yields goes behind.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

use super::Queue;
use crate::attributes::Policy;
use crate::task::TaskRef;

/// A round-robin turn in nanoseconds: 100 ms, as in Linux.
pub(crate) const TURN: u64 = 100 * time::MILLISECOND;

pub(crate) struct RealTimeQueue {
    /// Sorted by falling priority. Has room for every task there is, so that adding one never allocates.
    waiting: Vec<TaskRef>,
    /// When the running task was last charged.
    charged_until: u64,
    /// What charging found and the throttle has not yet seen.
    uncounted: u64,
    /// The running task goes behind its equals when it stops.
    turn_over: bool,
}

impl RealTimeQueue {
    pub(crate) const fn new() -> Self {
        Self { waiting: Vec::new(), charged_until: 0, uncounted: 0, turn_over: false }
    }

    /// Takes over a list with more room.
    pub(crate) fn grow(&mut self, mut roomier: Vec<TaskRef>) -> Vec<TaskRef> {
        roomier.append(&mut self.waiting);
        core::mem::replace(&mut self.waiting, roomier)
    }

    /// The time that real-time tasks ran since the last call.
    pub(crate) fn take_time(&mut self) -> u64 {
        core::mem::take(&mut self.uncounted)
    }

    fn insert(&mut self, task: TaskRef, before_equals: bool) {
        let priority = task.entity.rt_priority();
        let place = self.waiting.partition_point(|other| {
            let other = other.entity.rt_priority();
            other > priority || (other == priority && !before_equals)
        });
        self.waiting.insert(place, task);
    }

    fn has_equal(&self, priority: u8) -> bool {
        self.waiting.first().is_some_and(|first| first.entity.rt_priority() >= priority)
    }
}

impl Queue for RealTimeQueue {
    fn enqueue(&mut self, task: TaskRef, _wakeup: bool) {
        self.insert(task, false);
    }

    fn remove(&mut self, task: &TaskRef) -> Option<TaskRef> {
        let place = self.waiting.iter().position(|other| Arc::ptr_eq(other, task))?;
        Some(self.waiting.remove(place))
    }

    fn pick(&mut self) -> Option<TaskRef> {
        if self.waiting.is_empty() { None } else { Some(self.waiting.remove(0)) }
    }

    fn start_running(&mut self, _task: &TaskRef, now: u64) {
        self.charged_until = now;
        self.turn_over = false;
    }

    fn charge(&mut self, task: &TaskRef, now: u64) {
        let ran = now.saturating_sub(self.charged_until);
        self.charged_until = now;
        self.uncounted += ran;
        if task.entity.policy() == Policy::RoundRobin {
            let left = task.entity.turn_left.load(Relaxed).saturating_sub(ran);
            task.entity.turn_left.store(left, Relaxed);
        }
    }

    fn stop_running(&mut self, _task: &TaskRef, _sleeps: bool) {}

    fn requeue(&mut self, task: TaskRef) {
        let behind = core::mem::take(&mut self.turn_over);
        self.insert(task, !behind);
    }

    fn preempts(&self, task: &TaskRef) -> bool {
        // The caller compares the classes; among real-time tasks the run queue asks with the running one's priority.
        self.waiting.first().is_some_and(|first| Arc::ptr_eq(first, task))
    }

    fn tick(&mut self, task: &TaskRef) -> bool {
        if task.entity.policy() != Policy::RoundRobin || task.entity.turn_left.load(Relaxed) > 0 {
            return false;
        }
        task.entity.turn_left.store(TURN, Relaxed);
        self.turn_over = self.has_equal(task.entity.rt_priority());
        self.turn_over
    }

    fn yield_turn(&mut self, _task: &TaskRef) {
        self.turn_over = true;
    }

    fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn find_movable(&self, fits: &dyn Fn(&TaskRef) -> bool) -> Option<TaskRef> {
        self.waiting.iter().find(|task| fits(task)).cloned()
    }
}
