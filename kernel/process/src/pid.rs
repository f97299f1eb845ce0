//! Process numbers.
//!
//! A [`Pid`] is what a number stands for. It has one number in each PID namespace from its task's
//! own up to the initial one, and up to three users: the task, the process group and the session
//! that bear it. Its numbers become free when the last of them has gone; the object may outlive
//! that in a pidfd or a `/proc` file, and then names nobody.
//!
//! ```text
//!   allocate ──> taken ──publish──> found by number ──last user leaves──> free
//!                  └── dropped unpublished (a failed fork) ────────────────┘
//! ```

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use errno::Errno;
use fault::Point;
use sched::{TaskRef, WaitQueue};
use smallvec::SmallVec;
use sync::{LockClass, Once, SpinLock};

use crate::list::Place;
use crate::namespace::PidNamespace;
use crate::process::process_of;

/// A leaf: nothing is taken inside.
static TASK_LOCK: LockClass = LockClass::new("pid.task");

/// A number in one namespace.
struct Numbered {
    number: u32,
    namespace: Arc<PidNamespace>,
}

/// What a process number stands for.
pub struct Pid {
    /// From the initial namespace down to the task's own. Empty for PID 0.
    numbers: SmallVec<[Numbered; 1]>,
    /// How many of task, group and session use it.
    users: AtomicU32,
    task: SpinLock<Option<TaskRef>>,
    /// The group and the session with this number: [`Place`]s in the process table, read and
    /// changed under its lock.
    pub(crate) group: AtomicU32,
    pub(crate) session: AtomicU32,
    /// Woken when the process has ended; made when somebody first asks for it.
    ended: Once<Arc<WaitQueue>>,
}

impl Pid {
    fn new(numbers: SmallVec<[Numbered; 1]>) -> Self {
        Self {
            numbers,
            users: AtomicU32::new(0),
            task: SpinLock::new(&TASK_LOCK, None),
            group: AtomicU32::new(Place::NOWHERE.number()),
            session: AtomicU32::new(Place::NOWHERE.number()),
            ended: Once::new(),
        }
    }

    /// The boot CPU's idle task, which has no number in any namespace.
    pub(crate) fn idle() -> Self {
        Self::new(SmallVec::new())
    }

    /// The number in the initial namespace; 0 for idle tasks.
    pub fn number(&self) -> u32 {
        self.numbers.first().map_or(0, |first| first.number)
    }

    /// The number as `namespace` sees it; 0 if it does not.
    pub fn number_in(&self, namespace: &PidNamespace) -> u32 {
        self.numbers
            .get(namespace.level())
            .filter(|numbered| core::ptr::eq(&*numbered.namespace, namespace))
            .map_or(0, |numbered| numbered.number)
    }

    /// The numbers from `namespace` down to the task's own, as `/proc/PID/status` lists them; 0 if
    /// `namespace` does not see it.
    pub fn numbers_from(&self, namespace: &PidNamespace) -> impl Iterator<Item = u32> {
        let visible = self.number_in(namespace) != 0;
        let below = if visible { namespace.level() } else { usize::MAX };
        let numbers = self.numbers.iter().skip(below).map(|numbered| numbered.number);
        numbers.chain((!visible).then_some(0))
    }

    /// The namespace that its task lives in: the deepest that gives it a number. None for PID 0.
    pub fn namespace(&self) -> Option<&Arc<PidNamespace>> {
        self.numbers.last().map(|numbered| &numbered.namespace)
    }

    /// The number in the task's own namespace; 0 for the idle tasks.
    #[inline]
    pub fn innermost(&self) -> u32 {
        self.numbers.last().map_or(0, |numbered| numbered.number)
    }

    /// Whether its task is the first of its namespace, to whom orphans go.
    pub fn is_namespace_init(&self) -> bool {
        self.numbers.last().is_some_and(|numbered| numbered.number == 1)
    }

    /// The task with this number, until it has been waited for. Any context.
    pub fn task(&self) -> Option<TaskRef> {
        self.task.lock_irq().clone()
    }

    /// The process table is locked.
    pub(crate) fn set_task(&self, task: Option<TaskRef>) -> Option<TaskRef> {
        core::mem::replace(&mut *self.task.lock_irqs_off(), task)
    }

    /// Whether the process with this number has ended, whether or not it has been waited for.
    pub fn has_ended(&self) -> bool {
        self.task().is_none_or(|task| process_of(&task).is_waitable_zombie())
    }

    /// Where to wait for the end of the process; [`has_ended`](Self::has_ended) says whether it has
    /// come. May allocate.
    pub fn ended_queue(&self) -> Arc<WaitQueue> {
        if self.ended.get().is_none() {
            // Whoever comes second uses the first one's.
            let _ = self.ended.set(Arc::new(WaitQueue::new()));
        }
        match self.ended.get() {
            Some(queue) => queue.clone(),
            // The first one is between its two steps; a queue of one's own would miss the wake-up.
            None => loop {
                machine::cpu::relax();
                if let Some(queue) = self.ended.get() {
                    break queue.clone();
                }
            },
        }
    }

    pub(crate) fn wake_ended(&self) {
        if let Some(queue) = self.ended.get() {
            queue.wake_all();
        }
    }

    /// Whether a session bears this number: it never changes back while the leader lives.
    pub(crate) fn bears_session(&self) -> bool {
        self.session.load(Ordering::Relaxed) != Place::NOWHERE.number()
    }

    /// One more of task, group and session bears the number.
    pub(crate) fn add_user(&self) {
        self.users.fetch_add(1, Ordering::Relaxed);
    }

    /// One fewer; the last one frees the numbers. The caller keeps the object itself.
    pub(crate) fn remove_user(&self) {
        // AcqRel: whoever frees the numbers comes after everything that the others did with them.
        if self.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.free_numbers();
        }
    }

    fn free_numbers(&self) {
        for numbered in self.numbers.iter().rev() {
            let freed = numbered.namespace.numbers().lock_irq().free(numbered.number);
            drop(freed);
            numbered.namespace.number_was_freed();
        }
    }

    /// The process table is locked.
    fn publish(self: &Arc<Self>) {
        for numbered in &self.numbers {
            numbered.namespace.numbers().lock_irqs_off().publish(numbered.number, self.clone());
        }
    }
}

impl core::fmt::Debug for Pid {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Pid({})", self.number())
    }
}

/// A `Pid` whose numbers are taken and not yet published; dropped so, it frees them.
pub(crate) struct NewPid {
    pid: Option<Arc<Pid>>,
}

impl NewPid {
    /// Takes a number in `namespace` and in each above it. `wanted`: particular ones, the deepest
    /// namespace's first (`clone3`'s `set_tid`).
    ///
    /// # Errors
    /// EAGAIN: a namespace has no number left. ENOMEM; also where the namespace's first process has
    /// ended. EEXIST, EINVAL: a wanted number is taken or impossible.
    pub(crate) fn allocate(namespace: &Arc<PidNamespace>, wanted: &[u32]) -> Result<Self, Errno> {
        if fault::should_fail(Point::Pid) {
            return Err(Errno::EAGAIN);
        }
        let mut numbers: SmallVec<[Numbered; 1]> = SmallVec::new();
        let mut next = Some(namespace);
        let mut wanted = wanted.iter();
        while let Some(namespace) = next {
            match namespace.take_number(wanted.next().copied()) {
                Ok(number) => numbers.push(Numbered { number, namespace: namespace.clone() }),
                Err(error) => {
                    // Gives back what was taken further down.
                    Pid::new(numbers).free_numbers();
                    return Err(error);
                }
            }
            next = namespace.parent();
        }
        numbers.reverse();
        Ok(Self { pid: Some(Arc::new(Pid::new(numbers))) })
    }

    /// The object, for the task that is being made.
    pub(crate) fn pid(&self) -> &Arc<Pid> {
        self.pid.as_ref().expect("a new PID is there until it is published")
    }

    /// From now on the number finds the task. The process table is locked.
    pub(crate) fn publish(mut self, task: &TaskRef) {
        if let Some(pid) = self.pid.take() {
            pid.set_task(Some(task.clone()));
            pid.add_user();
            pid.publish();
        }
    }
}

impl Drop for NewPid {
    fn drop(&mut self) {
        if let Some(pid) = self.pid.take() {
            pid.free_numbers();
        }
    }
}
