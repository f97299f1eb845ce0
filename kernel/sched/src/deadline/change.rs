//! Tasks come into the deadline class, change there, and leave it.
//!
//! Whether a task is admitted and whether it is *wanted* to be of the class are one thing, changed in one step with the admission locked; a task
//! that is wanted to be of the class holds its bandwidth. Putting it in force comes after, as for all attributes.

use core::sync::atomic::Ordering;

use errno::Errno;

use super::admission::{self, Admission};
use super::parameters::DeadlineParameters;
use super::server::Server;
use crate::affinity;
use crate::attributes::{Attributes, Entity, Policy};
use crate::cpumask::CpuMask;
use crate::runqueue;
use crate::task::{Task, TaskFlags, TaskRef};
use crate::urgency::{self, Rare};

impl Entity {
    pub(crate) fn server(&self) -> Option<&Server> {
        self.rare.get().map(|rare| &rare.server)
    }

    /// The server of a task that is wanted to be of the class. Looked for first: most tasks never get one.
    #[inline]
    fn wanted_server(&self) -> Option<&Server> {
        self.server().filter(|_| self.wanted().policy == Policy::Deadline)
    }

    /// Puts the parameters that are wanted or lent in force along with the attributes. Returns the attributes that are wanted at that moment,
    /// and what comes of them with what is lent. Under the lock of the task's queue, while it is on none.
    pub(crate) fn adopt_parameters(&self, rare: &Rare) -> (u64, Attributes) {
        let _admission = admission::lock();
        // Once more, with what belongs to it: all change under this lock.
        let wanted = self.wanted_word();
        let own = Attributes::unpack(wanted as u32);
        let (raised, lent) = rare.lent.raise(own);
        let server = &rare.server;
        if let Some(lent) = lent {
            server.borrow(&lent);
        } else if own.policy == Policy::Deadline {
            server.adopt(&server.wanted.load());
        } else {
            server.leave();
        }
        (wanted, raised)
    }

    /// For a task that the deadline class has on a queue: puts in force what is wanted of it, if it is to stay in the class. Under the lock
    /// of the queue.
    pub(crate) fn stays_in_deadline_class(&self) -> bool {
        let Some(rare) = self.rare.get() else { return false };
        let _admission = admission::lock();
        let wanted = self.wanted_word();
        let own = Attributes::unpack(wanted as u32);
        let (raised, lent) = rare.lent.raise(own);
        let server = &rare.server;
        // What is lent, or not any more, brings another deadline, and with it another place.
        if own.policy != Policy::Deadline || lent.is_some() || server.is_lent() {
            return false;
        }
        server.adopt(&server.wanted.load());
        self.take_as_in_force(wanted, raised);
        true
    }
}

/// Gives back the bandwidth of a task that is not wanted in the class any more.
fn give_back(admission: &mut Admission, server: &Server) {
    // What is in force may still be older parameters; the deadline that they led to is what counts.
    let bandwidth = server.wanted.load().bandwidth();
    let zero_lag = server.zero_lag();
    admission.leave(bandwidth, zero_lag);
}

/// Does something with the admission locked, and the account of `task` up to date.
pub(crate) fn with_admission<T>(task: &Task, change: impl FnOnce(&mut Admission) -> T) -> T {
    let mut queue = runqueue::lock_of(task);
    queue.charge_if_running(task);
    let mut admission = admission::lock();
    change(&mut admission)
}

/// Makes a task one of the deadline class, or changes its parameters there, if it can be admitted. Its nice value stays. May sleep.
///
/// # Errors
/// EINVAL: what [`DeadlineParameters::checked`] says. EBUSY: all that the machine may promise is promised. EPERM: the task may not
/// run on every active CPU, or nobody is admitted. ESRCH: it is about to end. ENOMEM.
pub fn set_deadline(
    task: &TaskRef,
    parameters: DeadlineParameters,
    reset_on_fork: bool,
) -> Result<(), Errno> {
    sync::might_sleep();
    let parameters = parameters.checked()?;
    let server = &Rare::of(task)?.server;
    with_admission(task, |admission| {
        let old = task.entity.wanted();
        let held = if old.policy == Policy::Deadline {
            server.wanted.load()
        } else {
            DeadlineParameters { period: 1, ..DeadlineParameters::default() }
        };
        let new =
            Attributes { policy: Policy::Deadline, nice: old.nice, priority: 0, reset_on_fork };
        if old.policy != Policy::Deadline || held != parameters {
            if task.flags().contains(TaskFlags::EXITING) {
                return Err(Errno::ESRCH);
            }
            let reaches_all = affinity::active().minus(task.allowed()).is_empty();
            if admission.is_limited() && !reaches_all || admission.admits_nobody() {
                return Err(Errno::EPERM);
            }
            admission.admit(held.bandwidth(), parameters.bandwidth())?;
        }
        server.wanted.store(&parameters);
        task.entity.want_anew(new);
        Ok(())
    })?;
    crate::attributes::put_in_force(task);
    urgency::attributes_changed(task);
    Ok(())
}

/// For a change of attributes of which the deadline class is one side: leaves the class, or changes what has nothing to do with it.
///
/// # Errors
/// EINVAL: the task is to come into the class, which takes parameters.
pub(crate) fn change_class(task: &Task, new: Attributes) -> Result<(), Errno> {
    with_admission(task, |admission| {
        let old = task.entity.wanted();
        let (was, is) = (old.policy == Policy::Deadline, new.policy == Policy::Deadline);
        if is && !was {
            return Err(Errno::EINVAL);
        }
        if was
            && !is
            && let Some(server) = task.entity.server()
        {
            give_back(admission, server);
        }
        task.entity.want_anew(new);
        Ok(())
    })
}

/// The running task is about to end, and leaves the class if it is of it.
#[inline]
pub(crate) fn leave_at_end(me: &Task) {
    if me.entity.wanted_server().is_some() {
        end(me);
    }
}

#[cold]
fn end(me: &Task) {
    let nice = me.entity.wanted().nice;
    let left = change_class(me, Attributes { nice, ..Attributes::NORMAL });
    debug_assert!(left.is_ok(), "leaving is never refused");
}

/// A task is dropped: what was promised to it and not given back is given back.
pub(crate) fn close(task: &Task) {
    if let Some(server) = task.entity.wanted_server() {
        give_back(&mut admission::lock(), server);
    }
}

/// Changes the mask of a task from `old` to `new` for user space, if it was that. `None`: it was not.
///
/// # Errors
/// EBUSY: it is a deadline task, which may run on all CPUs.
pub(crate) fn allow_from_user(task: &Task, old: u64, new: u64) -> Result<bool, Errno> {
    let admission = admission::lock();
    let narrows = !affinity::active().minus(CpuMask::from_bits(new)).is_empty();
    if narrows && admission.is_limited() && task.entity.wanted().policy == Policy::Deadline {
        return Err(Errno::EBUSY);
    }
    Ok(task.allowed.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).is_ok())
}

impl Task {
    /// How the task is scheduled, and, if it is of the deadline class, what it asks for.
    pub fn attributes_and_parameters(&self) -> (Attributes, Option<DeadlineParameters>) {
        let _admission = admission::lock();
        let attributes = self.entity.wanted();
        let parameters = self.entity.wanted_server().map(|server| server.wanted.load());
        (attributes, parameters)
    }

    /// For a task of the deadline class: what is left of its budget in nanoseconds, and its deadline on the monotonic clock; a moment ago.
    pub fn deadline_budget(&self) -> Option<(i64, u64)> {
        let budget = self.entity.wanted_server()?.budget();
        Some((budget.left, budget.deadline))
    }
}
