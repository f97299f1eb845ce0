//! Wait queues: where tasks sleep until a condition holds.
//!
//! No wake-up is lost, because of the order in which both sides work:
//!
//! ```text
//!   sleeper                             waker
//!   puts itself on the queue            makes the condition true
//!   sets its state to asleep            goes through the queue: wakes who is asleep, and
//!   looks at the condition              takes those, and only those, from it
//!   sleeps if it does not hold
//! ```
//!
//! If the sleeper looks before the condition is made true, the waker finds it on the queue and asleep. So
//! waiting takes the condition as a closure and does these steps itself.
//!
//! A waker that finds the queue marked empty does not take its lock. The mark is part of the first step, so the same
//! argument holds: there is a fence between the first two lines on either side and the last.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicBool, Ordering, fence};

use sync::{Choice, Current, Linked, Links, List, LockClass, SpinLock, might_sleep};

use crate::current::{assert_awake, current, current_ref};
use crate::schedule::{Woken, schedule, schedule_until, schedule_within};
use crate::state::{self, Claim, Sleep};
use crate::task::{Task, TaskFlags, TaskRef};
use crate::wake::{activate, activate_by_ending, wake_up_state};

/// Taken with interrupts off, from any context; wake-ups take run-queue locks inside.
static WAIT_LOCK: LockClass = LockClass::new("wait_queue");

/// Why a wait ended without its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// A signal came, of a kind that ends this wait.
    Interrupted,
    /// The time was up.
    TimedOut,
}

impl From<WaitError> for errno::Errno {
    /// ERESTARTSYS for a signal, ETIMEDOUT for time.
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Interrupted => Self::ERESTARTSYS,
            WaitError::TimedOut => Self::ETIMEDOUT,
        }
    }
}

/// Somebody who wants to be told of a wake-up without sleeping on the queue, such as an epoll item.
pub trait Notify: Send + Sync {
    /// The queue was woken. Any context, interrupts off, the queue's lock held: no sleeping, and no use of the same queue.
    fn notify(&self);
}

/// A watcher's place on a queue.
struct Watcher {
    notify: Weak<dyn Notify>,
    links: Links<Watcher>,
}

impl Linked for Watcher {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

/// Who waits. A task stands here by links of its own, of which it needs one set: it sleeps in one place at a time.
struct Waiters {
    /// Those who do not wait exclusively come before those who do.
    tasks: List<Task>,
    watchers: List<Watcher>,
}

impl Waiters {
    fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.watchers.is_empty()
    }
}

/// A queue of waiting tasks.
pub struct WaitQueue {
    waiters: SpinLock<Waiters>,
    /// Whether there are waiters, for wakers that do not have the lock. Changed under it.
    occupied: AtomicBool,
}

impl WaitQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        let waiters = Waiters { tasks: List::new(), watchers: List::new() };
        Self { waiters: SpinLock::new(&WAIT_LOCK, waiters), occupied: AtomicBool::new(false) }
    }

    /// Sleeps until `condition` gives a value, and returns that. The condition is looked at first, and after every
    /// wake-up; it runs with the task's state set to asleep, so it must not sleep itself. `deadline` is a time of the monotonic clock.
    ///
    /// # Errors
    /// [`WaitError::Interrupted`] as `sleep` says, [`WaitError::TimedOut`] after the deadline. A condition that holds
    /// wins over both.
    pub fn wait_map<T>(
        &self,
        sleep: Sleep,
        deadline: Option<u64>,
        condition: impl FnMut() -> Option<T>,
    ) -> Result<T, WaitError> {
        self.wait_as(false, sleep, deadline, condition)
    }

    /// As [`wait_map`](Self::wait_map), but [`wake_one`](Self::wake_one) wakes only one of those who wait so.
    pub fn wait_map_exclusive<T>(
        &self,
        sleep: Sleep,
        deadline: Option<u64>,
        condition: impl FnMut() -> Option<T>,
    ) -> Result<T, WaitError> {
        self.wait_as(true, sleep, deadline, condition)
    }

    /// Sleeps uninterruptibly until `condition` holds.
    pub fn wait(&self, mut condition: impl FnMut() -> bool) {
        let outcome = self.wait_map(Sleep::Uninterruptible, None, || condition().then_some(()));
        debug_assert!(outcome.is_ok(), "nothing ends an uninterruptible wait early");
    }

    /// Sleeps until `condition` holds or a signal comes.
    ///
    /// # Errors
    /// [`WaitError::Interrupted`].
    pub fn wait_interruptible(&self, mut condition: impl FnMut() -> bool) -> Result<(), WaitError> {
        self.wait_map(Sleep::Interruptible, None, || condition().then_some(()))
    }

    /// Sleeps until `condition` holds or the task is killed.
    ///
    /// # Errors
    /// [`WaitError::Interrupted`].
    pub fn wait_killable(&self, mut condition: impl FnMut() -> bool) -> Result<(), WaitError> {
        self.wait_map(Sleep::Killable, None, || condition().then_some(()))
    }

    fn wait_as<T>(
        &self,
        exclusive: bool,
        sleep: Sleep,
        deadline: Option<u64>,
        mut condition: impl FnMut() -> Option<T>,
    ) -> Result<T, WaitError> {
        might_sleep();
        let me = current();
        assert_awake(&me);
        if let Some(value) = condition() {
            return Ok(value);
        }
        let outcome = loop {
            self.enqueue(&me, exclusive);
            me.state.set(sleep.state());
            if let Some(value) = condition() {
                break Ok(value);
            }
            if me.signal_wakes(sleep.state()) {
                break Err(WaitError::Interrupted);
            }
            let woken = schedule_within(&me, deadline);
            // A waker that takes a task from the queue has woken it, so this one was spent on a task that waited for it.
            let spent_well = !me.wait_links.is_linked();
            if let Some(value) = condition() {
                if spent_well {
                    return Ok(value);
                }
                break Ok(value);
            }
            if woken == Woken::ByTime {
                break Err(WaitError::TimedOut);
            }
        };
        me.state.set_running();
        let was_woken = self.dequeue(&me).is_none();
        if exclusive && was_woken {
            // The one wake-up was spent on a task that did not need it: it leaves without what it waited for, or has taken
            // that since it joined the queue, and this wake-up was for what came next.
            self.wake_one();
        }
        outcome
    }

    fn enqueue(&self, me: &Current<Task>, exclusive: bool) {
        let mut waiters = self.waiters.lock_irq();
        if waiters.tasks.contains(me) {
            return;
        }
        me.waits_exclusively.store(exclusive, Ordering::Relaxed);
        let added = if exclusive {
            waiters.tasks.push_back(me.to_arc())
        } else {
            waiters.tasks.push_front(me.to_arc())
        };
        // The caller sets its state next, which has the fence.
        self.occupied.store(true, Ordering::Relaxed);
        drop(waiters);
        assert!(added.is_ok(), "a condition that is waited for has waited itself");
    }

    /// Takes the task from the queue, if it is still there; the reference is to be dropped without the lock.
    fn dequeue(&self, me: &Task) -> Option<TaskRef> {
        let mut waiters = self.waiters.lock_irq();
        let removed = waiters.tasks.remove(me);
        self.mark(&waiters);
        removed
    }

    /// Leaves word for those who come without the lock.
    fn mark(&self, waiters: &Waiters) {
        self.occupied.store(!waiters.is_empty(), Ordering::Relaxed);
    }

    /// Wakes everybody who waits. Any context.
    #[inline]
    pub fn wake_all(&self) {
        if self.may_have_waiters() {
            self.wake(usize::MAX);
        }
    }

    /// As [`wake_all`](Self::wake_all), for those who wait for the end of a task: if it is the running one that ends, and nobody else waits for
    /// its CPU, one of them is to have that next. Any context.
    #[inline]
    pub fn wake_all_for_end(&self) {
        if self.may_have_waiters() {
            self.wake_for_end();
        }
    }

    #[inline(never)]
    fn wake_for_end(&self) {
        let ends = current().flags().contains(TaskFlags::EXITING);
        let mut waiters = self.waiters.lock_irq();
        let activate = if ends { activate_by_ending } else { activate };
        wake_with(&mut waiters, usize::MAX, activate);
        self.mark(&waiters);
    }

    /// As [`wake_all`](Self::wake_all), from within another queue's [`Notify::notify`]. Whoever chains queues so sees to it that the chain has no
    /// circle.
    pub fn wake_all_nested(&self) {
        if self.may_have_waiters() {
            let mut waiters = self.waiters.lock_irq_nested();
            wake(&mut waiters, usize::MAX);
            self.mark(&waiters);
        }
    }

    /// Wakes all who do not wait exclusively, and one who does. Any context.
    #[inline]
    pub fn wake_one(&self) {
        if self.may_have_waiters() {
            self.wake(1);
        }
    }

    /// Whether anybody waits. A waker that tests this must have made its condition visible before (SeqCst).
    pub fn is_empty(&self) -> bool {
        !self.occupied.load(Ordering::SeqCst)
    }

    /// What a waker looks at first. False: whoever comes to wait from now on finds the condition true.
    #[inline]
    fn may_have_waiters(&self) -> bool {
        // The condition was made true before this, the mark and the tasks' states are looked at after it; the
        // sleeper's exchange of its state, with the fence behind it, is its half.
        fence(Ordering::SeqCst);
        machine::irq::point();
        self.occupied.load(Ordering::Relaxed)
    }

    #[inline(never)]
    fn wake(&self, exclusive: usize) {
        let mut waiters = self.waiters.lock_irq();
        wake(&mut waiters, exclusive);
        self.mark(&waiters);
    }
}

/// Behind the fence of `may_have_waiters`. Not inlined, so that what is below is.
#[inline(never)]
fn wake(waiters: &mut Waiters, exclusive: usize) {
    wake_with(waiters, exclusive, activate);
}

/// `activate` queues who has been taken out of its sleep.
#[inline(always)]
fn wake_with(waiters: &mut Waiters, mut exclusive_left: usize, activate: impl Fn(TaskRef, u32)) {
    for watcher in waiters.watchers.iter() {
        if let Some(watcher) = watcher.notify.upgrade() {
            watcher.notify();
        }
    }
    waiters.tasks.take_chosen(
        |task| {
            let exclusive = task.waits_exclusively.load(Ordering::Relaxed);
            if exclusive && exclusive_left == 0 {
                return Choice::Stop;
            }
            let slept_as = match task.state.claim(state::NORMAL) {
                // Who is not asleep stays on the queue: it may be on its way from there to sleep, and what it
                // will wait for is not this event but the next.
                Claim::Refused => return Choice::Leave,
                Claim::Awake => None,
                Claim::Asleep(state) => Some(state),
            };
            if exclusive {
                exclusive_left -= 1;
            }
            Choice::Take(slept_as)
        },
        |task, slept_as| {
            if let Some(state) = slept_as {
                activate(task, state);
            }
        },
    );
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

/// Sleeps until `condition` gives a value, on no queue: whoever makes it true (SeqCst) wakes the task itself after that, by
/// [`wake_up`](crate::wake_up). The condition runs with the task's state set to asleep, so it must not sleep itself. `deadline` is a time of
/// the monotonic clock.
///
/// # Errors
/// As [`WaitQueue::wait_map`].
pub fn wait_to_be_woken<T>(
    sleep: Sleep,
    deadline: Option<u64>,
    mut condition: impl FnMut() -> Option<T>,
) -> Result<T, WaitError> {
    might_sleep();
    let me = current();
    assert_awake(&me);
    let outcome = loop {
        me.state.set(sleep.state());
        if let Some(value) = condition() {
            break Ok(value);
        }
        if me.signal_wakes(sleep.state()) {
            break Err(WaitError::Interrupted);
        }
        let woken = schedule_within(&me, deadline);
        if let Some(value) = condition() {
            break Ok(value);
        }
        if woken == Woken::ByTime {
            break Err(WaitError::TimedOut);
        }
    };
    me.state.set_running();
    outcome
}

/// A watcher's stay on a queue; ends when dropped.
pub struct Watch {
    queue: Arc<WaitQueue>,
    watcher: Arc<Watcher>,
}

impl Watch {
    /// Has `watcher` told of each wake-up of `queue`. May not be called by `notify`.
    pub fn new(queue: Arc<WaitQueue>, watcher: &Arc<impl Notify + 'static>) -> Self {
        let notify = Arc::downgrade(watcher);
        let watcher = Arc::new(Watcher { notify, links: Links::new() });
        let mut waiters = queue.waiters.lock_irq();
        let added = waiters.watchers.push_back(watcher.clone());
        queue.occupied.store(true, Ordering::Relaxed);
        drop(waiters);
        // What is watched is looked at next: a waker that has not seen the mark is seen there.
        fence(Ordering::SeqCst);
        debug_assert!(added.is_ok(), "its links are new");
        Self { queue, watcher }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waiters = self.queue.waiters.lock_irq();
        let removed = waiters.watchers.remove(&self.watcher);
        self.queue.mark(&waiters);
        drop(waiters);
        // Without the lock.
        drop(removed);
    }
}

/// Sleeps on several queues at once, as `poll` does: a flag that any of them raises.
///
/// ```text
///   let sleeper = PollSleeper::new();
///   let watches = each queue: Watch::new(queue, &sleeper)
///   loop { look at every file; if one is ready: done; sleeper.sleep(...)?; }
/// ```
pub struct PollSleeper {
    task: TaskRef,
    raised: core::sync::atomic::AtomicBool,
}

impl PollSleeper {
    /// For the running task.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { task: current_ref(), raised: core::sync::atomic::AtomicBool::new(false) })
    }

    /// Sleeps until a watched queue has been woken since the last return, a signal comes, or the deadline passes. Called by the task that made it.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn sleep(&self, sleep: Sleep, deadline: Option<u64>) -> Result<(), WaitError> {
        use core::sync::atomic::Ordering::SeqCst;
        might_sleep();
        let me = current();
        let outcome = loop {
            me.state.set(sleep.state());
            if self.raised.swap(false, SeqCst) {
                break Ok(());
            }
            if me.signal_wakes(sleep.state()) {
                break Err(WaitError::Interrupted);
            }
            match deadline {
                None => schedule(),
                Some(deadline) => {
                    if schedule_until(deadline) == Woken::ByTime {
                        // Raised at the last moment, it counts: the flag is looked at once.
                        let raised = self.raised.swap(false, SeqCst);
                        break if raised { Ok(()) } else { Err(WaitError::TimedOut) };
                    }
                }
            }
        };
        me.state.set_running();
        outcome
    }
}

impl Notify for PollSleeper {
    fn notify(&self) {
        self.raised.store(true, core::sync::atomic::Ordering::SeqCst);
        wake_up_state(&self.task, state::NORMAL);
    }
}
