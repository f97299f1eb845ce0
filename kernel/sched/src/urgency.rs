//! How urgent a task is, and what it is lent of that: who holds what others wait for runs as urgently as the most urgent of them.
//!
//! What a task is lent lies beside its own attributes, which stay what they are for everybody who asks; both together are what the scheduler
//! puts in force. A loan changes as parameters of the deadline class do: with the admission locked, and with a new number in the word
//! of what is wanted. So the task is seen to differ from what is in force, by the next one to queue it or at once, and the paths of
//! switches and wake-ups look at nothing new.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

use errno::Errno;
use sync::{AnyOnce, Once, PreemptGuard};

use crate::attributes::{self, Attributes, Policy};
use crate::deadline::{self, DeadlineParameters, Server, SharedParameters};
use crate::task::{Task, TaskRef};

/// The most urgent of the fair class, as Linux counts inside.
const FAIR: i32 = 100;
/// The deadline class, likewise.
const DEADLINE: i32 = -1;

/// How urgent a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Urgency {
    /// As Linux counts inside: -1 is deadline, 0 to 98 real time, 100 to 139 nice -20 to 19.
    pub priority: i32,
    /// Of the deadline class: by when, on the monotonic clock.
    pub deadline: u64,
    /// Of the deadline class.
    pub parameters: DeadlineParameters,
}

impl Urgency {
    /// Whether it goes before another. Tasks of the fair class are equals in this.
    pub fn is_before(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.priority.min(FAIR), other.priority.min(FAIR));
        mine < theirs || mine == DEADLINE && theirs == DEADLINE && self.deadline < other.deadline
    }

    /// The more urgent of the two; of those of the fair class the one with the better nice value, which is shown.
    #[must_use]
    pub fn or(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.is_before(&self) => other,
            Some(other) if !self.is_before(&other) && other.priority < self.priority => other,
            _ => self,
        }
    }
}

/// What few tasks have: made when a task first comes into the deadline class or uses what lends urgency, and gone with the task.
pub(crate) struct Rare {
    pub(crate) server: Server,
    pub(crate) lent: Loan,
    /// What the layer keeps that says what is lent.
    inheritance: AnyOnce,
}

impl Rare {
    fn new() -> Result<Box<Self>, Errno> {
        Ok(Box::new(Self {
            server: Server::new()?,
            lent: Loan::new(),
            inheritance: AnyOnce::new(),
        }))
    }

    /// A task's, made if there is none. May sleep.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn of(task: &Task) -> Result<&Self, Errno> {
        if task.entity.rare.get().is_none() {
            let rare = Self::new()?;
            // Not preempted in the middle: somebody may wait for it, below.
            let _stay = PreemptGuard::new();
            // Somebody else may have been quicker, whose one then counts.
            let _ = task.entity.rare.set(rare);
        }
        Ok(written(|| task.entity.rare.get().map(|rare| &**rare)))
    }
}

/// What somebody has written, or is just writing on another CPU.
fn written<'a, T: ?Sized>(get: impl Fn() -> Option<&'a T>) -> &'a T {
    loop {
        if let Some(value) = get() {
            return value;
        }
        machine::cpu::relax();
    }
}

/// What a task is lent. Changed by one lender at a time, with the admission of deadline tasks locked, and read by others with that; that the
/// fields are atomic only spares `unsafe`, and lets who only shows the priority do without the lock.
pub(crate) struct Loan {
    /// [`NOTHING`], or an internal priority.
    priority: AtomicI32,
    deadline: AtomicU64,
    parameters: SharedParameters,
}

const NOTHING: i32 = i32::MAX;

impl Loan {
    fn new() -> Self {
        Self {
            priority: AtomicI32::new(NOTHING),
            deadline: AtomicU64::new(0),
            parameters: SharedParameters::default(),
        }
    }

    fn load(&self) -> Option<Urgency> {
        let priority = self.priority.load(Relaxed);
        (priority != NOTHING).then(|| Urgency {
            priority,
            deadline: self.deadline.load(Relaxed),
            parameters: self.parameters.load(),
        })
    }

    fn store(&self, urgency: Option<&Urgency>) {
        if let Some(urgency) = urgency {
            self.deadline.store(urgency.deadline, Relaxed);
            self.parameters.store(&urgency.parameters);
        }
        self.priority.store(urgency.map_or(NOTHING, |urgency| urgency.priority), Relaxed);
    }

    /// What is put in force for a task with these attributes of its own; and the parameters with which it is to run in the deadline class,
    /// if those are lent.
    pub(crate) fn raise(&self, own: Attributes) -> (Attributes, Option<DeadlineParameters>) {
        let Some(lent) = self.load() else { return (own, None) };
        if lent.priority == DEADLINE {
            let raised = Attributes { policy: Policy::Deadline, priority: 0, ..own };
            return (raised, Some(lent.parameters));
        }
        if lent.priority >= own.internal_priority().min(FAIR) {
            return (own, None);
        }
        // A round-robin task still takes its turns.
        let policy = if own.policy.is_real_time() { own.policy } else { Policy::Fifo };
        let priority = (99 - lent.priority) as u8;
        (Attributes { policy, priority, ..own }, None)
    }
}

/// Who is told of a task whose own attributes have changed, if it has used what lends urgency.
static CHANGE_HOOK: Once<fn(&TaskRef)> = Once::new();

/// Says who is told when the attributes of a task with an [inheritance](keep_inheritance) have changed. From a task. Once; later calls change nothing.
pub fn set_urgency_hook(hook: fn(&TaskRef)) {
    let _ = CHANGE_HOOK.set(hook);
}

/// The attributes of a task have changed.
#[inline]
pub(crate) fn attributes_changed(task: &TaskRef) {
    if let Some(rare) = task.entity.rare.get()
        && rare.inheritance.is_set()
        && let Some(hook) = CHANGE_HOOK.get()
    {
        hook(task);
    }
}

/// Keeps with a task what the layer needs that lends urgency, if it keeps nothing yet, and makes all ready for a loan. May sleep.
///
/// # Errors
/// ENOMEM.
pub fn keep_inheritance<T: Any + Send + Sync>(
    task: &Task,
    make: impl FnOnce() -> T,
) -> Result<&T, Errno> {
    let rare = Rare::of(task)?;
    if !rare.inheritance.is_set() {
        let made = Arc::new(make());
        // As above.
        let _stay = PreemptGuard::new();
        let _ = rare.inheritance.set(made);
    }
    Ok(written(|| rare.inheritance.get()))
}

/// What [`keep_inheritance`] has kept with a task. Costs one load for a task that has nothing.
#[inline]
pub fn inheritance<T: Any + Send + Sync>(task: &Task) -> Option<&T> {
    task.entity.rare.get()?.inheritance.get()
}

/// Lends a task urgency, or takes back what it was lent. For a task with an [inheritance](keep_inheritance); whoever says what is lent holds a lock of
/// its own over that. Any context without a run-queue lock.
pub fn lend(task: &TaskRef, urgency: Option<Urgency>) {
    let Some(rare) = task.entity.rare.get() else { return };
    // Nobody but the caller changes it.
    if rare.lent.load() == urgency {
        return;
    }
    deadline::with_admission(task, |_| {
        rare.lent.store(urgency.as_ref());
        task.entity.want_same_anew();
    });
    attributes::put_in_force(task);
}

impl Task {
    /// How urgent the task is by its own attributes.
    pub fn own_urgency(&self) -> Urgency {
        let (attributes, parameters) = self.attributes_and_parameters();
        let mut urgency = Urgency {
            priority: attributes.internal_priority(),
            deadline: 0,
            parameters: DeadlineParameters::default(),
        };
        if let Some(parameters) = parameters {
            let deadline = self.deadline_budget().map_or(0, |(_, deadline)| deadline);
            let fresh = || time::monotonic().saturating_add(parameters.deadline);
            urgency.deadline = if deadline == 0 { fresh() } else { deadline };
            urgency.parameters = parameters;
        }
        urgency
    }

    /// The priority with which the task runs, as Linux counts inside: its own, or what it is lent.
    pub fn priority_in_force(&self) -> i32 {
        let own = self.attributes().internal_priority();
        let lent = self.entity.rare.get().map_or(NOTHING, |rare| rare.lent.priority.load(Relaxed));
        own.min(lent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urgency(priority: i32, deadline: u64) -> Urgency {
        Urgency { priority, deadline, parameters: DeadlineParameters::default() }
    }

    #[test]
    fn deadlines_go_before_priorities_and_those_before_fair_ones() {
        let in_order =
            [urgency(-1, 10), urgency(-1, 20), urgency(0, 0), urgency(98, 0), urgency(100, 0)];
        for (place, one) in in_order.iter().enumerate() {
            for (other_place, other) in in_order.iter().enumerate() {
                assert_eq!(one.is_before(other), place < other_place);
            }
        }
        assert!(!urgency(100, 0).is_before(&urgency(139, 0)));
        assert_eq!(urgency(120, 0).or(Some(urgency(100, 0))).priority, 100);
        assert_eq!(urgency(50, 0).or(Some(urgency(100, 0))).priority, 50);
    }

    #[test]
    fn a_loan_raises_and_never_lowers() {
        let loan = Loan::new();
        let fifo = Attributes { policy: Policy::Fifo, priority: 50, ..Attributes::NORMAL };
        let turns = Attributes { policy: Policy::RoundRobin, priority: 10, nice: 3, ..fifo };
        assert_eq!(loan.raise(fifo), (fifo, None));
        loan.store(Some(&urgency(99 - 30, 0)));
        assert_eq!(loan.raise(fifo), (fifo, None));
        assert_eq!(loan.raise(turns), (Attributes { priority: 30, ..turns }, None));
        let raised = Attributes { policy: Policy::Fifo, priority: 30, ..Attributes::NORMAL };
        assert_eq!(loan.raise(Attributes::NORMAL), (raised, None));
        loan.store(Some(&urgency(100, 0)));
        assert_eq!(loan.raise(Attributes::NORMAL), (Attributes::NORMAL, None));
        loan.store(Some(&urgency(-1, 5)));
        let raised = Attributes { policy: Policy::Deadline, priority: 0, ..fifo };
        assert_eq!(loan.raise(fifo), (raised, Some(DeadlineParameters::default())));
        loan.store(None);
        assert_eq!(loan.raise(fifo), (fifo, None));
    }
}
