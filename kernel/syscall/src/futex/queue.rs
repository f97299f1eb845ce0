//! Who waits on which futex.
//!
//! A waiter looks at the futex's word with its bucket locked and puts itself into the bucket before
//! it unlocks. A waker has changed the word before it locks the bucket. So either the waiter sees
//! the new word, or the waker finds the waiter.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use errno::{Errno, Result};
use rtmutex::RtMutex;
use sched::{Sleep, TaskRef, WaitError};
use sync::{LockClass, PreemptGuard, SpinIrqGuard, SpinLock};
use time::Moment;

use super::key::Key;

/// Run queues are taken inside, and before those the chains of futexes with owners. Two buckets are locked in the order of their numbers.
static BUCKET_LOCK: LockClass = LockClass::new("futex_bucket");
/// A leaf, taken inside.
static WOKEN_LOCK: LockClass = LockClass::new("futex_woken");

const BUCKETS: usize = 256;

/// What [`Waiter::bucket`] says of a waiter that has been woken.
const WOKEN: usize = usize::MAX;

static TABLE: [SpinLock<Bucket>; BUCKETS] =
    [const { SpinLock::new(&BUCKET_LOCK, Bucket::new()) }; BUCKETS];

/// What is known of the futexes with one hash.
pub(super) struct Bucket {
    /// Who waits to be woken.
    pub(super) waiting: Vec<Queued>,
    /// Futexes with owners that others wait for.
    pub(super) owned: Vec<Owned>,
}

impl Bucket {
    const fn new() -> Self {
        Self { waiting: Vec::new(), owned: Vec::new() }
    }

    /// Where a futex with an owner is among them.
    pub(super) fn find_owned(&self, key: &Key) -> Option<usize> {
        self.owned.iter().position(|owned| owned.key == *key)
    }
}

pub(super) struct Queued {
    pub(super) key: Key,
    bitset: u32,
    /// It waits to be moved to this futex, which has an owner, and for nothing else.
    pub(super) target: Option<Key>,
    pub(super) waiter: Arc<Waiter>,
}

/// A futex that has an owner, and for which somebody waits: see `pi`.
pub(super) struct Owned {
    pub(super) key: Key,
    pub(super) mutex: Arc<RtMutex>,
    /// How many tasks wait for it, or have been granted it and have not run since.
    pub(super) users: usize,
}

/// A task that waits.
pub(super) struct Waiter {
    /// The bucket it is in, or [`WOKEN`]. Changed with that bucket locked.
    bucket: AtomicUsize,
    pub(super) task: TaskRef,
    /// Of those whom the same call has woken, the one before: see [`Woken`].
    before: SpinLock<Option<Arc<Waiter>>>,
}

/// Those whom a call has woken. They are let go without the bucket's lock: a task that has run to its end meanwhile may
/// go with its waiter, and its stack with it.
#[derive(Default)]
struct Woken {
    count: usize,
    last: Option<Arc<Waiter>>,
}

impl Woken {
    fn add(&mut self, waiter: Arc<Waiter>) {
        waiter.wake();
        self.count += 1;
        if let Some(before) = self.last.take() {
            *waiter.before.lock_irq() = Some(before);
        }
        self.last = Some(waiter);
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        for _ in 1..self.count {
            // One at a time, and not each by the one behind it: there may be many.
            let before = self.last.as_ref().and_then(|last| last.before.lock_irq().take());
            self.last = before;
        }
    }
}

/// A waiter's place; left when dropped.
pub(super) struct Place(Arc<Waiter>);

impl Waiter {
    fn wake(&self) {
        // SeqCst, before the look at the task's state: the sleeper sets its state before it looks here.
        self.bucket.store(WOKEN, Ordering::SeqCst);
        sched::wake_up(&self.task);
    }
}

impl Place {
    /// Puts the running task on the queue of `key`, if `check` allows it. `check` runs with the
    /// bucket locked and preemption off, so a user page that is not there is an error to it.
    ///
    /// # Errors
    /// ENOMEM, and what `check` says.
    pub(super) fn take<E: From<Errno>>(
        key: &Key,
        bitset: u32,
        check: impl FnOnce() -> Result<(), E>,
    ) -> Result<Self, E> {
        Self::take_for(key, bitset, None, check)
    }

    /// As [`take`](Self::take), to be moved to `target`, if there is one.
    ///
    /// # Errors
    /// As there.
    pub(super) fn take_for<E: From<Errno>>(
        key: &Key,
        bitset: u32,
        target: Option<Key>,
        check: impl FnOnce() -> Result<(), E>,
    ) -> Result<Self, E> {
        let number = bucket_of(key);
        let bucket = AtomicUsize::new(number);
        let before = SpinLock::new(&WOKEN_LOCK, None);
        let waiter = Arc::new(Waiter { bucket, task: sched::current_ref(), before });
        let queued = Queued { key: key.clone(), bitset, target, waiter: waiter.clone() };
        let _no_page_faults = PreemptGuard::new();
        let mut bucket = TABLE[number].lock_irq();
        bucket.waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        check()?;
        bucket.waiting.push(queued);
        Ok(Self(waiter))
    }

    /// Sleeps until woken.
    ///
    /// # Errors
    /// [`WaitError`]; a wake-up that came at the same time wins.
    pub(super) fn wait(&self, deadline: Option<Moment>) -> Result<(), WaitError> {
        let woken = || self.is_woken().then_some(());
        match sched::wait_until_moment(Sleep::Interruptible, deadline, woken) {
            Err(error) => {
                if self.leave() {
                    Err(error)
                } else {
                    Ok(())
                }
            }
            Ok(()) => Ok(()),
        }
    }

    fn is_woken(&self) -> bool {
        self.0.bucket.load(Ordering::SeqCst) == WOKEN
    }

    /// Leaves the queue and returns whether it was still on it.
    pub(super) fn leave(&self) -> bool {
        loop {
            let number = self.0.bucket.load(Ordering::SeqCst);
            if number == WOKEN {
                return false;
            }
            let mut bucket = TABLE[number].lock_irq();
            // A requeue may have moved it meanwhile.
            if self.0.bucket.load(Ordering::SeqCst) != number {
                continue;
            }
            let waiting = &mut bucket.waiting;
            let place = waiting.iter().position(|queued| Arc::ptr_eq(&queued.waiter, &self.0));
            let removed = place.map(|place| waiting.remove(place));
            self.0.bucket.store(WOKEN, Ordering::SeqCst);
            drop(bucket);
            return removed.is_some();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Places of the running task on several queues. It sleeps until any is woken.
pub(super) struct Places {
    places: Vec<Place>,
}

impl Places {
    /// None yet, with room for `count`.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn with_room(count: usize) -> Result<Self> {
        let mut places = Vec::new();
        places.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        Ok(Self { places })
    }

    /// Takes one more, as [`Place::take`] does.
    ///
    /// # Errors
    /// ENOMEM, and what `check` says.
    pub(super) fn take<E: From<Errno>>(
        &mut self,
        key: &Key,
        bitset: u32,
        check: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.places.push(Place::take(key, bitset, check)?);
        Ok(())
    }

    /// Leaves all queues and returns the last place that was woken, if one was.
    pub(super) fn leave(self) -> Option<usize> {
        // Those before it are left as they are dropped.
        self.places.iter().rposition(|place| !place.leave())
    }

    /// Sleeps until woken, and returns which place was.
    ///
    /// # Errors
    /// [`WaitError`]; a wake-up that came at the same time wins.
    pub(super) fn wait(self, deadline: Option<Moment>) -> Result<usize, WaitError> {
        let woken = || self.places.iter().position(Place::is_woken);
        let waited = sched::wait_until_moment(Sleep::Interruptible, deadline, woken);
        self.leave().map_or(waited, Ok)
    }
}

/// Wakes at most `count` of those who wait on `key` with a bit of `bitset`; returns how many.
///
/// # Errors
/// EINVAL: the futex has an owner, or its waiters are to get one.
pub(super) fn wake(key: &Key, count: usize, bitset: u32) -> Result<usize> {
    let (woken, outcome) = wake_in(&mut TABLE[bucket_of(key)].lock_irq(), key, count, bitset);
    outcome.map(|()| woken.count)
}

#[must_use = "to be dropped without the lock"]
fn wake_in(bucket: &mut Bucket, key: &Key, count: usize, bitset: u32) -> (Woken, Result<()>) {
    let mut woken = Woken::default();
    if bucket.find_owned(key).is_some() {
        return (woken, Err(Errno::EINVAL));
    }
    let waiting = &mut bucket.waiting;
    let mut index = 0;
    while index < waiting.len() && woken.count < count {
        if waiting[index].key == *key && waiting[index].target.is_some() {
            return (woken, Err(Errno::EINVAL));
        }
        if waiting[index].key == *key && waiting[index].bitset & bitset != 0 {
            woken.add(waiting.remove(index).waiter);
        } else {
            index += 1;
        }
    }
    (woken, Ok(()))
}

/// If `check` allows it, wakes at most `wake` waiters of `from` and moves at most `move_` others to
/// `to`. Returns how many were woken and how many moved. `check` runs as in [`Place::take`].
///
/// # Errors
/// ENOMEM, and what `check` says.
pub(super) fn requeue<E: From<Errno>>(
    from: &Key,
    to: &Key,
    wake: usize,
    move_: usize,
    check: impl FnOnce() -> Result<(), E>,
) -> Result<(usize, usize), E> {
    let (source, target) = (bucket_of(from), bucket_of(to));
    // Dropped after all guards.
    let (woken, outcome);
    let _no_page_faults = PreemptGuard::new();
    let (mut bucket, mut other) = lock_two(source, target);
    check()?;
    (woken, outcome) = wake_in(&mut bucket, from, wake, u32::MAX);
    outcome?;
    let waiting = &mut bucket.waiting;
    let mut moved = 0;
    let mut index = 0;
    while index < waiting.len() && moved < move_ {
        if waiting[index].key != *from {
            index += 1;
            continue;
        }
        if waiting[index].target.is_some() {
            return Err(Errno::EINVAL.into());
        }
        match &mut other {
            None => {
                waiting[index].key = to.clone();
                index += 1;
            }
            Some(other) => {
                other.waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                let mut queued = waiting.remove(index);
                queued.key = to.clone();
                queued.waiter.bucket.store(target, Ordering::SeqCst);
                other.waiting.push(queued);
            }
        }
        moved += 1;
    }
    Ok((woken.count, moved))
}

pub(super) type Locked = SpinIrqGuard<'static, Bucket>;

/// Locks the bucket of a key.
pub(super) fn lock(key: &Key) -> Locked {
    TABLE[bucket_of(key)].lock_irq()
}

/// Locks the buckets of two keys; the second one only if it is another.
pub(super) fn lock_both(first: &Key, second: &Key) -> (Locked, Option<Locked>) {
    lock_two(bucket_of(first), bucket_of(second))
}

fn lock_two(first: usize, second: usize) -> (Locked, Option<Locked>) {
    if first == second {
        return (TABLE[first].lock_irq(), None);
    }
    let low = TABLE[first.min(second)].lock_irq();
    let high = TABLE[first.max(second)].lock_irq_nested();
    if first < second { (low, Some(high)) } else { (high, Some(low)) }
}

fn bucket_of(key: &Key) -> usize {
    // Fibonacci hashing: the top bits of the product depend on all bits of the key.
    let word = key.hash_word();
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % BUCKETS
}
