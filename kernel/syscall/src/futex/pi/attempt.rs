//! Attempts: what is done with the bucket locked and no page fault allowed, and what may be in the way of it.

use alloc::sync::Arc;
use core::sync::atomic::{Ordering, fence};

use errno::{Errno, Result};
use machine::{Fault, user};
use process::{PidNamespace, Thread};
use rtmutex::{RtMutex, chains};
use sched::{Task, TaskFlags, TaskRef};

use super::super::key::Key;
use super::super::operation::exchange;
use super::super::queue::{Bucket, Owned};
use super::unlock::wait_for_end;
use super::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS};

/// What is in the way of an attempt. Most can be [overcome](Attempt::overcome), and then it is made again.
pub(super) enum Hurdle {
    /// The word at this address is not there, or not yet to be written.
    NotPresent(usize),
    /// Likewise, where it is only read.
    NotReadable(usize),
    /// The word names an owner, and nobody has looked who that is.
    Unknown(u32),
    /// The owner is about to end, and will see to its futexes before.
    Ends(TaskRef),
    /// The word has changed meanwhile.
    Changed,
    /// The call fails with this.
    Error(Errno),
}

impl From<Errno> for Hurdle {
    fn from(error: Errno) -> Self {
        Self::Error(error)
    }
}

/// What a futex turned out to be for one who wants it.
pub(super) enum Found {
    /// It had no owner; the word says now that it is the caller's.
    Free,
    /// It has an owner, and is in this place of the bucket.
    Owned(usize),
}

/// A futex with an owner, and what the attempts to do something with it have found out so far.
pub(super) struct Attempt {
    pub(super) key: Key,
    pub(super) address: usize,
    /// The caller's, whose numbers are in the word.
    namespace: Arc<PidNamespace>,
    /// The task that the word named last.
    owner: Option<(u32, Option<TaskRef>)>,
    /// For the first who waits.
    pub(super) spare: Arc<RtMutex>,
}

pub(super) fn load(address: usize) -> Result<u32, Hurdle> {
    user::load_u32(address).map_err(|Fault| Hurdle::NotPresent(address))
}

/// Changes the word, if it is still `old`.
pub(super) fn replace(address: usize, old: u32, new: u32) -> Result<(), Hurdle> {
    match user::compare_exchange_u32(address, old, new) {
        Ok(found) if found == old => Ok(()),
        Ok(_) => Err(Hurdle::Changed),
        Err(Fault) => Err(Hurdle::NotPresent(address)),
    }
}

impl Attempt {
    pub(super) fn new(key: Key, address: usize) -> Self {
        let namespace = process::current_pid_namespace();
        Self { key, address, namespace, owner: None, spare: RtMutex::new() }
    }

    /// A task's number, as the caller sees it.
    pub(super) fn number_of(&self, task: &Task) -> u32 {
        Thread::of(task).number_in(&self.namespace)
    }

    /// Sees to what was in the way. May sleep.
    ///
    /// # Errors
    /// EFAULT, ENOMEM, a restart, and what the attempt has failed with.
    pub(super) fn overcome(&mut self, hurdle: Hurdle) -> Result<()> {
        match hurdle {
            Hurdle::NotPresent(address) => exchange(address, |word| word).map(|_| ()),
            Hurdle::NotReadable(address) => {
                user::load_u32(address).map(|_| ()).map_err(|Fault| Errno::EFAULT)
            }
            Hurdle::Unknown(number) => {
                let owner = process::find_task(number);
                if let Some(owner) = owner.as_ref().filter(|owner| !owner.is_kthread()) {
                    rtmutex::prepare(owner)?;
                }
                self.owner = Some((number, owner));
                Ok(())
            }
            Hurdle::Ends(owner) => wait_for_end(&owner),
            Hurdle::Changed => Ok(()),
            Hurdle::Error(error) => Err(error),
        }
    }

    /// Looks at the futex for a task that wants it and has this number: takes it if it has no owner, and finds out who the owner is if it has one. A free
    /// one is marked as one that others wait for if `others_wait`.
    pub(super) fn find(
        &self,
        bucket: &mut Bucket,
        number: u32,
        others_wait: bool,
    ) -> Result<Found, Hurdle> {
        bucket.owned.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let word = load(self.address)?;
        if word & FUTEX_TID_MASK == number {
            return Err(Errno::EDEADLK.into());
        }
        if bucket.waiting.iter().any(|queued| queued.key == self.key) {
            return Err(Errno::EINVAL.into());
        }
        if let Some(place) = bucket.find_owned(&self.key) {
            self.compare(word, &bucket.owned[place].mutex)?;
            return Ok(Found::Owned(place));
        }
        if word & FUTEX_TID_MASK == 0 {
            let waiters = if others_wait { FUTEX_WAITERS } else { 0 };
            replace(self.address, word, word & FUTEX_OWNER_DIED | number | waiters)?;
            return Ok(Found::Free);
        }
        let marked = word | FUTEX_WAITERS;
        replace(self.address, word, marked)?;
        self.attach(bucket, marked)?;
        Ok(Found::Owned(bucket.owned.len() - 1))
    }

    /// Whether the word says what is known of its futex; somebody may have written anything there.
    fn compare(&self, word: u32, mutex: &RtMutex) -> Result<()> {
        let chains = chains();
        let number = word & FUTEX_TID_MASK;
        let has_died = word & FUTEX_OWNER_DIED != 0;
        let agrees = if chains.is_orphan(mutex) {
            // Until its new owner has written its number.
            has_died && number == 0
        } else {
            let owner = chains.holder(mutex).map(|owner| self.number_of(owner));
            // An owner that ends marks the word before it hands over.
            has_died && number == 0 || owner == Some(number)
        };
        if agrees { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// Makes the task that the word names the holder of a mutex.
    fn attach(&self, bucket: &mut Bucket, word: u32) -> Result<(), Hurdle> {
        let number = word & FUTEX_TID_MASK;
        let owner = match &self.owner {
            Some((known, owner)) if *known == number => owner,
            _ => return Err(Hurdle::Unknown(number)),
        };
        let Some(owner) = owner else { return Err(self.is_lost(word)) };
        if owner.is_kthread() {
            return Err(Errno::EPERM.into());
        }
        let mut chains = chains();
        // An owner that ends says so and then looks whether it is in the chains; it was made ready for them before this. One of the two
        // sees the other.
        fence(Ordering::SeqCst);
        let flags = owner.flags();
        if flags.contains(TaskFlags::FUTEXES_RELEASED) {
            return Err(self.is_lost(word));
        }
        if flags.contains(TaskFlags::EXITING) {
            return Err(Hurdle::Ends(owner.clone()));
        }
        chains.hold(&self.spare, owner);
        bucket.owned.push(Owned { key: self.key.clone(), mutex: self.spare.clone(), users: 0 });
        Ok(())
    }

    /// There is no owner any more that could see to the futex. If it has seen to it meanwhile, the word has changed.
    fn is_lost(&self, word: u32) -> Hurdle {
        match load(self.address) {
            Ok(found) if found == word => Errno::ESRCH.into(),
            Ok(_) => Hurdle::Changed,
            Err(hurdle) => hurdle,
        }
    }
}

/// Nobody may wait for a futex any more: then nothing is kept of it.
pub(super) fn drop_if_unused(bucket: &mut Bucket, place: usize) {
    if bucket.owned[place].users == 0 {
        let unused = bucket.owned.swap_remove(place);
        chains().forget(&unused.mutex);
    }
}
