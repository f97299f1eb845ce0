//! The scheduling classes and what each must be able to do.

pub(crate) mod deadline;
pub(crate) mod fair;
pub(crate) mod real_time;
pub(crate) mod stop;

use crate::task::{Task, TaskRef};

pub(crate) use real_time::TURN;

/// A class's part of a run queue. Every call is made with the run queue locked.
///
/// A runnable task is either *waiting*, and then the class holds it, or *running*, and then the class only keeps
/// account of it.
pub(crate) trait Queue {
    /// Adds a runnable task that was asleep, is new, or comes from another queue. Returns whether it should take the CPU from
    /// the running task, if that is of this class.
    fn enqueue(&mut self, task: TaskRef, now: u64) -> bool;
    /// Takes a given waiting task out.
    fn remove(&mut self, task: &Task) -> Option<TaskRef>;
    /// Takes out the waiting task that should run next, which begins to run.
    fn pick(&mut self, now: u64) -> Option<TaskRef>;
    /// The running task has come into this class while running.
    fn adopt_running(&mut self, task: &Task, now: u64);
    /// The running task has run for so many nanoseconds more.
    fn charge(&mut self, task: &Task, ran: u64);
    /// The running task of this class leaves it: it sleeps, ends, or goes to another class.
    fn stop_running(&mut self, task: &Task);
    /// The running task of this class stops running and waits again.
    fn put_back(&mut self, task: TaskRef, now: u64);
    /// The tick, with the running task of this class charged. True: it is somebody else's turn.
    fn tick(&mut self, task: &Task) -> bool;
    /// The running task gives up its turn.
    fn yield_turn(&mut self, task: &Task);
    /// How many wait.
    fn waiting(&self) -> usize;
    /// A waiting task that may be moved to another CPU and for which `fits` holds.
    fn find_movable(&self, fits: &dyn Fn(&TaskRef) -> bool) -> Option<TaskRef>;
}
