//! The fair class: EEVDF, earliest eligible virtual deadline first.
//!
//! Every task has a virtual run time that grows as it runs, slower the more weight it has. The queue's
//! average of these, weighted, is where a task would be that had got exactly its share. A task at or before the average is
//! *eligible*: it is owed time. Each task asks for slices; a slice's virtual deadline is its start plus its length divided by
//! weight. Of the eligible tasks the one with the earliest deadline runs. So a task gets its share by eligibility, and how
//! soon by the length of its slice.
//!
//! A task that sleeps takes its *lag* along, the distance to the average, and comes back at the same distance: sleeping
//! neither earns nor loses.
//!
//! The waiting tasks are kept sorted by deadline in a plain vector. With the few tasks that a CPU usually
//! has, this beats a balanced tree; with a thousand it costs a memory move of some kilobytes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

use super::Queue;
use crate::attributes::{Policy, WEIGHT_OF_NICE_0};
use crate::task::TaskRef;

/// The length of a slice in nanoseconds.
pub(crate) const SLICE: u64 = 3 * time::MILLISECOND;

/// A running task is not preempted by one that wakes before it has run so long, in nanoseconds: a switch each time that somebody
/// is woken costs all of them more than the short wait does.
const LEAST_RUN: u64 = 700 * time::MICROSECOND;

/// A waiting task, with what sorting and choosing need beside it.
pub(crate) struct Waiting {
    deadline: i64,
    vruntime: i64,
    weight: i64,
    task: TaskRef,
}

/// The running task's account.
struct Running {
    vruntime: i64,
    deadline: i64,
    weight: i64,
    started: u64,
    charged_until: u64,
}

pub(crate) struct FairQueue {
    /// Sorted by deadline. Has room for every task there is, so that adding one never allocates.
    waiting: Vec<Waiting>,
    running: Option<Running>,
    /// The weights of all, running included.
    load: i64,
    /// Where virtual times are counted from, so that the sum below stays small.
    origin: i64,
    /// Over the waiting tasks: weight times distance from the origin.
    sum: i64,
}

/// Nanoseconds as virtual time for a weight.
fn virtual_time(nanoseconds: u64, weight: i64) -> i64 {
    if weight == i64::from(WEIGHT_OF_NICE_0) {
        return nanoseconds as i64;
    }
    nanoseconds as i64 * i64::from(WEIGHT_OF_NICE_0) / weight.max(1)
}

impl FairQueue {
    pub(crate) const fn new() -> Self {
        Self { waiting: Vec::new(), running: None, load: 0, origin: 0, sum: 0 }
    }

    /// Takes over a list with more room.
    pub(crate) fn grow(&mut self, mut roomier: Vec<Waiting>) -> Vec<Waiting> {
        roomier.append(&mut self.waiting);
        core::mem::replace(&mut self.waiting, roomier)
    }

    /// Weight times distance, the running task included.
    fn whole_sum(&self) -> i64 {
        let running = self.running.as_ref();
        self.sum + running.map_or(0, |running| running.weight * (running.vruntime - self.origin))
    }

    fn average(&self) -> i64 {
        if self.load == 0 { self.origin } else { self.origin + self.whole_sum() / self.load }
    }

    fn is_eligible(&self, whole_sum: i64, vruntime: i64) -> bool {
        whole_sum >= (vruntime - self.origin) * self.load
    }

    /// Moves the origin up to the average once that has run far ahead, before products could overflow.
    fn move_origin(&mut self) {
        const FAR: i64 = 1 << 32;
        let distance = self.average() - self.origin;
        if distance.abs() > FAR {
            let waiting_load: i64 =
                self.load - self.running.as_ref().map_or(0, |running| running.weight);
            self.sum -= waiting_load * distance;
            self.origin += distance;
        }
    }

    /// The furthest that a task may be from the average when it comes.
    fn lag_limit(weight: i64) -> i64 {
        virtual_time(2 * SLICE, weight)
    }

    fn insert(&mut self, waiting: Waiting) {
        self.sum += waiting.weight * (waiting.vruntime - self.origin);
        let place = self.waiting.partition_point(|other| other.deadline <= waiting.deadline);
        self.waiting.insert(place, waiting);
    }

    fn take(&mut self, place: usize) -> TaskRef {
        let waiting = self.waiting.remove(place);
        self.sum -= waiting.weight * (waiting.vruntime - self.origin);
        waiting.task
    }

    fn keep_lag(task: &TaskRef, lag: i64, weight: i64) {
        let limit = Self::lag_limit(weight);
        task.entity.lag.store(lag.clamp(-limit, limit), Relaxed);
    }

    /// Where a task starts that comes to this queue, and whether it has never been on one.
    fn place(&self, task: &TaskRef, weight: i64) -> (i64, bool) {
        let first_time = !task.entity.placed.swap(true, Relaxed);
        let mut vruntime = self.average();
        if !first_time && self.load > 0 {
            // Adding a task moves the average towards it. To stand at its old distance from the new average it must start
            // proportionally further from the old one.
            let lag = task.entity.lag.load(Relaxed);
            vruntime -= lag * (self.load + weight) / self.load;
        }
        (vruntime, first_time)
    }

    /// Whether a task other than the running one is both eligible and due before it.
    fn somebody_is_due_before(&self, deadline: i64) -> bool {
        let whole_sum = self.whole_sum();
        self.waiting
            .iter()
            .take_while(|waiting| waiting.deadline < deadline)
            .any(|waiting| self.is_eligible(whole_sum, waiting.vruntime))
    }
}

impl Queue for FairQueue {
    fn enqueue(&mut self, task: TaskRef, _wakeup: bool) {
        let weight = i64::from(task.entity.weight.load(Relaxed));
        let (vruntime, first_time) = self.place(&task, weight);
        let mut slice = virtual_time(SLICE, weight);
        if first_time {
            // A newcomer gets half a slice, so that forking is no way to get more.
            slice /= 2;
        }
        let deadline = vruntime + slice;
        self.load += weight;
        self.insert(Waiting { deadline, vruntime, weight, task });
    }

    fn remove(&mut self, task: &TaskRef) -> Option<TaskRef> {
        let place = self.waiting.iter().position(|other| Arc::ptr_eq(&other.task, task))?;
        let (vruntime, weight) = (self.waiting[place].vruntime, self.waiting[place].weight);
        Self::keep_lag(task, self.average() - vruntime, weight);
        let task = self.take(place);
        self.load -= weight;
        Some(task)
    }

    fn pick(&mut self) -> Option<TaskRef> {
        if self.waiting.is_empty() {
            return None;
        }
        // With one task, and with rounding, it may be that nobody counts as eligible: then the first.
        let mut place = 0;
        if self.waiting.len() > 1 {
            let whole_sum = self.whole_sum();
            place = self
                .waiting
                .iter()
                .position(|waiting| self.is_eligible(whole_sum, waiting.vruntime))
                .unwrap_or(0);
        }
        let Waiting { deadline, vruntime, .. } = self.waiting[place];
        let task = self.take(place);
        task.entity.vruntime.store(vruntime, Relaxed);
        task.entity.deadline.store(deadline, Relaxed);
        // Its weight stays in `load`; `start_running` puts its distance back into the sum.
        Some(task)
    }

    fn start_running(&mut self, task: &TaskRef, now: u64) {
        let entity = &task.entity;
        self.running = Some(Running {
            vruntime: entity.vruntime.load(Relaxed),
            deadline: entity.deadline.load(Relaxed),
            weight: i64::from(entity.weight.load(Relaxed)),
            started: now,
            charged_until: now,
        });
    }

    fn adopt_running(&mut self, task: &TaskRef, now: u64) {
        let entity = &task.entity;
        let weight = i64::from(entity.weight.load(Relaxed));
        // With its lag: a task that changes its attributes all the time would else never be behind what it owes.
        let (vruntime, _) = self.place(task, weight);
        entity.vruntime.store(vruntime, Relaxed);
        entity.deadline.store(vruntime + virtual_time(SLICE, weight), Relaxed);
        self.load += weight;
        self.start_running(task, now);
    }

    fn charge(&mut self, _task: &TaskRef, now: u64) {
        let Some(running) = &mut self.running else { return };
        let ran = now.saturating_sub(running.charged_until);
        running.charged_until = now;
        running.vruntime += virtual_time(ran, running.weight);
    }

    fn stop_running(&mut self, task: &TaskRef, sleeps: bool) {
        self.move_origin();
        let average = if sleeps { self.average() } else { 0 };
        let Some(running) = self.running.take() else { return };
        if sleeps {
            Self::keep_lag(task, average - running.vruntime, running.weight);
            self.load -= running.weight;
        } else {
            task.entity.vruntime.store(running.vruntime, Relaxed);
            task.entity.deadline.store(running.deadline, Relaxed);
        }
    }

    fn requeue(&mut self, task: TaskRef) {
        let entity = &task.entity;
        let weight = i64::from(entity.weight.load(Relaxed));
        let vruntime = entity.vruntime.load(Relaxed);
        let mut deadline = entity.deadline.load(Relaxed);
        if vruntime >= deadline {
            deadline = vruntime + virtual_time(SLICE, weight);
        }
        self.insert(Waiting { deadline, vruntime, weight, task });
    }

    fn preempts(&self, task: &TaskRef) -> bool {
        let Some(running) = &self.running else { return true };
        if task.entity.policy() != Policy::Normal
            || time::monotonic().saturating_sub(running.started) < LEAST_RUN
        {
            return false;
        }
        let Some(waiting) = self.waiting.iter().find(|other| Arc::ptr_eq(&other.task, task)) else {
            return false;
        };
        waiting.deadline < running.deadline && self.is_eligible(self.whole_sum(), waiting.vruntime)
    }

    fn tick(&mut self, _task: &TaskRef) -> bool {
        // A task that is never stopped would else take the average ever further from the origin.
        self.move_origin();
        if self.waiting.is_empty() {
            return false;
        }
        let Some(running) = &mut self.running else { return true };
        if running.vruntime < running.deadline {
            return false;
        }
        running.deadline = running.vruntime + virtual_time(SLICE, running.weight);
        let deadline = running.deadline;
        self.somebody_is_due_before(deadline)
    }

    fn yield_turn(&mut self, _task: &TaskRef) {
        if self.waiting.is_empty() {
            // Nobody to yield to; virtual time that nobody catches up with would only add up.
            return;
        }
        if let Some(running) = &mut self.running {
            running.deadline += virtual_time(SLICE, running.weight);
            // Not eligible until the others have caught up with the end of its slice.
            running.vruntime =
                running.vruntime.max(running.deadline - virtual_time(SLICE, running.weight));
        }
    }

    fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn find_movable(&self, fits: &dyn Fn(&TaskRef) -> bool) -> Option<TaskRef> {
        // From the end: who would have to wait longest here.
        self.waiting.iter().rev().map(|waiting| &waiting.task).find(|task| fits(task)).cloned()
    }
}
