//! The state of an item: one word.
//!
//! ```text
//!          claim              start                finish
//!   idle ─────────> PENDING ─────────> RUNNING ──────────────> idle
//!     ^                │                  │ claim meanwhile
//!     └─── unclaim ────┘                  └──> RUNNING|PENDING ──> finish: PENDING
//! ```
//!
//! `PENDING` is a right: whoever sets it, and nobody else, puts the item on a list or a timer, and it stays set until
//! the item is started or somebody has taken it back. So an item is in one place at a time, whoever queues it.
//!
//! A worker that takes an item from its list while another still runs it (from another pool, or the same) may not start it. It adds
//! `DEFERRED`, and the one that runs it passes it on when it has finished. Both are one atomic operation, so one of
//! the two sees the other: see [`State::defer`].

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

/// Queued, or on a timer, or about to be.
const PENDING: u64 = 1 << 0;
/// A worker is in its function.
const RUNNING: u64 = 1 << 1;
/// Taken from its list while it was running: it is passed on by whoever runs it.
const DEFERRED: u64 = 1 << 2;
/// Somebody waits for an instance to end.
const WAITED: u64 = 1 << 3;
/// A worker has died in its function.
const POISONED: u64 = 1 << 4;
/// One canceller that waits; while there are any, the item cannot be claimed.
const CANCELLER: u64 = 1 << 16;
const CANCELLERS: u64 = 0xffff << 16;
/// The number of claims, in the upper half.
const SERIAL: u64 = 1 << 32;

/// The word, and the number of the instance that runs.
pub(crate) struct State {
    word: AtomicU64,
    /// The serial number of the instance that was started last.
    started: AtomicU32,
}

/// What the end of an instance found.
#[derive(Clone, Copy)]
pub(crate) struct Finished {
    word: u64,
}

impl Finished {
    /// Somebody waits for it.
    #[inline]
    pub(crate) fn is_waited_for(self) -> bool {
        self.word & WAITED != 0
    }

    /// Another worker has left its next instance to this one.
    #[inline]
    pub(crate) fn passes_on(self) -> Option<Instance> {
        (self.word & DEFERRED != 0).then_some(Instance(serial(self.word)))
    }

    /// Nothing but the end itself.
    #[inline]
    pub(crate) fn is_plain(self) -> bool {
        self.word & (WAITED | DEFERRED) == 0
    }
}

/// The word of an item that can be claimed.
#[derive(Clone, Copy)]
pub(crate) struct Idle(u64);

/// One turn of an item: from its claim to the end of its run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Instance(u32);

const fn serial(word: u64) -> u32 {
    (word >> 32) as u32
}

impl State {
    pub(crate) const fn new() -> Self {
        Self { word: AtomicU64::new(0), started: AtomicU32::new(0) }
    }

    fn load(&self) -> u64 {
        machine::irq::point();
        self.word.load(SeqCst)
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.load() & PENDING != 0
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.load() & POISONED != 0
    }

    /// Whether [`claim`](Self::claim) has a chance. What the caller wrote before is seen by the instance that is pending, if it says no: the fence
    /// is one half of that, the exchange of [`start`](Self::start) the other.
    #[inline]
    pub(crate) fn may_claim(&self) -> bool {
        core::sync::atomic::fence(SeqCst);
        self.load() & (PENDING | CANCELLERS) == 0
    }

    /// The word, if nothing speaks against a claim. It says nothing about what is pending otherwise.
    #[inline]
    pub(crate) fn idle(&self) -> Option<Idle> {
        machine::irq::point();
        let word = self.word.load(Relaxed);
        (word & (PENDING | CANCELLERS) == 0).then_some(Idle(word))
    }

    /// [`claim`](Self::claim), if the word is still the same.
    #[inline]
    pub(crate) fn claim_from(&self, Idle(word): Idle) -> bool {
        machine::irq::point();
        let next = word.wrapping_add(SERIAL) | PENDING;
        self.word.compare_exchange(word, next, SeqCst, Relaxed).is_ok()
    }

    /// Takes the right to queue the item.
    #[inline]
    pub(crate) fn claim(&self) -> bool {
        machine::irq::point();
        let mut word = self.word.load(Relaxed);
        loop {
            if word & (PENDING | CANCELLERS) != 0 {
                return false;
            }
            let next = word.wrapping_add(SERIAL) | PENDING;
            match self.word.compare_exchange_weak(word, next, SeqCst, Relaxed) {
                Ok(_) => return true,
                Err(found) => word = found,
            }
        }
    }

    /// Gives the right back: the instance will not be run. Returns whether somebody waits for it.
    pub(crate) fn unclaim(&self) -> bool {
        machine::irq::point();
        self.word.fetch_and(!(PENDING | DEFERRED | WAITED), SeqCst) & WAITED != 0
    }

    /// Begins the pending instance, which the caller has taken from its list. False if another still runs.
    #[inline]
    pub(crate) fn start(&self) -> bool {
        machine::irq::point();
        let word = self.word.load(Relaxed);
        if word & RUNNING != 0 {
            return false;
        }
        self.started.store(serial(word), Relaxed);
        // Nobody else starts the item: it was on our list. SeqCst, and an exchange: whoever finds it not pending any more and
        // claims it, and whoever found it pending and left it, has written what it wanted done before.
        self.word.fetch_xor(PENDING | RUNNING, SeqCst);
        // What the item reads, it reads after that: the partner is the fence in `may_claim`.
        sync::fence_after_exchange();
        machine::irq::point();
        true
    }

    /// Leaves the pending instance to whoever runs the item. False if nobody does any more: then it is the caller's again.
    pub(crate) fn defer(&self) -> bool {
        machine::irq::point();
        // The runner ends with an exchange, too: either it sees DEFERRED, or this sees that it has ended.
        if self.word.fetch_or(DEFERRED, SeqCst) & RUNNING != 0 {
            return true;
        }
        self.word.fetch_and(!DEFERRED, SeqCst);
        false
    }

    /// Takes a deferred instance over, from the runner's side. False if it was cancelled, and perhaps queued anew, meanwhile.
    pub(crate) fn take_deferred(&self, instance: Instance) -> bool {
        let word = self.load();
        if word & (DEFERRED | PENDING) != DEFERRED | PENDING || Instance(serial(word)) != instance {
            return false;
        }
        self.word.fetch_and(!DEFERRED, SeqCst);
        true
    }

    /// Takes a deferred instance back, to cancel it. False if it is not deferred any more.
    pub(crate) fn take_deferred_back(&self) -> bool {
        self.word.fetch_and(!DEFERRED, SeqCst) & DEFERRED != 0
    }

    /// The function has returned.
    #[inline]
    pub(crate) fn finish(&self) -> Finished {
        machine::irq::point();
        // The bit is set, so this clears it.
        Finished { word: self.word.fetch_sub(RUNNING, SeqCst) }
    }

    /// Those who wait are about to be woken; who still has to wait says so again.
    pub(crate) fn forget_waiters(&self) {
        self.word.fetch_and(!WAITED, SeqCst);
    }

    /// The worker has died in the function.
    pub(crate) fn poison(&self) {
        self.word.fetch_or(POISONED, SeqCst);
    }

    /// From now on nobody can claim the item, not even itself.
    pub(crate) fn block(&self) {
        self.word.fetch_add(CANCELLER, SeqCst);
    }

    pub(crate) fn unblock(&self) {
        self.word.fetch_sub(CANCELLER, SeqCst);
    }

    /// The last instance that has been claimed, if it or one before it has not ended.
    pub(crate) fn unfinished(&self) -> Option<Instance> {
        let word = self.load();
        (word & (PENDING | RUNNING) != 0).then_some(Instance(serial(word)))
    }

    /// Whether an instance and all before it have ended or been taken back. If not, its end will see that somebody waits.
    pub(crate) fn has_ended(&self, instance: Instance) -> bool {
        loop {
            let word = self.load();
            let is_later = |number: u32| number.wrapping_sub(instance.0).cast_signed() > 0;
            let waits = word & PENDING != 0 && !is_later(serial(word));
            // Read after the word: it is written before RUNNING is set.
            let runs = word & RUNNING != 0 && !is_later(self.started.load(SeqCst));
            if !waits && !runs {
                return true;
            }
            if word & WAITED != 0
                || self.word.compare_exchange(word, word | WAITED, SeqCst, SeqCst).is_ok()
            {
                return false;
            }
        }
    }

    /// Whether the function is not being run. If it is, its end will see that somebody waits.
    pub(crate) fn has_stopped(&self) -> bool {
        loop {
            let word = self.load();
            if word & RUNNING == 0 {
                return true;
            }
            if word & WAITED != 0
                || self.word.compare_exchange(word, word | WAITED, SeqCst, SeqCst).is_ok()
            {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn an_item_is_claimed_once_until_it_starts() {
        let state = State::new();
        assert!(state.claim() && !state.claim() && !state.may_claim());
        assert!(state.start() && !state.has_stopped() && !state.is_pending());
        assert!(state.claim(), "running, it can be queued again");
        assert!(!state.start(), "but not started");
        assert!(state.finish().is_waited_for(), "`has_stopped` has said so");
        state.forget_waiters();
        assert!(state.start());
    }

    #[test]
    fn a_deferred_instance_goes_to_the_runner_or_back() {
        let state = State::new();
        assert!(state.claim() && state.start() && state.claim());
        assert!(state.defer());
        let instance = state.finish().passes_on().expect("it was deferred");
        assert!(state.take_deferred(instance));
        assert!(!state.defer(), "nobody runs it");
        assert!(state.start());
    }

    #[test]
    fn a_deferral_that_was_cancelled_is_not_taken_for_another() {
        let state = State::new();
        assert!(state.claim() && state.start() && state.claim() && state.defer());
        let instance = state.finish().passes_on().expect("it was deferred");
        state.unclaim();
        assert!(state.claim() && state.start() && state.claim() && state.defer());
        assert!(!state.take_deferred(instance));
    }

    #[test]
    fn who_waits_is_seen_by_the_end_and_not_kept_by_later_instances() {
        let state = State::new();
        assert!(state.unfinished().is_none() && state.claim());
        let first = state.unfinished().expect("it is pending");
        assert!(!state.has_ended(first) && state.start() && !state.has_ended(first));
        assert!(state.claim());
        assert!(state.finish().is_waited_for());
        state.forget_waiters();
        assert!(state.has_ended(first), "the second instance is not the first");
        assert!(!state.unclaim(), "nobody waits for the second");
    }

    #[test]
    fn a_canceller_keeps_everybody_out() {
        let state = State::new();
        state.block();
        assert!(!state.claim());
        state.unblock();
        assert!(state.claim());
    }
}
