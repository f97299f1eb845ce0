//! A task's server: what the deadline class keeps with a task.

use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};

use errno::Errno;

use super::budget::Budget;
use super::parameters::{DeadlineParameters, SharedParameters};
use crate::places;

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// The task sleeps, or is not of the class: nothing is counted.
    Inactive = 0,
    /// The task runs or waits to.
    Active = 1,
    /// The task would run, and has to wait for its next period.
    Throttled = 2,
}

/// What the deadline class keeps with a task, from its first time in the class on.
///
/// What is wanted changes under the admission's lock, all else under that of the run queue on which the task is, or last was. Atomic
/// like the rest of the task's [`Entity`](crate::attributes::Entity).
#[derive(Debug)]
pub(crate) struct Server {
    /// With the admission's lock.
    pub(super) wanted: SharedParameters,
    in_force: SharedParameters,
    left: AtomicI64,
    deadline: AtomicU64,
    phase: AtomicU8,
    /// What is in force is lent by somebody who waits for the task. It is never throttled then: who waits would be, too.
    lent: AtomicBool,
}

impl Server {
    /// A server for a task that has none, with room for the task on every CPU. May sleep.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn new() -> Result<Self, Errno> {
        places::reserve_deadline_place()?;
        Ok(Self {
            wanted: SharedParameters::default(),
            in_force: SharedParameters::default(),
            left: AtomicI64::new(0),
            deadline: AtomicU64::new(0),
            phase: AtomicU8::new(Phase::Inactive as u8),
            lent: AtomicBool::new(false),
        })
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Inactive,
            1 => Phase::Active,
            _ => Phase::Throttled,
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// The parameters that the class goes by.
    pub(crate) fn rate(&self) -> DeadlineParameters {
        self.in_force.load()
    }

    pub(crate) fn budget(&self) -> Budget {
        Budget { left: self.left.load(Relaxed), deadline: self.deadline.load(Relaxed) }
    }

    fn set_budget(&self, budget: Budget) {
        self.left.store(budget.left, Relaxed);
        self.deadline.store(budget.deadline, Relaxed);
    }

    /// Puts parameters in force. What is left is cut to the new runtime; the deadline stays.
    pub(super) fn adopt(&self, parameters: &DeadlineParameters) {
        if self.lent.swap(false, Relaxed) {
            // By the rule of wake-ups, what is left of the loan counts as far as the task could have had it by itself.
            self.enter(Phase::Inactive);
        }
        self.in_force.store(parameters);
        self.left.fetch_min(parameters.runtime as i64, Relaxed);
    }

    /// Puts lent parameters in force: with others than before the task begins anew.
    pub(super) fn borrow(&self, parameters: &DeadlineParameters) {
        let parameters = DeadlineParameters { signals_overrun: false, ..*parameters };
        if self.lent.swap(true, Relaxed) && self.in_force.load() == parameters {
            return;
        }
        self.in_force.store(&parameters);
        self.set_budget(Budget::default());
        self.enter(Phase::Inactive);
    }

    /// The task is not of the class any more.
    pub(super) fn leave(&self) {
        self.enter(Phase::Inactive);
        if self.lent.swap(false, Relaxed) {
            self.set_budget(Budget::default());
        }
    }

    /// Whether it goes by parameters that are lent.
    pub(crate) fn is_lent(&self) -> bool {
        self.lent.load(Relaxed)
    }

    /// The task begins to contend.
    pub(crate) fn wake(&self, now: u64) {
        self.set_budget(self.budget().woken(&self.rate(), now));
        self.enter(Phase::Active);
    }

    /// The deadline that it would have if it were woken now.
    pub(crate) fn deadline_if_woken(&self, now: u64) -> u64 {
        self.budget().woken(&self.rate(), now).deadline
    }

    /// When it gets its next budget.
    pub(crate) fn next_period(&self) -> u64 {
        self.budget().next_period(&self.rate())
    }

    /// Its next period has begun.
    pub(crate) fn replenish(&self, now: u64) {
        self.set_budget(self.budget().replenished(&self.rate(), now));
        self.enter(Phase::Active);
    }

    /// It has run for so long. Returns whether that has used up its budget, and it wants a signal then.
    pub(crate) fn charge(&self, ran: u64) -> bool {
        let before = self.budget();
        let after = before.charged(ran);
        self.set_budget(after);
        !before.is_used_up() && after.is_used_up() && self.in_force.load().signals_overrun
    }

    /// From when on it has not had more than its rate. 0: it has never been of the class.
    pub(super) fn zero_lag(&self) -> u64 {
        let rate = self.rate();
        if rate.period == 0 { 0 } else { self.budget().zero_lag(&rate) }
    }

    /// It gives up what is left.
    pub(crate) fn give_up(&self) {
        self.left.fetch_min(0, Relaxed);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        places::release_deadline_place();
    }
}
