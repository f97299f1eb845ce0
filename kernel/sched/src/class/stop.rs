//! The stop class: two tasks per CPU, above everything: its stopper, and what watches whether it switches tasks.

use arrayvec::ArrayVec;

use super::Queue;
use crate::task::{Task, TaskRef};

/// Two tasks each of two CPUs.
const PLACES: usize = 4;

/// Holds the CPU's tasks of this class while they are runnable and do not run. There may be those of a second CPU: one that has gone, on
/// their way to their parking places. CPUs go one at a time, so there are never more, and adding one never allocates.
#[derive(Default)]
pub(crate) struct StopQueue {
    waiting: ArrayVec<TaskRef, PLACES>,
}

impl StopQueue {
    pub(crate) const fn new() -> Self {
        Self { waiting: ArrayVec::new_const() }
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
        self.waiting.pop_at(0)
    }

    fn adopt_running(&mut self, _task: &Task, _now: u64) {}

    fn charge(&mut self, _task: &Task, _ran: u64) {}

    fn stop_running(&mut self, _task: &Task) {}

    fn put_back(&mut self, task: TaskRef, _now: u64) {
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
