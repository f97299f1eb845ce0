//! One mutex: its holder, and who waits.

use alloc::sync::Arc;
use alloc::vec::Vec;

use sched::{TaskRef, Urgency};
use sync::{KeyCell, Linked, Links};

use crate::chains::chains;

/// A mutex whose holder is lent the urgency of those who wait. All is done with the [`Chains`](crate::Chains) locked.
pub struct RtMutex {
    pub(crate) state: KeyCell<State>,
    /// Its place among what its holder holds.
    links: Links<RtMutex>,
}

/// Whose it is.
#[derive(Default)]
pub(crate) enum Holder {
    #[default]
    Nobody,
    /// Who waited first, and has not run since: one who is more urgent may still come before it.
    Granted(TaskRef),
    Held(TaskRef),
}

impl Holder {
    pub(crate) fn task(&self) -> Option<&TaskRef> {
        match self {
            Self::Nobody => None,
            Self::Granted(task) | Self::Held(task) => Some(task),
        }
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) holder: Holder,
    /// Who held it last has ended with it, and whom it is granted to has yet to see to that.
    pub(crate) is_orphan: bool,
    /// The most urgent first, equals in the order of their coming.
    pub(crate) waiters: Vec<Waiter>,
}

pub(crate) struct Waiter {
    pub(crate) task: TaskRef,
    /// With what it is lent.
    pub(crate) urgency: Urgency,
}

impl State {
    /// There is room for it.
    pub(crate) fn insert(&mut self, waiter: Waiter, before_equals: bool) {
        let place = self.waiters.partition_point(|other| {
            if before_equals {
                other.urgency.is_before(&waiter.urgency)
            } else {
                !waiter.urgency.is_before(&other.urgency)
            }
        });
        self.waiters.insert(place, waiter);
    }

    /// A waiter is more or less urgent than before. False: it is not, or does not wait.
    pub(crate) fn reorder(&mut self, task: &TaskRef, urgency: Urgency) -> bool {
        let is_it = |waiter: &Waiter| Arc::ptr_eq(&waiter.task, task);
        if self.waiters.iter().find(|waiter| is_it(waiter)).is_none_or(|it| it.urgency == urgency) {
            return false;
        }
        if let Some(waiter) = self.remove(task) {
            self.insert(Waiter { urgency, ..waiter }, false);
        }
        true
    }

    pub(crate) fn remove(&mut self, task: &TaskRef) -> Option<Waiter> {
        let place = self.waiters.iter().position(|waiter| Arc::ptr_eq(&waiter.task, task))?;
        Some(self.waiters.remove(place))
    }
}

impl RtMutex {
    /// Nobody's. Any context, without the chains.
    pub fn new() -> Arc<Self> {
        let mutex = Arc::new(Self { state: KeyCell::new(State::default()), links: Links::new() });
        chains().claim(&mutex.state);
        mutex
    }
}

impl Linked for RtMutex {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}
