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

use alloc::vec::Vec;
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;

use super::Queue;
use crate::attributes::{Policy, WEIGHT_OF_NICE_0};
use crate::task::{Task, TaskRef};

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
    /// Runs only when nobody else of its class waits.
    yields_to_all: bool,
    started: u64,
}

pub(crate) struct FairQueue {
    /// Sorted by deadline. Has room for every task there is, so that adding one never allocates.
    waiting: Vec<Waiting>,
    running: Option<Running>,
    /// The weights of all, running included.
    load: i64,
    /// Where virtual times are counted from, so that the sum below stays small.
    origin: i64,
    /// Over all, running included: weight times distance from the origin.
    sum: i64,
}

/// The most that a task is charged at once, in nanoseconds: a tick comes long before, unless a clock jumps. Its product with any weights
/// fits into 63 bits.
const MOST_AT_ONCE: u64 = 1 << 30;

/// Virtual times are counted anew from here.
const FARTHEST: i64 = 1 << 60;

/// Nanoseconds as virtual time for a weight. More than a hundred days count as a hundred, where the weight is not the usual one.
fn virtual_time(nanoseconds: u64, weight: i64) -> i64 {
    const LONGEST: u64 = (i64::MAX / WEIGHT_OF_NICE_0 as i64) as u64;
    if weight == i64::from(WEIGHT_OF_NICE_0) {
        return nanoseconds as i64;
    }
    nanoseconds.min(LONGEST) as i64 * i64::from(WEIGHT_OF_NICE_0) / weight.max(1)
}

/// Shares a weighted sum out among a load that is not 0. With one, two or four tasks of the usual weight, most often, this takes no division.
#[inline(always)]
fn shared(sum: i64, load: i64) -> i64 {
    if load & (load - 1) == 0 { sum >> load.trailing_zeros() } else { sum / load }
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

    fn average(&self) -> i64 {
        if self.load == 0 { self.origin } else { self.origin + shared(self.sum, self.load) }
    }

    fn is_eligible(&self, vruntime: i64) -> bool {
        self.sum >= (vruntime - self.origin) * self.load
    }

    /// Counts a task in.
    #[inline(always)]
    fn join(&mut self, vruntime: i64, weight: i64) {
        self.load += weight;
        self.sum += weight * (vruntime - self.origin);
    }

    /// Counts a task out.
    #[inline(always)]
    fn leave(&mut self, vruntime: i64, weight: i64) {
        self.load -= weight;
        self.sum -= weight * (vruntime - self.origin);
    }

    /// Moves the origin up to the average once that has run far ahead, before products could overflow. Returns the average. Somebody is
    /// counted in.
    #[inline(always)]
    fn move_origin(&mut self) -> i64 {
        const FAR: i64 = 1 << 32;
        let distance = shared(self.sum, self.load);
        if !(-FAR..FAR).contains(&distance) {
            return self.move_origin_by(distance);
        }
        self.origin + distance
    }

    /// Moves the origin up to the average, which is so far from it. Returns the average.
    #[cold]
    fn move_origin_by(&mut self, distance: i64) -> i64 {
        self.sum -= self.load * distance;
        self.origin += distance;
        if self.origin > FARTHEST {
            self.count_from_here();
        }
        self.origin
    }

    /// Counts virtual times from the present origin on, before they could overflow: two tasks of the idle policy that yield to each other
    /// get there in hours.
    fn count_from_here(&mut self) {
        let back = core::mem::take(&mut self.origin);
        for waiting in &mut self.waiting {
            waiting.vruntime -= back;
            waiting.deadline -= back;
        }
        if let Some(running) = &mut self.running {
            running.vruntime -= back;
            running.deadline -= back;
        }
    }

    /// The furthest that a task may be from the average when it comes.
    fn lag_limit(weight: i64) -> i64 {
        virtual_time(2 * SLICE, weight)
    }

    #[inline(always)]
    fn insert(&mut self, waiting: Waiting) {
        // Most come last: a deadline is some way ahead.
        if self.waiting.last().is_none_or(|last| last.deadline <= waiting.deadline) {
            self.waiting.push(waiting);
        } else {
            let Waiting { deadline, vruntime, weight, task } = waiting;
            self.insert_among(deadline, vruntime, weight, task);
        }
    }

    /// Its fields one by one, so that the path past this keeps them in registers.
    #[inline(never)]
    fn insert_among(&mut self, deadline: i64, vruntime: i64, weight: i64, task: TaskRef) {
        let place = self.waiting.partition_point(|other| other.deadline <= deadline);
        self.waiting.insert(place, Waiting { deadline, vruntime, weight, task });
    }

    #[inline(always)]
    fn take(&mut self, place: usize) -> Option<Waiting> {
        if place + 1 == self.waiting.len() {
            self.waiting.pop()
        } else {
            Some(self.waiting.remove(place))
        }
    }

    fn keep_lag(task: &Task, lag: i64, weight: i64) {
        let limit = Self::lag_limit(weight);
        task.entity.lag.store(lag.clamp(-limit, limit), Relaxed);
    }

    /// Where a task starts that comes to this queue.
    #[inline(always)]
    fn place(&self, task: &Task, weight: i64) -> Placed {
        if !task.entity.placed.load(Relaxed) {
            // Under the queue's lock, like all that is in force.
            task.entity.placed.store(true, Relaxed);
            return Placed::First(self.average());
        }
        if self.load == 0 {
            return Placed::Again(self.origin);
        }
        // Adding a task moves the average towards it. To stand at its old distance from the new average it must start
        // proportionally further from the old one: by its lag times (load + weight) / load.
        let ahead = task.entity.lag.load(Relaxed) * (self.load + weight);
        Placed::Again(self.origin + shared(self.sum - ahead, self.load))
    }

    /// Whether a task that was just added should run instead of the running one, which has had its least run or yields to all.
    fn preempts(&self, policy: Preemption, vruntime: i64, deadline: i64) -> bool {
        let Some(running) = &self.running else { return true };
        match policy {
            Preemption::OfIdle => running.yields_to_all,
            Preemption::Never => false,
            Preemption::WhenDue => {
                running.yields_to_all || deadline < running.deadline && self.is_eligible(vruntime)
            }
        }
    }

    /// Whether a task other than the running one is both eligible and due before it.
    fn somebody_is_due_before(&self, deadline: i64) -> bool {
        self.waiting
            .iter()
            .take_while(|waiting| waiting.deadline < deadline)
            .any(|waiting| self.is_eligible(waiting.vruntime))
    }
}

/// Where a task starts.
enum Placed {
    /// It has never been on a queue.
    First(i64),
    /// It has slept, or comes from another queue.
    Again(i64),
}

/// Whom a task may preempt when it wakes, by its policy.
#[derive(Clone, Copy)]
enum Preemption {
    /// A batch task: those of the idle policy only.
    OfIdle,
    /// One of the idle policy: nobody.
    Never,
    /// Whoever is due after it.
    WhenDue,
}

impl Preemption {
    fn of(task: &Task) -> Self {
        if task.entity.is(Policy::Normal) {
            Self::WhenDue
        } else if task.entity.is(Policy::Idle) {
            Self::Never
        } else {
            Self::OfIdle
        }
    }
}

impl Queue for FairQueue {
    #[inline(always)]
    fn enqueue(&mut self, task: TaskRef, now: u64) -> bool {
        let weight = i64::from(task.entity.weight.load(Relaxed));
        let slice = virtual_time(SLICE, weight);
        let (vruntime, deadline) = match self.place(&task, weight) {
            // A newcomer gets half a slice, so that forking is no way to get more.
            Placed::First(vruntime) => (vruntime, vruntime + slice / 2),
            Placed::Again(vruntime) => (vruntime, vruntime + slice),
        };
        // The usual case first: the running task has only just begun.
        let settled = self.running.as_ref().is_some_and(|running| {
            !running.yields_to_all && now.saturating_sub(running.started) < LEAST_RUN
        });
        let preemption = if settled { Preemption::Never } else { Preemption::of(&task) };
        self.join(vruntime, weight);
        self.insert(Waiting { deadline, vruntime, weight, task });
        !settled && self.preempts(preemption, vruntime, deadline)
    }

    fn remove(&mut self, task: &Task) -> Option<TaskRef> {
        let place = self.waiting.iter().position(|other| ptr::eq(&*other.task, task))?;
        let average = self.average();
        let Waiting { vruntime, weight, task, .. } = self.take(place)?;
        Self::keep_lag(&task, average - vruntime, weight);
        self.leave(vruntime, weight);
        Some(task)
    }

    #[inline(always)]
    fn pick(&mut self, now: u64) -> Option<TaskRef> {
        let mut place = 0;
        if self.waiting.len() > 1 {
            // With rounding, it may be that nobody counts as eligible: then the first.
            place = self
                .waiting
                .iter()
                .position(|waiting| self.is_eligible(waiting.vruntime))
                .unwrap_or(0);
        } else if self.waiting.is_empty() {
            return None;
        }
        let Waiting { deadline, vruntime, weight, task } = self.take(place)?;
        // It stays counted.
        self.running = Some(Running {
            vruntime,
            deadline,
            weight,
            yields_to_all: task.entity.is(Policy::Idle),
            started: now,
        });
        Some(task)
    }

    fn adopt_running(&mut self, task: &Task, now: u64) {
        let weight = i64::from(task.entity.weight.load(Relaxed));
        // With its lag: a task that changes its attributes all the time would else never be behind what it owes.
        let (Placed::First(vruntime) | Placed::Again(vruntime)) = self.place(task, weight);
        self.join(vruntime, weight);
        self.running = Some(Running {
            vruntime,
            deadline: vruntime + virtual_time(SLICE, weight),
            weight,
            yields_to_all: task.entity.is(Policy::Idle),
            started: now,
        });
    }

    fn charge(&mut self, _task: &Task, ran: u64) {
        let Some(running) = &mut self.running else { return };
        let ahead = virtual_time(ran.min(MOST_AT_ONCE), running.weight);
        running.vruntime += ahead;
        self.sum += running.weight * ahead;
    }

    #[inline(always)]
    fn stop_running(&mut self, task: &Task) {
        if self.waiting.is_empty() {
            // Alone it was the average. Nobody's time is counted from anywhere any more.
            task.entity.lag.store(0, Relaxed);
            (self.running, self.load, self.sum, self.origin) = (None, 0, 0, 0);
            return;
        }
        // Before it is taken out: this may change how its time is counted.
        let average = self.move_origin();
        let Some(Running { vruntime, weight, .. }) = self.running.take() else { return };
        Self::keep_lag(task, average - vruntime, weight);
        self.leave(vruntime, weight);
    }

    fn put_back(&mut self, task: TaskRef, _now: u64) {
        let Some(Running { vruntime, mut deadline, weight, .. }) = self.running.take() else {
            return;
        };
        if vruntime >= deadline {
            deadline = vruntime + virtual_time(SLICE, weight);
        }
        self.insert(Waiting { deadline, vruntime, weight, task });
    }

    fn tick(&mut self, _task: &Task) -> bool {
        // A task that is never stopped would else take the average ever further from the origin.
        if self.load != 0 {
            self.move_origin();
        }
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

    fn yield_turn(&mut self, _task: &Task) {
        if self.waiting.is_empty() {
            // Nobody to yield to; virtual time that nobody catches up with would only add up.
            return;
        }
        if let Some(running) = &mut self.running {
            running.deadline += virtual_time(SLICE, running.weight);
            // Not eligible until the others have caught up with the end of its slice.
            let start = running.deadline - virtual_time(SLICE, running.weight);
            let ahead = (start - running.vruntime).max(0);
            running.vruntime += ahead;
            self.sum += running.weight * ahead;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_anew_changes_no_distance() {
        let (origin, weight) = (FARTHEST - 1, i64::from(WEIGHT_OF_NICE_0));
        // Far enough for the origin to move.
        let (vruntime, deadline) = (origin + (1 << 33), origin + (1 << 33) + 1_300);
        let mut queue = FairQueue::new();
        queue.origin = origin;
        queue.running =
            Some(Running { vruntime, deadline, weight, yields_to_all: false, started: 0 });
        queue.join(vruntime, weight);
        assert_eq!(queue.move_origin(), 0);
        let running = queue.running.as_ref().expect("it runs on");
        assert_eq!((queue.origin, running.vruntime, running.deadline), (0, 0, 1_300));
        assert!(queue.is_eligible(0) && !queue.is_eligible(1));
    }

    #[test]
    fn a_jump_of_the_clock_overflows_nothing() {
        let mut queue = FairQueue::new();
        let lightest =
            Running { vruntime: 0, deadline: 0, weight: 3, yields_to_all: true, started: 0 };
        queue.running = Some(lightest);
        queue.join(0, 3);
        let jump = virtual_time(MOST_AT_ONCE, 3);
        for nobody in 0..1000 {
            let running = queue.running.as_mut().expect("it runs on");
            running.vruntime += jump;
            queue.sum += 3 * jump;
            // The heaviest there is, a hundred of them.
            queue.join(queue.average(), 100 * 88_761);
            assert!(queue.is_eligible(queue.average()), "{nobody}");
            queue.leave(queue.average(), 100 * 88_761);
            queue.move_origin();
        }
    }
}
