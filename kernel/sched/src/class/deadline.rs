//! The deadline class: earliest deadline first, each task behind a constant bandwidth server.
//!
//! A task without budget is *throttled*: it is runnable for everything outside this class, and stands aside here until its next
//! period. It does not count among the CPU's runnable tasks meanwhile, so that a CPU with no others is idle.

use alloc::vec::Vec;
use core::ptr;

use machine::CpuId;

use super::Queue;
use crate::deadline::spread::{self, NEVER};
use crate::deadline::{Phase, Server, timers};
use crate::runqueue::RUN_QUEUES;
use crate::task::{Task, TaskRef};

/// A task that stands aside for a time, or for a place before others.
pub(crate) struct Entry {
    /// Its deadline, if it waits; when it comes back, if it is throttled.
    when: u64,
    task: TaskRef,
}

#[derive(Default)]
pub(crate) struct DeadlineQueue {
    /// Sorted by deadline. Both lists have room for every task that has a server, so that adding one never allocates.
    waiting: Vec<Entry>,
    /// Sorted by the time of their return.
    throttled: Vec<Entry>,
    /// The deadline of the running task, while that is of this class.
    running: Option<u64>,
}

/// A waiting task that another CPU may take.
pub(crate) enum Excess {
    /// This one.
    Task(TaskRef),
    /// One whose last CPU has not yet left its stack: soon.
    Soon,
    /// None.
    Nothing,
}

fn server(task: &Task) -> &Server {
    task.entity.server().expect("a deadline task has its server")
}

impl DeadlineQueue {
    pub(crate) const fn new() -> Self {
        Self { waiting: Vec::new(), throttled: Vec::new(), running: None }
    }

    /// Takes over lists with more room.
    pub(crate) fn grow(&mut self, room: &mut (Vec<Entry>, Vec<Entry>)) {
        if room.0.capacity() <= self.waiting.capacity() {
            return;
        }
        room.0.append(&mut self.waiting);
        room.1.append(&mut self.throttled);
        core::mem::swap(&mut self.waiting, &mut room.0);
        core::mem::swap(&mut self.throttled, &mut room.1);
    }

    /// The earliest deadline of those that wait.
    pub(crate) fn earliest_waiting(&self) -> u64 {
        self.waiting.first().map_or(NEVER, |first| first.when)
    }

    fn insert(&mut self, task: TaskRef, before_equals: bool) -> u64 {
        let when = server(&task).budget().deadline;
        let place = self
            .waiting
            .partition_point(|other| other.when < when || other.when == when && !before_equals);
        self.waiting.insert(place, Entry { when, task });
        when
    }

    /// What other CPUs are to know: whether anybody waits, the earliest deadline, and the earliest of those that will not run next.
    fn view(&self) -> (bool, u64, u64) {
        let first = self.earliest_waiting();
        let (earliest, excess) = match self.running {
            Some(running) => (first.min(running), first),
            None => (first, self.waiting.get(1).map_or(NEVER, |second| second.when)),
        };
        (!self.waiting.is_empty(), earliest, excess)
    }

    /// Shows the other CPUs what is here.
    fn publish(&self, cpu: CpuId) {
        let (waits, earliest, excess) = self.view();
        spread::publish(cpu, waits, earliest, excess);
    }

    /// Whether the other CPUs are shown what is here: always, when the queue is unlocked.
    pub(crate) fn is_shown(&self, cpu: CpuId) -> bool {
        spread::shown(cpu) == self.view()
    }

    /// Adds a task that is counted as runnable here: to those that wait, or, without a budget, to those that are throttled. Returns the
    /// deadline by which it may compete.
    fn add(&mut self, task: TaskRef, now: u64, before_equals: bool) -> u64 {
        let server = server(&task);
        if server.budget().is_used_up() {
            let when = server.next_period();
            if when > now && !server.is_lent() {
                self.throttle(task, when);
                return NEVER;
            }
            server.replenish(now);
        }
        self.insert(task, before_equals)
    }

    fn throttle(&mut self, task: TaskRef, when: u64) {
        let cpu = task.cpu();
        server(&task).enter(Phase::Throttled);
        RUN_QUEUES.of(cpu).count_runnable(-1);
        let place = self.throttled.partition_point(|other| other.when <= when);
        self.throttled.insert(place, Entry { when, task });
        if place == 0 {
            timers::replenish_at(cpu, when);
        }
    }

    /// Takes back whose next period has begun. Returns the earliest of their deadlines.
    pub(crate) fn replenish_due(&mut self, now: u64) -> u64 {
        let mut earliest = NEVER;
        while let Some(first) = self.throttled.first() {
            let cpu = first.task.cpu();
            if first.when > now {
                timers::replenish_at(cpu, first.when);
                break;
            }
            let Entry { task, .. } = self.throttled.remove(0);
            server(&task).replenish(now);
            task.account.queued(now);
            RUN_QUEUES.of(cpu).count_runnable(1);
            earliest = earliest.min(self.insert(task, false));
            self.publish(cpu);
        }
        earliest
    }

    /// Whether a task of this deadline goes before the running one of this class.
    pub(crate) fn goes_first(&self, deadline: u64) -> bool {
        self.running.is_some_and(|running| deadline < running)
    }

    /// A task that waits here and is due before `ours`.
    pub(crate) fn excess_before(&self, ours: u64, fits: &dyn Fn(&TaskRef) -> bool) -> Excess {
        let candidates =
            self.waiting.iter().take_while(|waiting| waiting.when < ours).map(|entry| &entry.task);
        // Without one that runs, the first will.
        for task in candidates.skip(usize::from(self.running.is_none())) {
            if task.is_on_cpu() {
                return Excess::Soon;
            }
            if fits(task) {
                return Excess::Task(task.clone());
            }
        }
        Excess::Nothing
    }
}

// Cold: the paths of all switches and wake-ups lead past here, and are to stay short.
impl Queue for DeadlineQueue {
    #[cold]
    fn enqueue(&mut self, task: TaskRef, now: u64) -> bool {
        let cpu = task.cpu();
        let server = server(&task);
        if server.phase() == Phase::Inactive {
            server.wake(now);
        }
        let deadline = self.add(task, now, false);
        self.publish(cpu);
        self.goes_first(deadline)
    }

    fn remove(&mut self, task: &Task) -> Option<TaskRef> {
        let is_it = |entry: &Entry| ptr::eq(&*entry.task, task);
        let removed = if let Some(place) = self.waiting.iter().position(is_it) {
            self.waiting.remove(place).task
        } else {
            let place = self.throttled.iter().position(is_it)?;
            // Whoever takes it counts it out.
            RUN_QUEUES.of(task.cpu()).count_runnable(1);
            self.throttled.remove(place).task
        };
        self.publish(task.cpu());
        Some(removed)
    }

    #[cold]
    fn pick(&mut self, now: u64) -> Option<TaskRef> {
        if self.waiting.is_empty() {
            return None;
        }
        let Entry { task, .. } = self.waiting.remove(0);
        self.adopt_running(&task, now);
        Some(task)
    }

    #[cold]
    fn adopt_running(&mut self, task: &Task, now: u64) {
        let server = server(task);
        if server.phase() == Phase::Inactive {
            server.wake(now);
        }
        let budget = server.budget();
        self.running = Some(budget.deadline);
        let left = u64::try_from(budget.left).unwrap_or(0);
        timers::end_budget_at(task.cpu(), now.saturating_add(left));
        self.publish(task.cpu());
    }

    #[cold]
    fn charge(&mut self, task: &Task, ran: u64) {
        if server(task).charge(ran) {
            task.add_signal(crate::task::DEADLINE_OVERRUN);
        }
    }

    #[cold]
    fn stop_running(&mut self, task: &Task) {
        self.running = None;
        server(task).enter(Phase::Inactive);
        timers::no_budget(task.cpu());
        self.publish(task.cpu());
    }

    #[cold]
    fn put_back(&mut self, task: TaskRef, now: u64) {
        let cpu = task.cpu();
        self.running = None;
        timers::no_budget(cpu);
        self.add(task, now, true);
        self.publish(cpu);
    }

    #[cold]
    fn tick(&mut self, task: &Task) -> bool {
        server(task).budget().is_used_up()
    }

    #[cold]
    fn yield_turn(&mut self, task: &Task) {
        server(task).give_up();
    }

    fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Of the throttled, too.
    fn find_movable(&self, fits: &dyn Fn(&TaskRef) -> bool) -> Option<TaskRef> {
        let all = self.waiting.iter().chain(&self.throttled);
        all.map(|entry| &entry.task).find(|task| fits(task)).cloned()
    }
}
