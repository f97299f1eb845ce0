//! Taking a futex with an owner, and waiting for it.

use alloc::sync::Arc;

use errno::{Errno, Result};
use rtmutex::chains;
use sched::{Sleep, TaskRef, WaitError};
use sync::PreemptGuard;
use time::Moment;

use super::super::key::{Key, Sharing};
use super::super::queue;
use super::attempt::{Attempt, Found, Hurdle, drop_if_unused, load, replace};
use super::{FUTEX_OWNER_DIED, FUTEX_WAITERS};

/// `FUTEX_LOCK_PI`, `FUTEX_LOCK_PI2`: makes the running task the owner. May sleep.
///
/// # Errors
/// EDEADLK: it is, or the owner waits for it. ESRCH, EPERM: the word names no thread, or a kernel thread. EINVAL: the word does not say what the
/// kernel knows. ETIMEDOUT, EFAULT, ENOMEM, and a restart after a signal: the time-out is a point in time.
pub(in super::super) fn lock(
    address: usize,
    sharing: Sharing,
    deadline: Option<Moment>,
) -> Result<usize> {
    let me = sched::current_ref();
    let mut attempt = begin(address, sharing, &me)?;
    match attempt.repeat(|attempt| attempt.take(&me, false))? {
        Taken::Now => return Ok(0),
        Taken::Later => {}
    }
    match wait(&mut attempt, &me, deadline)? {
        Ok(()) => Ok(0),
        Err(WaitError::TimedOut) => Err(Errno::ETIMEDOUT),
        Err(WaitError::Interrupted) => Err(Errno::ERESTARTNOINTR),
    }
}

/// `FUTEX_TRYLOCK_PI`: as [`lock`], without waiting. User mode has tried already; this also takes what an owner has left that has ended.
///
/// # Errors
/// EAGAIN: it has another owner. As [`lock`].
pub(in super::super) fn try_lock(address: usize, sharing: Sharing) -> Result<usize> {
    let me = sched::current_ref();
    let mut attempt = begin(address, sharing, &me)?;
    attempt.repeat(|attempt| attempt.take(&me, true))?;
    Ok(0)
}

fn begin(address: usize, sharing: Sharing, me: &TaskRef) -> Result<Attempt> {
    let key = Key::new(address, sharing)?;
    rtmutex::prepare(me)?;
    Ok(Attempt::new(key, address))
}

enum Taken {
    Now,
    /// The task waits, from now on.
    Later,
}

/// What came of a look after a wait.
enum End {
    Got,
    GaveUp,
    /// It has not been granted, or has been stolen again.
    NotYet,
}

impl Attempt {
    /// Makes an attempt until nothing is in the way.
    pub(super) fn repeat<T>(
        &mut self,
        mut attempt: impl FnMut(&Self) -> Result<T, Hurdle>,
    ) -> Result<T> {
        loop {
            match attempt(self) {
                Ok(value) => return Ok(value),
                Err(hurdle) => self.overcome(hurdle)?,
            }
        }
    }

    fn take(&self, me: &TaskRef, only_now: bool) -> Result<Taken, Hurdle> {
        let number = self.number_of(me);
        let _no_page_faults = PreemptGuard::new();
        let mut bucket = queue::lock(&self.key);
        let place = match self.find(&mut bucket, number, false)? {
            Found::Free => return Ok(Taken::Now),
            Found::Owned(place) => place,
        };
        let owned = &mut bucket.owned[place];
        let mut chains = chains();
        if chains.may_steal(&owned.mutex, me) {
            let word = load(self.address)?;
            let died = if chains.is_orphan(&owned.mutex) { FUTEX_OWNER_DIED } else { 0 };
            let new = word & FUTEX_OWNER_DIED | died | FUTEX_WAITERS | number;
            replace(self.address, word, new)?;
            chains.clear_orphan(&owned.mutex);
            chains.steal(&owned.mutex, me);
            return Ok(Taken::Now);
        }
        let outcome = if only_now { Err(Errno::EAGAIN) } else { chains.block(&owned.mutex, me) };
        drop(chains);
        if outcome.is_ok() {
            owned.users += 1;
        } else {
            drop_if_unused(&mut bucket, place);
        }
        match outcome {
            Ok(()) => Ok(Taken::Later),
            // The owner has ended since it was found: that takes the chains, and no bucket.
            Err(Errno::ESRCH) => Err(Hurdle::Changed),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks whether the futex was granted to the running task, which is one of its users.
    fn finish(&self, me: &TaskRef, gives_up: bool) -> Result<End, Hurdle> {
        let number = self.number_of(me);
        let _no_page_faults = PreemptGuard::new();
        let mut bucket = queue::lock(&self.key);
        let place = bucket.find_owned(&self.key).ok_or(Errno::EINVAL)?;
        let owned = &mut bucket.owned[place];
        let mut chains = chains();
        let end = if chains.is_granted_to(&owned.mutex, me) {
            if chains.is_orphan(&owned.mutex) {
                let word = load(self.address)?;
                replace(self.address, word, FUTEX_OWNER_DIED | FUTEX_WAITERS | number)?;
                chains.clear_orphan(&owned.mutex);
            }
            chains.take_granted(&owned.mutex, me);
            End::Got
        } else if gives_up {
            chains.leave(&owned.mutex, me);
            End::GaveUp
        } else {
            return Ok(End::NotYet);
        };
        drop(chains);
        owned.users -= 1;
        drop_if_unused(&mut bucket, place);
        Ok(end)
    }

    /// The running task cannot write the word of a futex that was granted to it: the next one gets it, as it came.
    fn pass_on(&self, me: &TaskRef) {
        let mut bucket = queue::lock(&self.key);
        let Some(place) = bucket.find_owned(&self.key) else { return };
        let owned = &mut bucket.owned[place];
        let mutex = owned.mutex.clone();
        let mut chains = chains();
        if chains.take_granted(&mutex, me) {
            chains.hand_over(&mutex, true);
        } else {
            chains.leave(&mutex, me);
        }
        drop(chains);
        owned.users -= 1;
        drop_if_unused(&mut bucket, place);
    }
}

/// Waits until the futex is the running task's, which is one of its users. The outer error is one of the word's.
pub(super) fn wait(
    attempt: &mut Attempt,
    me: &TaskRef,
    deadline: Option<Moment>,
) -> Result<Result<(), WaitError>> {
    loop {
        let waited = sleep(me, deadline);
        if let Some(end) = finish(attempt, me, waited)? {
            return Ok(end);
        }
    }
}

/// Sleeps until something is granted to the running task.
pub(super) fn sleep(me: &TaskRef, deadline: Option<Moment>) -> Result<(), WaitError> {
    let granted = || rtmutex::is_granted(me).then_some(());
    sched::wait_until_moment(Sleep::Interruptible, deadline, granted)
}

/// After a [`sleep`]: how the wait has ended, or that it goes on.
pub(super) fn finish(
    attempt: &mut Attempt,
    me: &TaskRef,
    waited: Result<(), WaitError>,
) -> Result<Option<Result<(), WaitError>>> {
    let ended = attempt.repeat(|attempt| attempt.finish(me, waited.is_err()));
    match ended.inspect_err(|_| attempt.pass_on(me))? {
        End::Got => Ok(Some(Ok(()))),
        End::GaveUp => Ok(Some(waited)),
        End::NotYet => Ok(None),
    }
}

/// For one of those that a move has found no owner for: it is theirs, and they may run.
pub(super) fn grant(attempt: &Attempt, bucket: &mut queue::Bucket, task: &TaskRef) {
    let mutex = Arc::clone(&attempt.spare);
    chains().grant(&mutex, task);
    bucket.owned.push(queue::Owned { key: attempt.key.clone(), mutex, users: 1 });
}
