//! Completions: one side waits until the other has said "done".

use sync::{LockClass, SpinLock};

use crate::state::Sleep;
use crate::wait::{WaitError, WaitQueue};

/// Taken with interrupts off, inside the wait queue's steps; takes nothing itself.
static DONE_LOCK: LockClass = LockClass::new("completion");

/// What [`Completion::complete_all`] leaves: more than any number of waiters can use up.
const FOR_EVER: u32 = u32::MAX;

/// An event that is waited for, with a count of the times it has happened and was not yet waited for.
pub struct Completion {
    done: SpinLock<u32>,
    waiters: WaitQueue,
}

impl Completion {
    /// Not done.
    pub const fn new() -> Self {
        Self { done: SpinLock::new(&DONE_LOCK, 0), waiters: WaitQueue::new() }
    }

    /// Lets one waiter go on, now or when it comes. Any context.
    pub fn complete(&self) {
        {
            let mut done = self.done.lock_irq();
            if *done != FOR_EVER {
                *done += 1;
            }
        }
        self.waiters.wake_one();
    }

    /// Lets every waiter go on, now and later. Any context.
    pub fn complete_all(&self) {
        *self.done.lock_irq() = FOR_EVER;
        self.waiters.wake_all();
    }

    /// Makes it not done again, after `complete_all`. No one may be waiting.
    pub fn reset(&self) {
        *self.done.lock_irq() = 0;
    }

    /// Takes one event without waiting, and says whether there was one. Any context.
    pub fn try_wait(&self) -> bool {
        let mut done = self.done.lock_irq();
        match *done {
            0 => false,
            FOR_EVER => true,
            _ => {
                *done -= 1;
                true
            }
        }
    }

    /// Whether an event is there to be taken. Any context.
    pub fn is_done(&self) -> bool {
        *self.done.lock_irq() != 0
    }

    /// Waits for one event, uninterruptibly. May sleep.
    pub fn wait(&self) {
        let outcome = self.wait_as(Sleep::Uninterruptible, None);
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
        self.waiters.wait_map_exclusive(sleep, deadline, || self.try_wait().then_some(()))
    }
}

impl Default for Completion {
    fn default() -> Self {
        Self::new()
    }
}
