//! From waiting to be woken to waiting for an owner: what condition variables do with mutexes of this kind.
//!
//! ```text
//!   FUTEX_WAIT_REQUEUE_PI            FUTEX_CMP_REQUEUE_PI
//!   waits on the first futex ──────> moves it to the second one: it sleeps on, and waits for the owner
//!        │                           ── or that has none: it becomes the owner, and wakes
//!        └─ time, a signal: leaves
//! ```
//!
//! A waiter that leaves looks for itself with the first bucket locked: it is there and leaves, or has been moved, and then is one of the users of
//! the second futex, as after `FUTEX_LOCK_PI`.

use errno::{Errno, Result};
use machine::{Fault, user};
use rtmutex::chains;
use sched::{TaskRef, WaitError};
use sync::PreemptGuard;
use time::Moment;

use super::super::key::{Key, Sharing};
use super::super::operation::{ANY_BIT, expect, with_page};
use super::super::queue::{self, Bucket, Place, Queued};
use super::attempt::{Attempt, Found, Hurdle, drop_if_unused};
use super::lock;

/// `FUTEX_WAIT_REQUEUE_PI`: waits while the first word has the value, until it has been moved to the second futex and is that one's owner.
///
/// # Errors
/// EINVAL: the two are one. EAGAIN: the word has another value, or a signal came after the move. ETIMEDOUT, EFAULT, ENOMEM, and a restart after a
/// signal.
pub(in super::super) fn wait_to_be_moved(
    address: usize,
    target: usize,
    sharing: Sharing,
    value: u32,
    deadline: Option<Moment>,
) -> Result<usize> {
    if address == target {
        return Err(Errno::EINVAL);
    }
    let (key, target_key) = (Key::new(address, sharing)?, Key::new(target, sharing)?);
    let me = sched::current_ref();
    rtmutex::prepare(&me)?;
    chains().expect_grant(&me);
    let place = with_page(address, || {
        Place::take_for(&key, ANY_BIT, Some(target_key.clone()), || expect(address, value))
    })?;
    if key == target_key {
        return Err(Errno::EINVAL);
    }
    let waited = lock::sleep(&me, deadline);
    if place.leave() {
        return Err(match waited {
            Err(WaitError::TimedOut) => Errno::ETIMEDOUT,
            _ => Errno::ERESTARTNOINTR,
        });
    }
    let mut attempt = Attempt::new(target_key, target);
    let end = match lock::finish(&mut attempt, &me, waited)? {
        Some(end) => end,
        None => lock::wait(&mut attempt, &me, deadline)?,
    };
    match end {
        Ok(()) => Ok(0),
        Err(WaitError::TimedOut) => Err(Errno::ETIMEDOUT),
        // Started anew, it would only find another value.
        Err(WaitError::Interrupted) => Err(Errno::EAGAIN),
    }
}

/// `FUTEX_CMP_REQUEUE_PI`: if the first word has the value, the most urgent of its waiters gets the second futex or waits for it, and so do at most
/// `move_` others. Returns how many.
///
/// # Errors
/// EINVAL: the two are one, `wake` is not 1, or a waiter is there for something else. EAGAIN: another value. As `FUTEX_LOCK_PI` besides.
pub(in super::super) fn move_waiters(
    from: usize,
    to: usize,
    sharing: Sharing,
    wake: u32,
    move_: u32,
    expected: u32,
) -> Result<usize> {
    let move_ = usize::try_from(move_ as i32).map_err(|_| Errno::EINVAL)?;
    if from == to || wake != 1 {
        return Err(Errno::EINVAL);
    }
    let (from_key, to_key) = (Key::new(from, sharing)?, Key::new(to, sharing)?);
    if from_key == to_key {
        return Err(Errno::EINVAL);
    }
    let mut attempt = Attempt::new(to_key, to);
    attempt.repeat(|attempt| {
        let source = Source { key: &from_key, address: from, expected };
        source.move_to(attempt, move_)
    })
}

struct Source<'a> {
    key: &'a Key,
    address: usize,
    expected: u32,
}

impl Source<'_> {
    fn move_to(&self, attempt: &Attempt, move_: usize) -> Result<usize, Hurdle> {
        let _no_page_faults = PreemptGuard::new();
        let (mut from, mut other) = queue::lock_both(self.key, &attempt.key);
        match user::load_u32(self.address) {
            Ok(found) if found == self.expected => {}
            Ok(_) => return Err(Errno::EAGAIN.into()),
            Err(Fault) => return Err(Hurdle::NotReadable(self.address)),
        }
        let Some(first) = self.next(&from.waiting, &attempt.key)? else { return Ok(0) };
        let task = from.waiting[first].waiter.task.clone();
        let to = other.as_deref_mut().unwrap_or(&mut *from);
        let mut moved = 0;
        let place = match attempt.find(to, attempt.number_of(&task), move_ > 0)? {
            Found::Owned(place) => place,
            Found::Free => {
                lock::grant(attempt, to, &task);
                moved = 1;
                to.owned.len() - 1
            }
        };
        if moved == 1 {
            from.waiting.remove(first);
        }
        let mut outcome: Result<(), Hurdle> = Ok(());
        while moved <= move_ {
            match self.move_one(&mut from, other.as_deref_mut(), attempt, place) {
                Ok(true) => moved += 1,
                Ok(false) => break,
                Err(error) => {
                    // The owner has ended since it was found: that takes the chains, and no bucket.
                    outcome = Err(match error {
                        Errno::ESRCH if moved == 0 => Hurdle::Changed,
                        error => error.into(),
                    });
                    break;
                }
            }
        }
        drop_if_unused(other.as_deref_mut().unwrap_or(&mut *from), place);
        outcome?;
        Ok(moved)
    }

    /// Moves the most urgent one. False: there is none.
    fn move_one(
        &self,
        from: &mut Bucket,
        other: Option<&mut Bucket>,
        attempt: &Attempt,
        place: usize,
    ) -> Result<bool> {
        let Some(next) = self.next(&from.waiting, &attempt.key)? else { return Ok(false) };
        let task: TaskRef = from.waiting[next].waiter.task.clone();
        let mutex = &other.as_deref().unwrap_or(&*from).owned[place].mutex;
        chains().block(mutex, &task)?;
        // It looks for itself there, with the lock, before it goes on.
        from.waiting.remove(next);
        other.unwrap_or(from).owned[place].users += 1;
        Ok(true)
    }

    /// The most urgent waiter of the first futex; of equals the one that came first.
    ///
    /// # Errors
    /// EINVAL: it does not wait to be moved there.
    fn next(&self, waiting: &[Queued], target: &Key) -> Result<Option<usize>> {
        let ours = waiting.iter().enumerate().filter(|(_, queued)| queued.key == *self.key);
        let fair = 100;
        let first = ours.min_by_key(|(_, it)| it.waiter.task.priority_in_force().min(fair));
        match first {
            None => Ok(None),
            Some((place, queued)) if queued.target.as_ref() == Some(target) => Ok(Some(place)),
            Some(_) => Err(Errno::EINVAL),
        }
    }
}
