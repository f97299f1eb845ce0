//! Letting go of a futex with an owner, and the end of an owner.

use core::sync::atomic::{Ordering, fence};

use errno::{Errno, Result};
use machine::{Fault, user};
use rtmutex::chains;
use sched::{Sleep, Task, TaskFlags, TaskRef, WaitQueue};
use sync::PreemptGuard;

use super::super::key::{Key, Sharing};
use super::super::queue;
use super::attempt::{Attempt, Hurdle, replace};
use super::{FUTEX_TID_MASK, FUTEX_WAITERS};

/// `FUTEX_UNLOCK_PI`: gives the running task's futex to the most urgent of those who wait.
///
/// # Errors
/// EPERM: it is not the running task's. EINVAL: the word does not say what the kernel knows. EAGAIN: nobody waited, and the word has changed.
/// EFAULT.
pub(in super::super) fn unlock(address: usize, sharing: Sharing) -> Result<usize> {
    let me = sched::current_ref();
    let mut attempt: Option<Attempt> = None;
    loop {
        let word = user::load_u32(address).map_err(|Fault| Errno::EFAULT)?;
        if word & FUTEX_TID_MASK != crate::current::tid() {
            return Err(Errno::EPERM);
        }
        if attempt.is_none() {
            attempt = Some(Attempt::new(Key::new(address, sharing)?, address));
        }
        let Some(attempt) = &mut attempt else { continue };
        match attempt.let_go(&me, word) {
            Ok(()) => return Ok(0),
            Err(hurdle) => attempt.overcome(hurdle)?,
        }
    }
}

impl Attempt {
    fn let_go(&self, me: &Task, word: u32) -> Result<(), Hurdle> {
        let _no_page_faults = PreemptGuard::new();
        let bucket = queue::lock(&self.key);
        if bucket.waiting.iter().any(|queued| queued.key == self.key) {
            return Err(Errno::EINVAL.into());
        }
        let Some(place) = bucket.find_owned(&self.key) else {
            return replace(self.address, word, 0).map_err(|hurdle| match hurdle {
                // For user mode to look at.
                Hurdle::Changed => Errno::EAGAIN.into(),
                other => other,
            });
        };
        let mutex = bucket.owned[place].mutex.clone();
        let mut chains = chains();
        if !chains.is_held_by(&mutex, me) {
            return Err(Errno::EINVAL.into());
        }
        let next = chains.first_waiter(&mutex).ok_or(Errno::EINVAL)?;
        let new = FUTEX_WAITERS | self.number_of(next);
        match user::compare_exchange_u32(self.address, word, new) {
            Ok(found) if found == word => {}
            // A waiter has marked it meanwhile.
            Ok(found) if found & FUTEX_TID_MASK == word => return Err(Hurdle::Changed),
            Ok(_) => return Err(Errno::EINVAL.into()),
            Err(Fault) => return Err(Hurdle::NotPresent(self.address)),
        }
        chains.hand_over(&mutex, false);
        Ok(())
    }
}

/// Where those wait who want a futex of a task that is about to end.
static ENDING: WaitQueue = WaitQueue::new();

/// Waits until a task that is about to end has seen to its futexes. May sleep.
///
/// # Errors
/// A restart: the running task is being killed.
pub(super) fn wait_for_end(owner: &TaskRef) -> Result<()> {
    let has_ended = || owner.flags().contains(TaskFlags::FUTEXES_RELEASED).then_some(());
    let waited = ENDING.wait_map(Sleep::Killable, None, has_ended);
    waited.map_err(|_| Errno::ERESTARTNOINTR)
}

/// The running task is about to leave its memory: for another program, or because it ends. Its robust list has been seen to.
pub(in super::super) fn release_at_end(me: &Task) {
    // Before the look: see `Attempt::attach`.
    fence(Ordering::SeqCst);
    if rtmutex::has_party(me) {
        while chains().hand_one_over(me) {}
    }
    if me.flags().contains(TaskFlags::EXITING) {
        me.add_flags(TaskFlags::FUTEXES_RELEASED);
        ENDING.wake_all();
    }
}
