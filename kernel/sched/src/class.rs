//! The scheduling classes and what each must be able to do.

pub(crate) mod fair;
pub(crate) mod real_time;
pub(crate) mod stop;

use crate::task::TaskRef;

pub(crate) use real_time::TURN;

/// A class's part of a run queue. Every call is made with the run queue locked.
///
/// A runnable task is either *waiting*, and then the class holds it, or *running*, and then the class only keeps
/// account of it.
pub(crate) trait Queue {
    /// Adds a runnable task. `wakeup`: it was asleep, or is new.
    fn enqueue(&mut self, task: TaskRef, wakeup: bool);
    /// Takes a given waiting task out.
    fn remove(&mut self, task: &TaskRef) -> Option<TaskRef>;
    /// Takes out the waiting task that should run next.
    fn pick(&mut self) -> Option<TaskRef>;
    /// A task of this class begins to run.
    fn start_running(&mut self, task: &TaskRef, now: u64);
    /// The running task has come into this class while running.
    fn adopt_running(&mut self, task: &TaskRef, now: u64) {
        self.start_running(task, now);
    }
    /// The running task's time goes on until `now`.
    fn charge(&mut self, task: &TaskRef, now: u64);
    /// The running task of this class stops running; if it is still runnable it is enqueued again by [`requeue`](Self::requeue).
    fn stop_running(&mut self, task: &TaskRef, sleeps: bool);
    /// Adds the task that just stopped running and is still runnable.
    fn requeue(&mut self, task: TaskRef);
    /// Whether a task that was just enqueued should take the CPU from the running one of the same class.
    fn preempts(&self, task: &TaskRef) -> bool;
    /// The tick, with the running task of this class charged. True: it is somebody else's turn.
    fn tick(&mut self, task: &TaskRef) -> bool;
    /// The running task gives up its turn.
    fn yield_turn(&mut self, task: &TaskRef);
    /// How many wait.
    fn waiting(&self) -> usize;
    /// A waiting task that may be moved to another CPU and for which `fits` holds.
    fn find_movable(&self, fits: &dyn Fn(&TaskRef) -> bool) -> Option<TaskRef>;
}
