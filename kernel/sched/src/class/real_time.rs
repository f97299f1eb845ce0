//! The real-time class: FIFO and round robin, by priority.
//!
//! Waiting tasks are kept in one list, highest priority first, and in order of arrival among equals. A
//! task that was preempted goes before its equals, one that has used up its turn or yields goes behind.

use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

use super::Queue;
use crate::attributes::Policy;
use crate::task::{Task, TaskRef};

/// A round-robin turn in nanoseconds: 100 ms, as in Linux.
pub(crate) const TURN: u64 = 100 * time::MILLISECOND;

pub(crate) struct RealTimeQueue {
    /// Sorted by falling priority. Has room for every task there is, so that adding one never allocates.
    waiting: Vec<TaskRef>,
    /// The running task goes behind its equals when it stops.
    turn_over: bool,
    /// Of the running task, while that is of this class.
    running_priority: u8,
}

impl RealTimeQueue {
    pub(crate) const fn new() -> Self {
        Self { waiting: Vec::new(), turn_over: false, running_priority: 0 }
    }

    /// Takes over a list with more room.
    pub(crate) fn grow(&mut self, mut roomier: Vec<TaskRef>) -> Vec<TaskRef> {
        roomier.append(&mut self.waiting);
        core::mem::replace(&mut self.waiting, roomier)
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
    fn enqueue(&mut self, task: TaskRef, _now: u64) -> bool {
        let preempts = task.entity.rt_priority() > self.running_priority;
        self.insert(task, false);
        preempts
    }

    fn remove(&mut self, task: &Task) -> Option<TaskRef> {
        let place = self.waiting.iter().position(|other| core::ptr::eq(&**other, task))?;
        Some(self.waiting.remove(place))
    }

    fn pick(&mut self, now: u64) -> Option<TaskRef> {
        if self.waiting.is_empty() {
            return None;
        }
        let task = self.waiting.remove(0);
        self.adopt_running(&task, now);
        Some(task)
    }

    fn adopt_running(&mut self, task: &Task, _now: u64) {
        self.turn_over = false;
        self.running_priority = task.entity.rt_priority();
    }

    fn charge(&mut self, task: &Task, ran: u64) {
        if task.entity.is(Policy::RoundRobin) {
            let left = task.entity.turn_left.load(Relaxed).saturating_sub(ran);
            task.entity.turn_left.store(left, Relaxed);
        }
    }

    fn stop_running(&mut self, _task: &Task) {}

    fn put_back(&mut self, task: TaskRef, _now: u64) {
        let behind = core::mem::take(&mut self.turn_over);
        self.insert(task, !behind);
    }

    fn tick(&mut self, task: &Task) -> bool {
        if !task.entity.is(Policy::RoundRobin) || task.entity.turn_left.load(Relaxed) > 0 {
            return false;
        }
        task.entity.turn_left.store(TURN, Relaxed);
        self.turn_over = self.has_equal(task.entity.rt_priority());
        self.turn_over
    }

    fn yield_turn(&mut self, _task: &Task) {
        self.turn_over = true;
    }

    fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn find_movable(&self, fits: &dyn Fn(&TaskRef) -> bool) -> Option<TaskRef> {
        self.waiting.iter().find(|task| fits(task)).cloned()
    }
}
