//! All that changes who holds what and who waits for it, and what follows from that: who is lent how much urgency.
//!
//! A chain leads from a task that waits to the holder of what it waits for, and if that waits, on to the next. There is no circle in it: whoever
//! would close one is refused. So a change is carried along the chain until it changes nothing any more.

use alloc::sync::Arc;
use core::sync::atomic::Ordering::SeqCst;

use errno::Errno;
use sched::{Task, TaskRef, Urgency};
use sync::{Key, KeyCell, LockClass, SpinIrqGuard, SpinLock};

use crate::mutex::{Holder, RtMutex, Waiter};
use crate::party::{Party, Place};

/// Taken with interrupts off, inside futex buckets and outside run queues.
static CHAINS_LOCK: LockClass = LockClass::new("rtmutex.chains");

static CHAINS: SpinLock<Key> = SpinLock::new(&CHAINS_LOCK, Key::new());

/// A chain that is longer counts as a deadlock, as in Linux.
const LONGEST: usize = 1024;

/// All mutexes and all who hold them or wait for them, locked.
///
/// No last reference to a task is dropped here: whoever leaves a chain has to take this lock before it can end.
pub struct Chains(SpinIrqGuard<'static, Key>);

/// Locks the chains. Any context without a run-queue lock.
pub fn chains() -> Chains {
    Chains(CHAINS.lock_irq())
}

impl Chains {
    pub(crate) fn claim<T>(&mut self, cell: &KeyCell<T>) {
        if !self.0.holds(cell) {
            self.0.claim(cell);
        }
    }

    fn place<'a>(&'a mut self, task: &'a Task) -> &'a mut Place {
        let party = Party::of(task);
        self.claim(&party.place);
        party.place.get_mut(&mut self.0)
    }

    /// Who holds a mutex or has been granted it.
    pub fn holder<'a>(&'a self, mutex: &'a RtMutex) -> Option<&'a TaskRef> {
        mutex.state.get(&self.0).holder.task()
    }

    /// Whether a task holds a mutex, and has claimed it if it waited.
    pub fn is_held_by(&self, mutex: &RtMutex, task: &Task) -> bool {
        matches!(&mutex.state.get(&self.0).holder, Holder::Held(holder) if core::ptr::eq(&**holder, task))
    }

    /// Who will be granted it next.
    pub fn first_waiter<'a>(&'a self, mutex: &'a RtMutex) -> Option<&'a TaskRef> {
        mutex.state.get(&self.0).waiters.first().map(|first| &first.task)
    }

    /// Whether the one that held a mutex has ended, and [`clear_orphan`](Self::clear_orphan) was not called since.
    pub fn is_orphan(&self, mutex: &RtMutex) -> bool {
        mutex.state.get(&self.0).is_orphan
    }

    /// Somebody has seen to what the end of the last holder left.
    pub fn clear_orphan(&mut self, mutex: &RtMutex) {
        mutex.state.get_mut(&mut self.0).is_orphan = false;
    }

    /// A [prepared](crate::prepare) task ends: one of the mutexes that it holds goes to who waits for it. False: it holds none.
    pub fn hand_one_over(&mut self, task: &Task) -> bool {
        let Some(mutex) = self.place(task).holds.pop_front() else { return false };
        // Back to where it was, as its holder's.
        let listed = self.place(task).holds.push_front(mutex.clone());
        debug_assert!(listed.is_ok(), "it was taken out just now");
        self.hand_over(&mutex, true);
        true
    }

    /// Makes a [prepared](crate::prepare) task the holder of a mutex that is nobody's.
    pub fn hold(&mut self, mutex: &Arc<RtMutex>, task: &TaskRef) {
        self.give(mutex, Holder::Held(task.clone()));
        self.propagate(task);
    }

    /// Grants a mutex that is nobody's to a [prepared](crate::prepare) task that sleeps, and wakes it.
    pub fn grant(&mut self, mutex: &Arc<RtMutex>, task: &TaskRef) {
        self.give(mutex, Holder::Granted(task.clone()));
        self.propagate(task);
        // SeqCst, before the look at its state: the sleeper sets its state before it looks here.
        Party::of(task).granted.store(true, SeqCst);
        sched::wake_up(task);
    }

    /// A task that will sleep until it is granted something has been granted nothing so far.
    pub fn expect_grant(&mut self, task: &Task) {
        Party::of(task).granted.store(false, SeqCst);
    }

    fn give(&mut self, mutex: &Arc<RtMutex>, holder: Holder) {
        if let Some(task) = holder.task() {
            let added = self.place(task).holds.push_back(mutex.clone());
            debug_assert!(added.is_ok(), "a mutex has one holder");
        }
        mutex.state.get_mut(&mut self.0).holder = holder;
    }

    /// Takes a mutex away from its holder, who is lent no urgency for it any more once that is propagated.
    fn take_away(&mut self, mutex: &RtMutex) -> Option<TaskRef> {
        let holder = core::mem::take(&mut mutex.state.get_mut(&mut self.0).holder);
        let holder = holder.task()?.clone();
        let listed = self.place(&holder).holds.remove(mutex);
        debug_assert!(listed.is_some(), "what a task holds is in its list");
        Some(holder)
    }

    /// The mutex is nobody's from now on; nobody waits for it.
    pub fn forget(&mut self, mutex: &RtMutex) {
        debug_assert!(mutex.state.get(&self.0).waiters.is_empty(), "somebody waits");
        if let Some(holder) = self.take_away(mutex) {
            self.propagate(&holder);
        }
    }

    /// The holder gives a mutex to the first who waits, and wakes that one; or to nobody. `ended`: because it ends.
    pub fn hand_over(&mut self, mutex: &Arc<RtMutex>, ended: bool) {
        let old = self.take_away(mutex);
        let state = mutex.state.get_mut(&mut self.0);
        let first = (!state.waiters.is_empty()).then(|| state.waiters.remove(0));
        state.is_orphan |= ended && first.is_some();
        if let Some(Waiter { task, .. }) = first {
            self.place(&task).blocked_on = None;
            self.grant(mutex, &task);
        }
        if let Some(old) = old {
            self.propagate(&old);
        }
    }

    /// The one that a mutex was granted to takes it. False: it was not, or it was stolen meanwhile.
    pub fn take_granted(&mut self, mutex: &RtMutex, task: &TaskRef) -> bool {
        let state = mutex.state.get_mut(&mut self.0);
        match &state.holder {
            Holder::Granted(holder) if Arc::ptr_eq(holder, task) => {
                state.holder = Holder::Held(task.clone());
                true
            }
            _ => false,
        }
    }

    /// Whether a mutex was granted to a task that has not claimed it.
    pub fn is_granted_to(&self, mutex: &RtMutex, task: &Task) -> bool {
        matches!(&mutex.state.get(&self.0).holder, Holder::Granted(holder) if core::ptr::eq(&**holder, task))
    }

    /// Whether a task may come before the one that a mutex was granted to and that has not run since: if it is more urgent, and there is
    /// memory for that one to wait again.
    pub fn may_steal(&mut self, mutex: &RtMutex, task: &TaskRef) -> bool {
        let state = mutex.state.get_mut(&mut self.0);
        let Holder::Granted(other) = &state.holder else { return false };
        let other = other.clone();
        state.waiters.try_reserve(1).is_ok() && {
            let mine = self.urgency_of(task);
            mine.is_before(&self.urgency_of(&other))
        }
    }

    /// A task comes before the one that a mutex was granted to, which waits again. It [may](Self::may_steal): so it is more urgent than that one
    /// with all that it was lent, which is as much as anybody had who waits. Nothing is lent to it.
    pub fn steal(&mut self, mutex: &Arc<RtMutex>, task: &TaskRef) {
        let Some(loser) = self.take_away(mutex) else { return };
        Party::of(&loser).granted.store(false, SeqCst);
        self.give(mutex, Holder::Held(task.clone()));
        self.propagate(&loser);
        self.join(mutex, &loser, true);
    }

    /// A [prepared](crate::prepare) task begins to wait for a mutex that somebody holds. It sleeps next, or does already, until
    /// [`is_granted`](crate::is_granted).
    ///
    /// # Errors
    /// ESRCH: nobody holds it any more, and nobody would ever hand it over. EDEADLK: the holder waits for the task, directly or
    /// through others. ENOMEM.
    pub fn block(&mut self, mutex: &Arc<RtMutex>, task: &TaskRef) -> Result<(), Errno> {
        if self.holder(mutex).is_none() {
            return Err(Errno::ESRCH);
        }
        self.look_for_deadlock(mutex, task)?;
        mutex.state.get_mut(&mut self.0).waiters.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        Party::of(task).granted.store(false, SeqCst);
        self.join(mutex, task, false);
        if let Some(holder) = self.holder(mutex).cloned() {
            self.propagate(&holder);
        }
        Ok(())
    }

    fn join(&mut self, mutex: &Arc<RtMutex>, task: &TaskRef, before_equals: bool) {
        let urgency = self.urgency_of(task);
        let waiter = Waiter { task: task.clone(), urgency };
        mutex.state.get_mut(&mut self.0).insert(waiter, before_equals);
        self.place(task).blocked_on = Some(mutex.clone());
    }

    /// Whoever waits gives up.
    pub fn leave(&mut self, mutex: &RtMutex, task: &TaskRef) {
        let removed = mutex.state.get_mut(&mut self.0).remove(task);
        debug_assert!(removed.is_some(), "it waits");
        self.place(task).blocked_on = None;
        if let Some(holder) = self.holder(mutex).cloned() {
            self.propagate(&holder);
        }
    }

    fn look_for_deadlock(&mut self, mutex: &Arc<RtMutex>, task: &TaskRef) -> Result<(), Errno> {
        let mut mutex = mutex.clone();
        for _ in 0..LONGEST {
            let Some(holder) = self.holder(&mutex).cloned() else { return Ok(()) };
            if Arc::ptr_eq(&holder, task) {
                return Err(Errno::EDEADLK);
            }
            let Some(next) = self.place(&holder).blocked_on.clone() else { return Ok(()) };
            mutex = next;
        }
        Err(Errno::EDEADLK)
    }

    /// The most urgent of those who wait for what a task holds.
    fn most_urgent_waiter(&mut self, task: &Task) -> Option<Urgency> {
        let party = Party::of(task);
        self.claim(&party.place);
        let firsts = party.place.get(&self.0).holds.iter();
        firsts
            .filter_map(|mutex| mutex.state.get(&self.0).waiters.first())
            .map(|first| first.urgency)
            .reduce(|best, other| best.or(Some(other)))
    }

    fn urgency_of(&mut self, task: &Task) -> Urgency {
        task.own_urgency().or(self.most_urgent_waiter(task))
    }

    /// Something has changed about a task, its own attributes or who waits for it: lends it what it is to have, and goes on to whom it waits for.
    pub(crate) fn propagate(&mut self, task: &TaskRef) {
        let mut task = task.clone();
        loop {
            let own = task.own_urgency();
            let urgency = own.or(self.most_urgent_waiter(&task));
            sched::lend(&task, (urgency != own).then_some(urgency));
            let Some(mutex) = self.place(&task).blocked_on.clone() else { return };
            let state = mutex.state.get_mut(&mut self.0);
            if !state.reorder(&task, urgency) {
                return;
            }
            let Some(holder) = state.holder.task().cloned() else { return };
            task = holder;
        }
    }
}
