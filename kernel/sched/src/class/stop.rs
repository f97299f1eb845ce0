//! The stop class: one task per CPU, above everything.

use alloc::sync::Arc;

use super::Queue;
use crate::task::TaskRef;

/// Holds the stopper thread while it is runnable and does not run.
#[derive(Default)]
pub(crate) struct StopQueue {
    waiting: Option<TaskRef>,
}

impl StopQueue {
    pub(crate) const fn new() -> Self {
        Self { waiting: None }
    }
}

impl Queue for StopQueue {
    fn enqueue(&mut self, task: TaskRef, _wakeup: bool) {
        debug_assert!(self.waiting.is_none(), "one stopper a CPU");
        self.waiting = Some(task);
    }

    fn remove(&mut self, task: &TaskRef) -> Option<TaskRef> {
        self.waiting.take_if(|waiting| Arc::ptr_eq(waiting, task))
    }

    fn pick(&mut self) -> Option<TaskRef> {
        self.waiting.take()
    }

    fn start_running(&mut self, _task: &TaskRef, _now: u64) {}

    fn charge(&mut self, _task: &TaskRef, _now: u64) {}

    fn stop_running(&mut self, _task: &TaskRef, _sleeps: bool) {}

    fn requeue(&mut self, task: TaskRef) {
        self.enqueue(task, false);
    }

    fn preempts(&self, _task: &TaskRef) -> bool {
        false
    }

    fn tick(&mut self, _task: &TaskRef) -> bool {
        false
    }

    fn yield_turn(&mut self, _task: &TaskRef) {}

    fn waiting(&self) -> usize {
        usize::from(self.waiting.is_some())
    }

    fn find_movable(&self, _fits: &dyn Fn(&TaskRef) -> bool) -> Option<TaskRef> {
        None
    }
}
