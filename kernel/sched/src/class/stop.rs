//! The stop class: one task per CPU, above everything.

use smallvec::SmallVec;

use super::Queue;
use crate::task::{Task, TaskRef};

/// Holds the stopper thread while it is runnable and does not run. There may be a second one: that of a CPU that has gone, on its way
/// to its parking place. CPUs go one at a time, so there is never a third.
#[derive(Default)]
pub(crate) struct StopQueue {
    waiting: SmallVec<[TaskRef; 2]>,
}

impl StopQueue {
    pub(crate) const fn new() -> Self {
        Self { waiting: SmallVec::new_const() }
    }
}

impl Queue for StopQueue {
    fn enqueue(&mut self, task: TaskRef, _now: u64) -> bool {
        self.waiting.push(task);
        false
    }

    fn remove(&mut self, task: &Task) -> Option<TaskRef> {
        let place = self.waiting.iter().position(|waiting| core::ptr::eq(&**waiting, task))?;
        Some(self.waiting.remove(place))
    }

    fn pick(&mut self, _now: u64) -> Option<TaskRef> {
        if self.waiting.is_empty() { None } else { Some(self.waiting.remove(0)) }
    }

    fn adopt_running(&mut self, _task: &Task, _now: u64) {}

    fn charge(&mut self, _task: &Task, _ran: u64) {}

    fn stop_running(&mut self, _task: &Task, _sleeps: bool) {}

    fn requeue(&mut self, task: TaskRef) {
        self.waiting.insert(0, task);
    }

    fn tick(&mut self, _task: &Task) -> bool {
        false
    }

    fn yield_turn(&mut self, _task: &Task) {}

    fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn find_movable(&self, fits: &dyn Fn(&TaskRef) -> bool) -> Option<TaskRef> {
        self.waiting.iter().find(|task| fits(task)).cloned()
    }
}
