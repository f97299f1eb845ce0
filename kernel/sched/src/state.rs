//! The state of a task.
//!
//! One atomic word says whether a task may run, and if not, what may wake it:
//!
//! ```text
//!              set_state          schedule() commits          a waker claims it
//!   Running ──────────────> asleep, on queue ─────> asleep, OFF ─────> Waking ──> Running
//!      ^                         │                                       (queued again)
//!      └─────────────────────────┘ a waker comes before the commit: nothing to queue
//! ```
//!
//! The bit [`OFF_QUEUE`] closes the race between a task that is about to sleep and its waker without a
//! lock: the sleeper adds it by compare-and-exchange, the waker takes the state away by
//! compare-and-exchange, and whoever comes second sees what the first did.

use core::sync::atomic::{AtomicU32, Ordering};

/// Runnable, or running.
pub const RUNNING: u32 = 0;
/// Sleeps until woken or signalled.
pub const INTERRUPTIBLE: u32 = 1 << 0;
/// Sleeps until woken.
pub const UNINTERRUPTIBLE: u32 = 1 << 1;
/// With `UNINTERRUPTIBLE`: a fatal signal wakes it all the same.
pub const WAKEKILL: u32 = 1 << 2;
/// With `UNINTERRUPTIBLE`: does not count in the load average.
pub const NOLOAD: u32 = 1 << 3;
/// Stopped by a job-control signal.
pub const STOPPED: u32 = 1 << 4;
/// Stopped by its tracer.
pub const TRACED: u32 = 1 << 5;
/// Parked: only `unpark` (or `stop`) wakes it.
pub const PARKED: u32 = 1 << 6;
/// Made, and not woken for the first time yet.
pub const NEW: u32 = 1 << 7;
/// In the freezer.
pub const FROZEN: u32 = 1 << 8;
/// Has run for the last time.
pub const DEAD: u32 = 1 << 9;
/// A waker has claimed it and is about to queue it.
pub const WAKING: u32 = 1 << 10;
/// Has left its run queue.
pub const OFF_QUEUE: u32 = 1 << 31;

/// What an ordinary wake-up wakes.
pub const NORMAL: u32 = INTERRUPTIBLE | UNINTERRUPTIBLE;

/// How to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// Until woken, whatever comes.
    Uninterruptible,
    /// Until woken, and without counting in the load average: for a daemon that waits for work.
    Idle,
    /// Until woken or killed.
    Killable,
    /// Until woken or signalled.
    Interruptible,
}

impl Sleep {
    /// The state that sleeps so.
    pub const fn state(self) -> u32 {
        match self {
            Self::Uninterruptible => UNINTERRUPTIBLE,
            Self::Idle => UNINTERRUPTIBLE | NOLOAD,
            Self::Killable => UNINTERRUPTIBLE | WAKEKILL,
            Self::Interruptible => INTERRUPTIBLE,
        }
    }
}

/// The word.
#[derive(Debug)]
pub(crate) struct StateWord(AtomicU32);

impl StateWord {
    pub(crate) const fn new(state: u32) -> Self {
        Self(AtomicU32::new(state))
    }

    pub(crate) fn load(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    /// Sets the running task's own state. SeqCst: the state is visible before the sleeper looks at its condition, and a waker
    /// changes the condition before it looks at the state; one of the two sees the other. The fence is for conditions that are
    /// read with less.
    pub(crate) fn set(&self, state: u32) {
        machine::irq::point();
        self.0.swap(state, Ordering::SeqCst);
        sync::fence_after_exchange();
        machine::irq::point();
    }

    /// As `set`, where no waker can be missed: back to running.
    pub(crate) fn set_running(&self) {
        self.0.store(RUNNING, Ordering::Release);
    }

    /// From `from` to `to`, or what it is instead.
    pub(crate) fn exchange(&self, from: u32, to: u32) -> Result<(), u32> {
        machine::irq::point();
        let exchanged = self.0.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst);
        machine::irq::point();
        exchanged.map(|_| ())
    }

    /// Tries to take the task out of its sleep. Interrupts off, if it is to be activated.
    #[inline]
    pub(crate) fn claim(&self, mask: u32) -> Claim {
        loop {
            let state = self.load();
            if state & mask == 0 {
                return Claim::Refused;
            }
            if state & OFF_QUEUE == 0 {
                if self.exchange(state, RUNNING).is_ok() {
                    return Claim::Awake;
                }
            } else if self.exchange(state, WAKING).is_ok() {
                return Claim::Asleep(state);
            }
        }
    }
}

/// What became of an attempt to wake a task.
pub(crate) enum Claim {
    /// It does not sleep so.
    Refused,
    /// It was on its way to sleep, on its own CPU, and now goes on.
    Awake,
    /// It slept in this state, and waits for [`activate`](crate::wake::activate).
    Asleep(u32),
}

/// The letter that `/proc` and `ps` show for a state.
pub const fn letter(state: u32) -> char {
    if state & DEAD != 0 {
        'X'
    } else if state & STOPPED != 0 {
        'T'
    } else if state & TRACED != 0 {
        't'
    } else if state & PARKED != 0 {
        'P'
    } else if state & (UNINTERRUPTIBLE | NOLOAD) == UNINTERRUPTIBLE | NOLOAD {
        'I'
    } else if state & (UNINTERRUPTIBLE | NEW | FROZEN) != 0 {
        'D'
    } else if state & INTERRUPTIBLE != 0 {
        'S'
    } else {
        'R'
    }
}
