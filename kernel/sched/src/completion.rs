//! Completions: one side waits until the other has said "done".

use core::cell::Cell;

use sync::{Choice, IrqGuard, List, LockClass, SpinLock, might_sleep};

use crate::current::{assert_awake, current};
use crate::schedule::{Woken, schedule_as, schedule_until};
use crate::state::{self, Claim, Sleep};
use crate::task::{Task, TaskRef};
use crate::wait::WaitError;
use crate::wake::activate;

/// Taken with interrupts off, from any context. `complete_all` takes run-queue locks inside.
static COMPLETION_LOCK: LockClass = LockClass::new("completion");

/// What [`Completion::complete_all`] leaves: more than any number of waiters can use up.
const FOR_EVER: u32 = u32::MAX;

/// An event that is waited for, with a count of the times it has happened and nobody waited for it.
///
/// Count and waiters are under one lock: a waiter looks at the count and says that it sleeps in one step, so no event falls
/// in between. An event that finds a waiter is *handed* to it, by taking it off the list, and is not counted: so a task that wakes up and
/// is no longer on the list has what it waited for, and need not take the lock to see.
pub struct Completion {
    inner: SpinLock<Inner>,
}

struct Inner {
    done: u32,
    waiters: List<Task>,
}

impl Inner {
    fn take(&mut self) -> bool {
        match self.done {
            0 => false,
            FOR_EVER => true,
            _ => {
                self.done -= 1;
                true
            }
        }
    }

    /// Hands an event to the waiter that has waited longest, if there is one that can be woken, or counts it. Returns who has slept, and
    /// in what state.
    #[inline(always)]
    fn hand_out(&mut self) -> Option<(TaskRef, u32)> {
        match self.waiters.front().map(|task| task.state.claim(state::NORMAL)) {
            Some(Claim::Asleep(slept_as)) => Some((self.waiters.pop_front()?, slept_as)),
            Some(Claim::Awake) => {
                // It runs, or waits on a run queue: this is not the last reference to it.
                drop(self.waiters.pop_front());
                None
            }
            // A signal or a deadline has woken it, and it is about to look at the count.
            Some(Claim::Refused) => self.hand_to_another(),
            None => {
                self.count_one();
                None
            }
        }
    }

    #[cold]
    fn hand_to_another(&mut self) -> Option<(TaskRef, u32)> {
        let (handed, mut woken) = (Cell::new(false), None);
        self.waiters.take_chosen(
            |task| {
                if handed.get() {
                    return Choice::Stop;
                }
                let choice = choice_of(task);
                handed.set(!matches!(choice, Choice::Leave));
                choice
            },
            |task, slept_as| woken = slept_as.map(|slept_as| (task, slept_as)),
        );
        if !handed.get() {
            self.count_one();
        }
        woken
    }

    fn count_one(&mut self) {
        if self.done != FOR_EVER {
            self.done += 1;
        }
    }
}

/// Takes a waiter that can be woken off the list, with the state that it slept in if it did.
fn choice_of(task: &Task) -> Choice<Option<u32>> {
    match task.state.claim(state::NORMAL) {
        Claim::Refused => Choice::Leave,
        Claim::Awake => Choice::Take(None),
        Claim::Asleep(slept_as) => Choice::Take(Some(slept_as)),
    }
}

impl Completion {
    /// Not done.
    pub const fn new() -> Self {
        Self { inner: SpinLock::new(&COMPLETION_LOCK, Inner { done: 0, waiters: List::new() }) }
    }

    /// Lets one waiter go on, now or when it comes. Any context.
    pub fn complete(&self) {
        let _irqs_off = IrqGuard::new();
        let mut inner = self.inner.lock_irqs_off();
        let woken = inner.hand_out();
        drop(inner);
        // Without the lock: the run queue's is enough.
        if let Some((task, slept_as)) = woken {
            activate(task, slept_as);
        }
    }

    /// Lets every waiter go on, now and later. Any context.
    pub fn complete_all(&self) {
        let mut inner = self.inner.lock_irq();
        inner.done = FOR_EVER;
        inner.waiters.take_chosen(choice_of, |task, slept_as| {
            if let Some(slept_as) = slept_as {
                activate(task, slept_as);
            }
        });
    }

    /// Makes it not done again, after `complete_all`. No one may be waiting.
    pub fn reset(&self) {
        self.inner.lock_irq().done = 0;
    }

    /// Takes one event without waiting, and says whether there was one. Any context.
    pub fn try_wait(&self) -> bool {
        self.inner.lock_irq().take()
    }

    /// Whether an event is there to be taken. Any context.
    pub fn is_done(&self) -> bool {
        self.inner.lock_irq().done != 0
    }

    /// Waits for one event, uninterruptibly. May sleep.
    pub fn wait(&self) {
        let outcome = self.wait_in(Sleep::Uninterruptible, None);
        debug_assert!(outcome.is_ok(), "nothing ends an uninterruptible wait early");
    }

    /// Waits for one event, or until the task is killed. May sleep.
    ///
    /// # Errors
    /// [`WaitError::Interrupted`].
    pub fn wait_killable(&self) -> Result<(), WaitError> {
        self.wait_as(Sleep::Killable, None)
    }

    /// Waits for one event, or until a signal comes. May sleep.
    ///
    /// # Errors
    /// [`WaitError::Interrupted`].
    pub fn wait_interruptible(&self) -> Result<(), WaitError> {
        self.wait_as(Sleep::Interruptible, None)
    }

    /// Waits for one event in the given way, until a time of the monotonic clock. May sleep.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait_as(&self, sleep: Sleep, deadline: Option<u64>) -> Result<(), WaitError> {
        self.wait_in(sleep, deadline)
    }

    /// Inlined, so that a wait that nothing ends early carries nothing of the others.
    #[inline(always)]
    fn wait_in(&self, sleep: Sleep, deadline: Option<u64>) -> Result<(), WaitError> {
        might_sleep();
        let me = current();
        assert_awake(&me);
        let mut inner = self.inner.lock_irq();
        if inner.take() {
            return Ok(());
        }
        let added = inner.waiters.push_back(me.to_arc());
        assert!(added.is_ok(), "a condition that is waited for has waited itself");
        loop {
            // Under the lock, so that who makes the event happen after it finds this task asleep.
            me.state.set(sleep.state());
            drop(inner);
            let mut gives_up = None;
            match deadline {
                // It does not sleep if a signal is there that ends this.
                None => schedule_as(&me),
                Some(deadline) => {
                    if schedule_until(deadline) == Woken::ByTime {
                        gives_up = Some(WaitError::TimedOut);
                    }
                }
            }
            if !me.wait_links.is_linked() {
                return Ok(());
            }
            me.state.set_running();
            if me.signal_wakes(sleep.state()) {
                gives_up = Some(WaitError::Interrupted);
            }
            inner = self.inner.lock_irq();
            if !inner.waiters.contains(&me) {
                // Handed over while this task was on its way here.
                return Ok(());
            }
            let taken = inner.take();
            if taken || gives_up.is_some() {
                let left = inner.waiters.remove(&me);
                drop(inner);
                drop(left);
                return if taken { Ok(()) } else { gives_up.map_or(Ok(()), Err) };
            }
        }
    }
}

impl Default for Completion {
    fn default() -> Self {
        Self::new()
    }
}
