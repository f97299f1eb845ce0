//! Who waits at a queue: a message goes from hand to hand.
//!
//! A waiter's hand holds nothing, or the message that it could not send. Whoever ends the wait takes the waiter out of its
//! line and changes the hand, both under the queue's lock, and then wakes the task. So a waiter that gives up looks, under
//! that lock, whether it still stands in the line: if not, its wait has come to a good end.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use errno::{Errno, Result};
use sched::{Sleep, TaskRef, WaitError};
use sync::{LockClass, SpinLock};
use time::Moment;

use super::messages::Message;

/// Taken inside the queue's lock; a leaf.
static HAND_LOCK: LockClass = LockClass::new("mqueue.hand");

/// A task that waits to send or to receive.
pub(super) struct Waiter {
    task: TaskRef,
    /// The lower, the sooner it is served.
    priority: i32,
    hand: SpinLock<Option<Message>>,
    served: AtomicBool,
}

impl Waiter {
    /// The running task, with what it wants to send.
    pub(super) fn new(hand: Option<Message>) -> Arc<Self> {
        let task = sched::current_ref();
        let priority = task.priority_in_force();
        let hand = SpinLock::new(&HAND_LOCK, hand);
        Arc::new(Self { task, priority, hand, served: AtomicBool::new(false) })
    }

    /// Changes what is in its hand, and ends its wait; who has called this wakes it when the queue is unlocked.
    pub(super) fn serve(&self, given: Option<Message>) -> Option<Message> {
        let taken = core::mem::replace(&mut *self.hand.lock(), given);
        // Before it is woken, and seen by it on its way to sleep.
        self.served.store(true, Ordering::SeqCst);
        taken
    }

    /// Wakes it, if it sleeps already.
    pub(super) fn wake(&self) {
        sched::wake_up(&self.task);
    }

    /// What is in its hand in the end.
    pub(super) fn take(&self) -> Option<Message> {
        self.hand.lock().take()
    }

    /// Sleeps until it has been served.
    ///
    /// # Errors
    /// ERESTARTSYS, ETIMEDOUT: perhaps it has been served nevertheless.
    pub(super) fn wait(&self, deadline: Option<Moment>) -> Result<()> {
        let is_served = || self.served.load(Ordering::SeqCst).then_some(());
        sched::wait_until_moment(Sleep::Interruptible, deadline, is_served).map_err(|error| {
            match error {
                WaitError::Interrupted => Errno::ERESTARTSYS,
                WaitError::TimedOut => Errno::ETIMEDOUT,
            }
        })
    }
}

/// Those who wait for the same: the highest priority first, and of one priority who has waited longest.
#[derive(Default)]
pub(super) struct Line(VecDeque<Arc<Waiter>>);

impl Line {
    /// Puts one in.
    pub(super) fn join(&mut self, waiter: &Arc<Waiter>) {
        let place = self.0.partition_point(|other| other.priority <= waiter.priority);
        self.0.insert(place, waiter.clone());
    }

    /// Takes the next one out.
    pub(super) fn next(&mut self) -> Option<Arc<Waiter>> {
        self.0.pop_front()
    }

    /// Takes one out who gives up. False: it was not there any more.
    pub(super) fn leave(&mut self, waiter: &Arc<Waiter>) -> bool {
        let place = self.0.iter().position(|other| Arc::ptr_eq(other, waiter));
        place.and_then(|place| self.0.remove(place)).is_some()
    }
}
